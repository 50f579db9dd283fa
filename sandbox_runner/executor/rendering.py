"""How ``print`` and echo show values to the model: short, bounded, without memory addresses."""

from __future__ import annotations

import dataclasses
import datetime as dt
import inspect
import itertools
import re
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from sandbox_runner.executor.futures import value_of
from sandbox_runner.executor.handle_collections import DurableDict, DurableList, DurableSet
from sandbox_runner.executor.handles import DurableObject

__all__ = ["render"]

MAX_ITEMS = 25
MAX_DEPTH = 20
MAX_TEXT = 100_000
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_SCALARS = (bool, int, float)

Render = Callable[[Any], str]


def render(value: object) -> str:
    """Render a value at the top level: text raw, everything else by the rules below.

    Scalars by ``str``; datetimes as ``datetime("YYYY-MM-DD HH:MM")``; ``[1,"s"]``, ``(1,2)``, sets sorted,
    ``{"k":v}``, with at most 25 elements; other objects by ``__llm_repr__``, an overridden ``__str__``, else
    ``Name(field=value,...)``.
    """
    value = value_of(value)
    if isinstance(value, str):
        return value
    return _Rendering().of(value, 0, repeated=False)


class _Rendering:
    """One rendering; stops adding once it is long enough."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._length = 0

    def of(self, value: Any, depth: int, *, repeated: bool) -> str:
        text = self._of(value, depth, repeated=repeated)
        if depth and not isinstance(value, (list, tuple, set, frozenset, dict, deque)):
            self._length += len(text)
        return text

    def _of(self, value: Any, depth: int, *, repeated: bool) -> str:
        value = value_of(value)
        if value is None or isinstance(value, _SCALARS):
            return _str(value)
        if isinstance(value, str):
            return f'"{value[:MAX_TEXT]}"'
        if isinstance(value, dt.datetime):
            return f'datetime("{value:%Y-%m-%d %H:%M}")'
        if isinstance(value, (dt.date, dt.time)):
            return str(value)
        if depth > MAX_DEPTH or id(value) in self._open:
            return "..."
        self._open.add(id(value))
        # Brackets and commas count: lists that share their elements would be shown in exponential time.
        self._length += 3
        try:
            if isinstance(value, (list, tuple, set, frozenset, dict, deque)):
                return self._collection(value, depth)
            if isinstance(value, DurableObject):
                return self._durable(value, depth, repeated=repeated)
            return self._object(value, depth, repeated=repeated)
        finally:
            self._open.discard(id(value))

    def _collection(self, value: Any, depth: int) -> str:
        total = len(value)
        if isinstance(value, dict):
            pairs = list(value.items())[:MAX_ITEMS]
            parts = [f"{self.of(key, depth + 1, repeated=False)}:" for key, _ in pairs]
            shown = self._elements([item for _, item in pairs], depth)
            return self._wrap("{", [part + item for part, item in zip(parts, shown, strict=False)], "}", total)
        if isinstance(value, (set, frozenset)):
            try:
                members: Iterable[Any] = sorted(value, key=repr)
            except RecursionError:
                members = list(value)
            return self._wrap("{", self._elements(list(members)[:MAX_ITEMS], depth), "}", total)
        first = [item for item, _ in zip(value, range(MAX_ITEMS), strict=False)]
        opening, closing = ("(", ")") if isinstance(value, tuple) else ("[", "]")
        return self._wrap(opening, self._elements(first, depth), closing, total)

    def _durable(self, value: DurableObject, depth: int, *, repeated: bool) -> str:
        """A durable object or collection: its own text, else like the plain thing that it stands for."""
        is_collection = isinstance(value, (DurableList, DurableDict, DurableSet))
        # A proxy hides its state from user code only. Collections read what they need by pages.
        state = value._state if is_collection else value._known_state()  # noqa: SLF001
        if state.denied is not None or state.text is not None:
            return str(value)
        if not isinstance(value, (DurableList, DurableDict, DurableSet)):
            return self._fields_text(type(value).__name__, list(state.fields.items()), depth, repeated=repeated)
        first: list[Any] = list(itertools.islice(value, MAX_ITEMS))
        known = len(state.items) if state.items is not None else state.length
        total = known if known is not None else len(first) if len(first) < MAX_ITEMS else len(value)
        if isinstance(value, DurableDict):
            parts = [f"{self.of(key, depth + 1, repeated=False)}:" for key in first]
            shown = self._elements([value[key] for key in first], depth)
            return self._wrap("{", [part + item for part, item in zip(parts, shown, strict=False)], "}", total)
        opening, closing = ("{", "}") if isinstance(value, DurableSet) else ("[", "]")
        return self._wrap(opening, self._elements(first, depth), closing, total)

    def _elements(self, items: list[Any], depth: int) -> list[str]:
        seen: set[type] = set()
        shown: list[str] = []
        for item in items:
            if self._length > MAX_TEXT:
                break
            shown.append(self.of(item, depth + 1, repeated=type(item) in seen))
            seen.add(type(item))
        return shown

    def _wrap(self, opening: str, parts: list[str], closing: str, total: int) -> str:
        if len(parts) < total:
            return f"{opening}{','.join(parts)}, ...{closing} ({total} items total)"
        return f"{opening}{','.join(parts)}{closing}"

    def _object(self, value: Any, depth: int, *, repeated: bool) -> str:
        kind = type(value)
        custom = getattr(kind, "__llm_repr__", None)
        if custom is not None:
            return str(custom(value, **_accepted(custom, repeated=repeated)))
        if _has_own_str(kind):
            return _str(value)
        fields = _fields(value)
        if fields is None:
            return _ADDRESS.sub("", repr(value))
        return self._fields_text(kind.__name__, fields, depth, repeated=repeated)

    def _fields_text(self, name: str, fields: list[tuple[str, Any]], depth: int, *, repeated: bool) -> str:
        """``Name(field=value,...)``; of a repeated type without the members that say nothing by themselves."""
        parts: list[str] = []
        dropped = False
        for field, item in fields:
            text, opaque = self._member(item, depth)
            if opaque and repeated:
                dropped = True
            else:
                parts.append(f"{field}={text}")
        if dropped:
            parts.append("...")
        return f"{name}({','.join(parts)})"

    def _member(self, item: Any, depth: int) -> tuple[str, bool]:
        for kinds, name in (((list, deque), "List"), ((tuple,), "Tuple"), ((set, frozenset), "Set"), ((dict,), "Dict")):
            if isinstance(item, kinds):
                return f"<{name} of {len(item)} items>", True
        if isinstance(item, DurableObject):
            return _durable_name(item), True
        if not _has_own_str(type(item)) and _fields(item) is not None:
            return f"<{type(item).__name__}>", True
        return self.of(item, depth + 1, repeated=False), False


def _durable_name(item: DurableObject) -> str:
    """A durable object inside another one, without asking the host for anything."""
    state = item._state  # noqa: SLF001 -- a proxy hides its state from user code only
    for kind, name in ((DurableList, "List"), (DurableSet, "Set"), (DurableDict, "Dict")):
        if isinstance(item, kind):
            count = len(state.items) if state.items is not None else state.length
            return f"<{name}>" if count is None else f"<{name} of {count} items>"
    return f"<{type(item).__name__}>"


def _accepted(function: Any, **given: Any) -> dict[str, Any]:
    """Those keywords that a ``__llm_repr__`` takes."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return given
    names = {parameter.name for parameter in parameters}
    return {name: value for name, value in given.items() if name in names}


def _str(value: Any) -> str:
    try:
        return str(value)[:MAX_TEXT] if isinstance(value, (bool, int, float)) or value is None else str(value)
    except ValueError:
        if isinstance(value, int):  # longer than the interpreter's limit for decimal digits
            return hex(value)[:MAX_TEXT]
        raise


def _has_own_str(kind: Any) -> bool:
    return kind.__str__ is not object.__str__


def _fields(value: Any) -> list[tuple[str, Any]] | None:
    """Public fields of an instance of a Python class; None for anything else."""
    if isinstance(value, type) or callable(value):
        return None
    kind = type(value)
    if dataclasses.is_dataclass(kind):
        return [(info.name, getattr(value, info.name, None)) for info in dataclasses.fields(kind)]
    if kind.__flags__ & 1 << 9 and hasattr(value, "__dict__"):  # a heap type: made by a class statement
        return [(name, item) for name, item in list(vars(value).items()) if not name.startswith("_")]
    return None
