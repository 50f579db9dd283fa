"""What a tool prints: shown on the console of the step that calls it.

``print`` is looked up among the builtins when it is called, and helpers of a tool call it as the tool does. So there
it is replaced, once, by one that asks who takes the output of this very call (a context variable): concurrent calls
never see each other's lines. Outside of a call, with ``file=``, and where the tool has redirected standard output,
it is Python's own. Threads that a tool starts print to the process's standard output, unless they are given the
tool's context.

Tried and left: a tool's function with globals of its own (its helpers and closures would not see them), and a standard
output that asks the same question (test tools and ``redirect_stdout`` replace it under us).
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from statek.rendering import render_print

__all__ = ["prints_as_usual", "prints_taken"]

Taker = Callable[[str], None]

_taker: ContextVar[tuple[Taker, Any] | None] = ContextVar("statek_print_taker", default=None)
"""Who takes what is printed, and the standard output at the time."""

_python_print = builtins.print


def _print(
    *values: object, sep: str | None = " ", end: str | None = "\n", file: Any = None, flush: bool = False
) -> None:
    """Print as Python does, or show the line to whoever takes what this call prints."""
    taken = _taker.get()
    if taken is None or file is not None or sys.stdout is not taken[1]:
        _python_print(*values, sep=sep, end=end, file=file, flush=flush)
        return
    for name, text in (("sep", sep), ("end", end)):
        if text is not None and not isinstance(text, str):
            raise TypeError(f"{name} must be None or a string, not {type(text).__name__}")
    taken[0](render_print(values, sep=" " if sep is None else sep, end="\n" if end is None else end))


@contextmanager
def prints_taken(take: Taker) -> Iterator[None]:
    """Give what is printed inside the block, one text for each ``print``, to somebody."""
    if builtins.print is not _print:
        vars(builtins)["print"] = _print
    token = _taker.set((take, sys.stdout))
    try:
        yield
    finally:
        _taker.reset(token)


@contextmanager
def prints_as_usual() -> Iterator[None]:
    """Print inside the block as outside of any call."""
    token = _taker.set(None)
    try:
        yield
    finally:
        _taker.reset(token)
