"""How values are shown to people on the host: the text that ``print`` in the sandbox would show.

For decoded graph values, which are plain data, and for durable objects. Bounded in depth, elements and
characters; cycles end in ``...``.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import inspect
import itertools
from collections import deque
from collections.abc import Collection
from fractions import Fraction
from typing import Any

from sandbox_runner.wire.values import EnumValue, Handle

__all__ = ["format_default_llm_repr", "render_print", "render_value", "statek_print"]

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


def statek_print(*values: object, sep: str | None = " ", end: str | None = "\n", **ignored: object) -> None:
    """Print values as the sandbox would show them to the model: for code of the application.

    Args:
        *values: text as it is, everything else rendered.
        sep: as for ``print``.
        end: as for ``print``.
        **ignored: further arguments of ``print``.
    """
    print(render_print(values, sep=" " if sep is None else sep, end="\n" if end is None else end))


def format_default_llm_repr(
    value: object,
    *,
    repeated: bool = False,
    hide: Collection[str] = (),
    show_only: Collection[str] | None = None,
    expand: Collection[str] = (),
    max_len: int | None = None,
) -> str:
    """The text that a value is shown by, whatever it says of itself; an ``__llm_repr__`` may build upon it.

    Args:
        value: an object, or anything else.
        repeated: leave out members that say nothing by themselves, as for the second object of a type in a list.
        hide: fields that are not shown.
        show_only: the fields that are; None for all.
        expand: fields whose objects and collections are shown in full.
        max_len: longest text, in characters.
    """
    choice = _Choice(frozenset(hide), None if show_only is None else frozenset(show_only), frozenset(expand))
    text = value if isinstance(value, str) else _Renderer(choice=choice).render(value, 0, repeated=repeated)
    return text if max_len is None or len(text) <= max_len else f"{text[: max(max_len - 3, 0)]}..."


@dataclasses.dataclass(frozen=True, slots=True)
class _Choice:
    """Which fields of the object at the top are shown, and how."""

    hide: frozenset[str]
    show_only: frozenset[str] | None
    expand: frozenset[str]

    def shows(self, name: str) -> bool:
        return name not in self.hide and (self.show_only is None or name in self.show_only)


class _Renderer:
    """One rendering.

    Brackets and commas count as characters: a few lists that share their elements would otherwise be shown
    in exponential time.

    Args:
        for_order: make the short text by which the members of a set are sorted; sets inside it are not.
        choice: of the fields of the object at the top, whose own ``__llm_repr__`` is then not asked.
    """

    def __init__(self, *, for_order: bool = False, choice: _Choice | None = None) -> None:
        self._choice = choice
        self._open: set[int] = set()
        self._limit = MAX_SORTED_CHARACTERS if for_order else MAX_CHARACTERS
        self._for_order = for_order
        self._characters = 0
        self._members: dict[int, list[Any]] = {}

    def render(self, value: Any, depth: int, *, repeated: bool = False) -> str:
        chosen = depth == 0 and self._choice is not None and hasattr(value, "__dict__")
        if isinstance(value, _COLLECTIONS) or _is_plain_object(value) or chosen:
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
        custom = None if isinstance(value, type | Handle) else getattr(type(value), "__llm_repr__", None)
        text = _scalar(value) if custom is None else str(custom(value, **_accepted(custom, repeated=repeated)))
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
        choice = self._choice if depth == 0 else None
        for name, item in _public_fields(value):
            if choice is not None and not choice.shows(name):
                continue
            opaque = None if choice is not None and name in choice.expand else _opaque_name(item)
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
    return own_str is object.__str__ and not hasattr(kind, "__llm_repr__")


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


def _accepted(function: Any, **given: Any) -> dict[str, Any]:
    """Those keywords that an ``__llm_repr__`` takes."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return given
    names = {parameter.name for parameter in parameters}
    return {name: value for name, value in given.items() if name in names}
