"""The public surface of an application class: what a handle could offer, before access is decided.

Looked up in class dictionaries only, never through ``getattr`` with a name from a sandbox: a name that
is not in the surface does not exist, whatever it would resolve to in Python. Names that begin with an
underscore are never part of it.

dbzero's attribute writes run neither property setters nor an application's ``__setattr__``: a plain
``setattr`` would store a field of the property's name beside it. Setters are therefore called by name.
"""

from __future__ import annotations

import enum
import functools
import inspect
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

__all__ = [
    "MAX_NAME_CHARS",
    "Member",
    "MemberKind",
    "Surface",
    "is_method",
    "is_public_name",
    "stored_fields",
    "surface_of",
]

MAX_NAME_CHARS = 200
"""Longest attribute or method name that is looked up."""


class MemberKind(enum.Enum):
    """What a class-level name is."""

    FIELD = "field"
    PROPERTY = "property"
    METHOD = "method"


@dataclass(frozen=True, slots=True)
class Member:
    """One public name of a class.

    Attributes:
        name: the name.
        kind: what it is.
        writable: a field, or a property with a setter.
        function: the function behind a method (unbound), a property's setter where it has one, else None.
        is_async: a method that would have to be awaited.
    """

    name: str
    kind: MemberKind
    writable: bool
    function: Any
    is_async: bool


@dataclass(frozen=True, slots=True)
class Surface:
    """Every public class-level name of a class, and how its objects behave.

    Attributes:
        key: ``module:Qualname``.
        name: the class's own name.
        members: by name, in order of definition, bases first.
        last_write_wins: fields whose writes are not checked for conflicts.
        computed: whether a state holds something that application code computes (properties, text).
        text_method: ``__llm_repr__`` or ``__str__`` where the class defines one, else empty.
    """

    key: str
    name: str
    members: dict[str, Member]
    last_write_wins: frozenset[str]
    computed: bool
    text_method: str


_SPECIAL = ("__llm_repr__", "__str__")

_surfaces: WeakKeyDictionary[type, Surface] = WeakKeyDictionary()


def is_public_name(name: object) -> bool:
    """Tell whether a name may be looked up at all: one plain identifier without a leading underscore."""
    return type(name) is str and len(name) <= MAX_NAME_CHARS and name.isidentifier() and not name.startswith("_")


def surface_of(cls: type) -> Surface:
    """Give the surface of an application class; cached per class."""
    found = _surfaces.get(cls)
    if found is None:
        found = _surfaces[cls] = _survey(cls)
    return found


def stored_fields(target: Any, surface: Surface) -> dict[str, Any]:
    """Give the stored public fields of an object, by name in sorted order, as dbzero reads them."""
    stored = vars(target)
    fields: dict[str, Any] = {}
    for name in sorted(stored):
        if is_public_name(name):
            member = surface.members.get(name)
            if member is None or member.kind is MemberKind.FIELD:
                fields[name] = stored[name]
    return fields


def _own_classes(cls: type) -> list[type]:
    """Give the application's classes among the bases, the most basic first."""
    return [base for base in reversed(cls.__mro__) if base is not object and not _is_foreign(base)]


def _is_own_function(value: object) -> bool:
    """Tell a function of the application from what dbzero and the checked writes put into its classes."""
    return isinstance(value, FunctionType) and not value.__module__.startswith(("dbzero", "statek.durable"))


def _is_foreign(base: type) -> bool:
    module = base.__module__
    return module in {"builtins", "abc", "typing"} or module.partition(".")[0] == "dbzero"


def _survey(cls: type) -> Surface:
    members: dict[str, Member] = {}
    last_write_wins: set[str] = set()
    methods: set[str] = set()
    for base in _own_classes(cls):
        space = vars(base)
        methods.update(name for name in _SPECIAL if _is_own_function(space.get(name)))
        last_write_wins.update(space.get("__statek_last_write_wins__", ()))
        for name in space.get("__annotations__", ()):
            if is_public_name(name):
                members.setdefault(name, Member(name, MemberKind.FIELD, True, None, False))
        for name, value in space.items():
            if not is_public_name(name):
                continue
            member = _member(name, value)
            if member is None:
                members.pop(name, None)
            else:
                members[name] = member
    text_method = next((name for name in ("__llm_repr__", "__str__") if name in methods), "")
    computed = bool(text_method) or any(member.kind is MemberKind.PROPERTY for member in members.values())
    return Surface(
        key=f"{cls.__module__}:{cls.__qualname__}",
        name=cls.__name__,
        members=members,
        last_write_wins=frozenset(last_write_wins),
        computed=computed,
        text_method=text_method,
    )


def _member(name: str, value: Any) -> Member | None:
    """Tell what a class-level value is; None for what no handle offers (classes, modules)."""
    if isinstance(value, property):
        return Member(name, MemberKind.PROPERTY, value.fset is not None, value.fset, False)
    if isinstance(value, staticmethod | classmethod):
        return Member(name, MemberKind.METHOD, False, value.__func__, _is_async(value.__func__))
    if is_method(value):
        return Member(name, MemberKind.METHOD, False, value, _is_async(value))
    if isinstance(value, type | ModuleType):
        return None
    if hasattr(type(value), "__get__"):
        return Member(name, MemberKind.PROPERTY, False, None, False)
    if callable(value):
        return None
    return Member(name, MemberKind.FIELD, True, None, False)


def is_method(value: object) -> bool:
    """Tell a class-level value that gives something to call (``inspect.isroutine`` counts cached properties in)."""
    if isinstance(value, staticmethod | classmethod | functools.partialmethod):
        return True
    return callable(value) and hasattr(type(value), "__get__") and not isinstance(value, type)


def _is_async(function: Any) -> bool:
    target = inspect.unwrap(function)
    return any(
        test(candidate)
        for candidate in (function, target)
        for test in (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    )
