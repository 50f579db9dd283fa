"""One bounded line per variable for a person: type, shape or length, a short text. Runs no code of the user."""

from __future__ import annotations

import inspect
import reprlib
import types
from typing import Any

from sandbox_runner.executor.components import ATOMIC
from sandbox_runner.executor.console import printable
from sandbox_runner.executor.futures import Future, is_pending, pending_text, value_of
from sandbox_runner.executor.handles import DurableObject
from sandbox_runner.wire.values import EnumValue

__all__ = ["preview"]

_LIMIT = 160

_LIBRARIES = frozenset({"numpy", "pandas", "polars", "pyarrow", "scipy", "torch", "xarray"})

_short = reprlib.Repr()
_short.maxlevel = 3
_short.maxlist = _short.maxtuple = _short.maxdict = _short.maxset = _short.maxfrozenset = 5
_short.maxstring = _short.maxother = _short.maxlong = 60


def preview(value: Any) -> str:
    """Describe a value in one line of at most 160 characters."""
    try:
        text = _describe(value)
    except Exception as error:
        text = f"{type(value).__name__} ({type(error).__name__} in its description)"
    return printable(" ".join(text[: 2 * _LIMIT].split()))[:_LIMIT]


def _describe(value: Any) -> str:
    kind = type(value)
    name = kind.__name__
    if kind is Future:  # before any isinstance, which would wait for its value
        return pending_text(value) if is_pending(value) else _describe(value_of(value))
    if kind is int:
        bits = value.bit_length()
        return f"int {value}" if bits < 200 else f"int of {bits} bits"
    if kind in {str, bytes, bytearray}:
        size = len(value)
        return f"{name} {value!r}" if size <= 60 else f"{name} ({size}) {value[:60]!r}..."
    if kind in {list, tuple, dict, set, frozenset}:
        return f"{name} ({len(value)}) {_contents(value)}"
    if kind is types.ModuleType:
        return f"module {value.__name__}"
    if isinstance(value, DurableObject):
        return f"{name} (durable)"
    if kind is EnumValue:
        return f"enum {value}"
    if kind in ATOMIC:
        return f"{name} {_short.repr(value)}" if value is not None else "None"
    if isinstance(value, types.FunctionType):
        return f"function {value.__name__}{inspect.signature(value) if not value.__annotations__ else '(...)'}"[:_LIMIT]
    if isinstance(value, type):
        return f"class {value.__name__}"
    if kind.__module__.partition(".")[0] in _LIBRARIES:
        shape = getattr(value, "shape", None)
        dtype = getattr(value, "dtype", None)
        return f"{name}{f' {tuple(shape)}' if shape is not None else ''}{f' {dtype}' if dtype is not None else ''}"
    return name


def _contents(value: Any) -> str:
    """Show the first elements when all of them are plain; anything else could run the user's code."""
    items = (
        list(value.items())[:5] if isinstance(value, dict) else [item for item, _ in zip(value, range(5), strict=False)]
    )
    flat = [part for item in items for part in (item if isinstance(value, dict) else (item,))]
    if all(type(part) in ATOMIC for part in flat):
        if isinstance(value, dict):
            shown = [f"{_short.repr(key)}: {_short.repr(item)}" for key, item in items]
        else:
            shown = [_short.repr(item) for item in items]
    else:
        shown = [
            f"{type(item[0]).__name__}: {type(item[1]).__name__}" if isinstance(value, dict) else type(item).__name__
            for item in items
        ]
    more = ", ..." if len(value) > len(items) else ""
    opening, closing = "[]" if type(value) is list else "()" if type(value) is tuple else "{}"
    return f"{opening}{', '.join(shown)}{more}{closing}"
