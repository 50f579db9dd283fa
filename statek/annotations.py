"""Checks and converts one argument against one annotation.

Simple annotations are checked (``int float str bool bytes list dict tuple set None``, ``Optional``,
``Union``, ``Literal`` and containers of them), enum names and ISO dates are converted where the
annotation asks for them, durable classes refuse plain values; every other annotation lets anything pass.
"""

from __future__ import annotations

import datetime as dt
import enum
import types
import typing
from collections.abc import Callable
from typing import Any

from sandbox_runner.wire.values import EnumValue

__all__ = ["annotation_text", "convert_argument", "takes_no_text"]

MAX_ELEMENT_CHECKS = 10_000
"""Elements of containers that are checked in one argument; the rest pass unchecked, to bound the time."""

_PLAIN_TYPES = (type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset)
_DURABLE_MARK = "__DBZERO_TAG_FIELDS_ATTR"
_CONTAINERS: dict[Any, type] = {list: list, dict: dict, tuple: tuple, set: set, frozenset: frozenset}
_SCALARS = (int, float, str, bool, bytes, complex, bytearray)
_ISO_PARSERS: dict[type, Callable[[str], Any]] = {
    dt.datetime: dt.datetime.fromisoformat,
    dt.date: dt.date.fromisoformat,
    dt.time: dt.time.fromisoformat,
}


def takes_no_text(annotation: Any) -> bool:
    """Whether a text given for this annotation can only be the name of something.

    True for a class other than text and enums (which have names of their own), for callables, and for a union that
    has such a member and no text; False for what is not annotated, not resolved, or lets anything pass.
    """
    if (
        annotation is None
        or isinstance(annotation, str)
        or any(annotation is free for free in (Any, object, type(None)))
    ):
        return False
    if typing.get_origin(annotation) is typing.Annotated:
        return takes_no_text(typing.get_args(annotation)[0])
    if _is_union(annotation):
        members = [member for member in typing.get_args(annotation) if member is not type(None)]
        return not any(_is_text(member) for member in members) and any(map(takes_no_text, members))
    kind = typing.get_origin(annotation) or annotation
    return isinstance(kind, type) and not _is_text(kind) and not issubclass(kind, enum.Enum)


def _is_text(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, str)


class _Mismatch(Exception):
    """The value does not fit the annotation."""


def annotation_text(annotation: Any) -> str:
    """An annotation as a person writes it."""
    if isinstance(annotation, str):
        return annotation
    if annotation is None or annotation is type(None):
        return "None"
    if _is_union(annotation):
        return " | ".join(annotation_text(member) for member in typing.get_args(annotation))
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation.__qualname__ if annotation.__module__ == "builtins" else annotation.__name__
    return str(annotation).replace("typing.", "")


def convert_argument(tool: str, parameter: str, annotation: Any, value: object) -> object:
    """The value that the tool gets for one of its parameters.

    Args:
        tool: its name, for the error.
        parameter: its name, for the error.
        annotation: resolved annotation; an unresolved one (a string) lets anything pass.
        value: as it came from the job.

    Raises:
        TypeError: the value does not fit.
        ValueError: an enum has no member of that name, or a text is no ISO date or time.
    """
    try:
        return _convert(annotation, value, [MAX_ELEMENT_CHECKS])
    except _Mismatch:
        wanted = annotation_text(annotation)
        raise TypeError(f"{tool}() argument {parameter!r} must be {wanted}, not {type(value).__name__}") from None
    except ValueError as error:
        raise ValueError(f"{tool}() argument {parameter!r}: {error}") from None


def _is_union(annotation: Any) -> bool:
    origin = typing.get_origin(annotation)
    return origin is typing.Union or origin is types.UnionType


