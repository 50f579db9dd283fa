"""How values are shown to people on the host: the text that ``print`` in the sandbox would show.

For decoded graph values, which are plain data, and for durable objects. Bounded in depth, elements and
characters; cycles end in ``...``.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from collections import deque
from fractions import Fraction
from typing import Any

from sandbox_runner.wire.values import EnumValue, Handle

__all__ = ["render_print", "render_value"]

MAX_ITEMS = 25
"""Elements of a collection that are shown."""
MAX_DEPTH = 20
"""Nested collections that are shown."""
MAX_CHARACTERS = 100_000
"""Characters after which collections are cut, their brackets and commas included."""
MAX_SORTED_CHARACTERS = 1000
"""Characters by which the members of a set are put in order."""

_MEMBER_NAMES = (
    ((list, deque), "List"),
    (tuple, "Tuple"),
    ((set, frozenset), "Set"),
    (dict, "Dict"),
)
_COLLECTIONS = (list, tuple, set, frozenset, dict, deque)


def render_value(value: object) -> str:
    """A value at top level: text raw, everything else by the rules of section 10 of the documents' print."""
    return value if isinstance(value, str) else _Renderer().render(value, 0)


def render_print(values: tuple[object, ...], *, sep: str = " ", end: str = "\n") -> str:
    """What one ``print`` call adds to the console: values joined, newlines at the end removed."""
    return (sep.join(render_value(value) for value in values) + end).rstrip("\n")


class _Renderer:
    """One rendering.

    Brackets and commas count as characters: a few lists that share their elements would otherwise be shown
    in exponential time.

    Args:
        for_order: make the short text by which the members of a set are sorted; sets inside it are not.
    """

    def __init__(self, *, for_order: bool = False) -> None:
        self._open: set[int] = set()
        self._limit = MAX_SORTED_CHARACTERS if for_order else MAX_CHARACTERS
        self._for_order = for_order
        self._characters = 0
        self._members: dict[int, list[Any]] = {}

    def render(self, value: Any, depth: int, *, repeated: bool = False) -> str:
        if isinstance(value, _COLLECTIONS) or _is_plain_object(value):
            if depth > MAX_DEPTH or id(value) in self._open:
                return "..."
            self._open.add(id(value))
            self._characters += 3
            try:
                if isinstance(value, _COLLECTIONS):
                    return self._collection(value, depth)
                return self._object(value, depth, repeated=repeated)
            finally:
                self._open.discard(id(value))
        text = _scalar(value)
        if depth:
            self._characters += len(text)
        return text

    def _collection(self, value: Any, depth: int) -> str:
        if isinstance(value, dict):
            pairs = list(itertools.islice(value.items(), MAX_ITEMS))
            keys = [self.render(key, depth + 1) for key, _ in pairs]
            shown = self._elements([item for _, item in pairs], depth)
            parts = [f"{key}:{item}" for key, item in zip(keys, shown, strict=False)]
            return _enclose("{", parts, "}", len(value))
        if isinstance(value, set | frozenset):
            return _enclose("{", self._elements(self._first_members(value), depth), "}", len(value))
        opening, closing = ("(", ")") if isinstance(value, tuple) else ("[", "]")
        first = list(itertools.islice(value, MAX_ITEMS))
        return _enclose(opening, self._elements(first, depth), closing, len(value))

    def _first_members(self, value: Any) -> list[Any]:
        """The members of a set that are shown; sorted once, however often the set appears."""
        if self._for_order:
            return list(itertools.islice(value, MAX_ITEMS))
        members = self._members.get(id(value))
        if members is None:
            members = self._members[id(value)] = sorted(value, key=_order)[:MAX_ITEMS]
        return members

    def _elements(self, items: list[Any], depth: int) -> list[str]:
        """Elements until the text is long enough; later ones of the same type are marked as repeated."""
        seen: set[type] = set()
        shown: list[str] = []
        for item in items:
            if self._characters > self._limit:
                break
            shown.append(self.render(item, depth + 1, repeated=type(item) in seen))
            seen.add(type(item))
        return shown

    def _object(self, value: Any, depth: int, *, repeated: bool) -> str:
        """``Name(field=value,...)``; nested collections and objects as ``<List of 3 items>`` and ``<Name>``."""
        parts: list[str] = []
        dropped = False
        for name, item in _public_fields(value):
            opaque = _opaque_name(item)
            if opaque is not None and repeated:
                dropped = True
            else:
                parts.append(f"{name}={opaque if opaque is not None else self.render(item, depth + 1)}")
        return f"{type(value).__name__}({','.join([*parts, '...'] if dropped else parts)})"


def _order(member: Any) -> str:
    """What the members of a set are sorted by: what ``repr`` gives, as far as that is short and quick."""
    if isinstance(member, tuple | frozenset):
        return _Renderer(for_order=True).render(member, 1)
    if isinstance(member, str | bytes):
        return repr(member[:MAX_SORTED_CHARACTERS])
    if isinstance(member, int | range | Fraction):  # repr refuses numbers of many digits
        return _scalar(member)
    return repr(member)


def _enclose(opening: str, parts: list[str], closing: str, total: int) -> str:
    if len(parts) < total:
        return f"{opening}{','.join(parts)}, ...{closing} ({total} items total)"
    return f"{opening}{','.join(parts)}{closing}"


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value[:MAX_CHARACTERS]}"'
    if isinstance(value, dt.datetime):
        return f'datetime("{value:%Y-%m-%d %H:%M}")'
    if isinstance(value, Handle):
        return f"<{value.type_name}>"
    if isinstance(value, EnumValue):
        return f"{value.qualname}.{value.name}"
    if isinstance(value, int) and value.bit_length() > 10_000:
        return hex(value)[:MAX_CHARACTERS]  # decimal digits would take quadratic time, and Python refuses them
    if isinstance(value, range | slice):
        step = "" if value.step in {1, None} and isinstance(value, range) else f", {_scalar(value.step)}"
        return f"{type(value).__name__}({_scalar(value.start)}, {_scalar(value.stop)}{step})"
    try:
        return str(value)[:MAX_CHARACTERS]
    except ValueError:  # a fraction of numbers with more digits than Python shows
        return f"<{type(value).__name__}>"


def _is_plain_object(value: Any) -> bool:
    """Whether ``value`` is an instance of an ordinary class that says nothing itself about how it is shown."""
    kind = type(value)
    if kind.__module__ == "builtins" or isinstance(value, type | Handle | EnumValue) or not hasattr(value, "__dict__"):
        return False
    own_str: Any = kind.__str__
    return own_str is object.__str__


def _public_fields(value: Any) -> list[tuple[str, Any]]:
    if dataclasses.is_dataclass(value):
        return [(info.name, getattr(value, info.name, None)) for info in dataclasses.fields(value)]
    return [(name, item) for name, item in vars(value).items() if not name.startswith("_")]


def _opaque_name(item: Any) -> str | None:
    for kinds, name in _MEMBER_NAMES:
        if isinstance(item, kinds):
            return f"<{name} of {len(item)} items>"
    if isinstance(item, Handle):
        return f"<{item.type_name}>"
    return f"<{type(item).__name__}>" if _is_plain_object(item) else None