def _convert(annotation: Any, value: object, budget: list[int]) -> object:
    if annotation is None or annotation is type(None):
        if value is not None:
            raise _Mismatch
        return value
    if _is_union(annotation):
        return _convert_union(typing.get_args(annotation), value, budget)
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _convert(typing.get_args(annotation)[0], value, budget)
    if origin is typing.Literal:
        # bool and int compare equal; a Literal[1] does not mean True.
        if not any(type(value) is type(member) and value == member for member in typing.get_args(annotation)):
            raise _Mismatch
        return value
    container = _CONTAINERS.get(origin or annotation)
    if container is not None:
        return _check_container(container, typing.get_args(annotation), value, budget)
    if not isinstance(annotation, type):
        return _convert_dbzero_enum(annotation, value)
    if annotation in _SCALARS:
        return _check_scalar(annotation, value)
    if issubclass(annotation, enum.Enum):
        return _convert_enum(annotation, value)
    if annotation in _ISO_PARSERS:
        return _convert_iso(annotation, value)
    if _is_durable_class(annotation) and type(value) in _PLAIN_TYPES:
        raise _Mismatch
    return value


def _check_scalar(annotation: type, value: object) -> object:
    if type(value) is bool and annotation is not bool:
        raise _Mismatch
    if annotation is float and type(value) is int:
        return value  # PEP 484: an int is acceptable where a float is expected
    if not isinstance(value, annotation):
        raise _Mismatch
    return value


def _check_container(container: type, members: tuple[Any, ...], value: object, budget: list[int]) -> object:
    """Check the container and, within the budget, scalar elements; nothing is converted inside."""
    if not isinstance(value, container):
        # A durable list or dict stands for a plain one, and is not of the builtin type.
        if type(value) in _PLAIN_TYPES:
            raise _Mismatch
        return value
    groups: list[tuple[Any, typing.Iterable[object]]] = []
    if isinstance(value, dict):
        groups = [(members[0], value.keys()), (members[1], value.values())] if len(members) == 2 else []
    elif isinstance(value, tuple):
        groups = [(members[0], value)] if len(members) == 2 and members[1] is Ellipsis else []
    elif isinstance(value, list | set | frozenset) and len(members) == 1:
        groups = [(members[0], value)]
    for annotation, elements in groups:
        if annotation not in _SCALARS:
            continue
        for element in elements:
            if budget[0] <= 0:
                return value
            budget[0] -= 1
            _check_scalar(annotation, element)
    return value


def _convert_union(members: tuple[Any, ...], value: object, budget: list[int]) -> object:
    """The first member that the value fits as it is, else the first that it can be converted to."""
    if isinstance(value, str) and str in members:
        return value
    error: ValueError | None = None
    for member in members:
        try:
            return _convert(member, value, budget)
        except _Mismatch:
            continue
        except ValueError as caught:
            error = error or caught
    if error is not None:
        raise error
    raise _Mismatch


def _convert_enum(annotation: type[enum.Enum], value: object) -> object:
    if isinstance(value, annotation):
        return value
    if isinstance(value, EnumValue):
        if value.qualname != annotation.__qualname__:
            raise _Mismatch
        name = value.name
    elif type(value) is str:
        name = value
    else:
        raise _Mismatch
    if name not in annotation.__members__:
        known = ", ".join(annotation.__members__)
        raise ValueError(f"{name!r} is no {annotation.__name__}; known: {known}")
    return annotation.__members__[name]


def _convert_dbzero_enum(annotation: Any, value: object) -> object:
    """A dbzero enum is an instance of dbzero's own class and is asked by name; anything else is unknown."""
    kind = type(annotation)
    if (kind.__module__.split(".")[0], kind.__name__) != ("dbzero", "Enum") or type(value) is not str:
        return value
    try:
        return annotation[value]
    except RuntimeError:  # what dbzero 0.7 raises for an unknown name
        raise ValueError(f"{value!r} is no value of the enum") from None


def _convert_iso(annotation: type, value: object) -> object:
    if type(value) is not str:
        if type(value) in _PLAIN_TYPES:
            raise _Mismatch
        return value
    try:
        return _ISO_PARSERS[annotation](value)
    except ValueError:
        raise ValueError(f"{value[:80]!r} is no ISO {annotation.__name__}") from None


def _is_durable_class(annotation: type) -> bool:
    """Whether instances of the class live in the durable store.

    By the mark that dbzero 0.7 leaves on a class (proven by a test): its own question is about instances, and asking it
    here would import the store into every process that binds arguments.
    """
    return any(_DURABLE_MARK in vars(base) for base in annotation.__mro__)
