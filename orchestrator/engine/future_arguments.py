"""Futures in what sandbox code sends: the ids that it waits for, and futures among the arguments of calls.

The bytes come from a runner: numbers only, which mean nothing before they are looked up among the job's own futures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.engine.futures import Awaited
from orchestrator.engine.objects.host_proxy import mapped
from sandbox_runner.wire import values
from sandbox_runner.wire.values import FutureRef, GraphError
from statek.annotations import annotation_text
from statek.exceptions import InvalidRequest
from statek.future import FutureElement, FutureReading, FutureResult, FutureState
from statek.tools import ToolDef

__all__ = ["FUTURE_MARK", "MAX_AWAITED", "future_arguments", "read_awaited", "take_futures", "takes_futures"]

FUTURE_MARK = b"\x20"
"""The tag of a future (``sandbox_runner.wire.graph_format``): arguments without this byte have none."""

MAX_AWAITED = 1000
"""Futures that one wait may name."""

_LIMITS = values.GraphLimits(max_nodes=20_000, max_depth=60)
_WAIT_LIMITS = values.GraphLimits(max_nodes=MAX_AWAITED + 16, max_depth=4)
"""A wait is read on the event loop: no more than it can be."""


def read_awaited(mode: str, args: bytes) -> Awaited:
    """What code waits for.

    Raises:
        GraphError: not the form of a wait.
        InvalidRequest: an unknown mode, or too many futures.
    """
    found = values.decode(args, limits=_WAIT_LIMITS)
    match found:
        case [list(numbers), int(statement)] if all(type(number) is int and 0 < number < 1 << 63 for number in numbers):
            pass
        case _:
            raise GraphError("a wait is a list of future ids and the index of a statement")
    if mode not in {"any", "all"}:
        raise InvalidRequest(f"futures are waited for with any or all, not {mode!r:.40}")
    if not 1 <= len(numbers) <= MAX_AWAITED:
        raise InvalidRequest(f"a wait names 1 to {MAX_AWAITED} futures, not {len(numbers)}")
    return Awaited(mode, tuple(numbers), statement if 0 <= statement < 1 << 31 else 0)


def future_arguments(args: bytes, tool: ToolDef | None) -> list[int]:
    """Numbers of the futures among the arguments of a call whose values the callee needs.

    Raises:
        GraphError: malformed, or over a limit.
    """
    found = values.decode(args, limits=_LIMITS)
    if tool is not None and isinstance(found, list) and len(found) == 2:
        positional, keywords = found
        if isinstance(positional, list) and isinstance(keywords, dict):
            named = _named(tool, positional, keywords)
            if named is not None:
                found = [value for name, value in named if not _takes_futures(tool, name)]
    numbers: dict[int, None] = {}

    def collect(item: Any) -> Any:
        if isinstance(item, FutureRef):
            numbers[item.id] = None
        return item

    mapped(found, collect)
    return list(numbers)


def _named(tool: ToolDef, positional: list[Any], keywords: dict[str, Any]) -> list[tuple[str, Any]] | None:
    """The arguments by parameter; None where they do not fit, which binding tells better."""
    try:
        return list(tool.visible.bind(*positional, **keywords).arguments.items())
    except TypeError:
        return None


def takes_futures(tool: ToolDef) -> bool:
    """Whether a tool wants futures, also of values that are there."""
    return any(hint is FutureResult for hint in tool.hints.values())


def _takes_futures(tool: ToolDef, name: str) -> bool:
    """Whether a parameter is annotated to take futures as such."""
    return name in tool.hints and "FutureResult" in annotation_text(tool.hints[name])


class _There(FutureResult):
    """A future whose value was in the sandbox already."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self._there = value

    def _reading(self) -> FutureReading:
        return FutureReading(FutureState.RESOLVED, self._there)


def take_futures(
    tool: ToolDef,
    positional: list[Any],
    keywords: dict[str, Any],
    value_of: Callable[[FutureResult | FutureElement], Any],
) -> tuple[list[Any], dict[str, Any]]:
    """Give each parameter the futures or the values that it takes (store thread).

    Args:
        tool: whose arguments they are.
        positional: arguments, with futures as such.
        keywords: arguments by name, likewise.
        value_of: gives the value of one that has come to an end.

    Raises:
        Exception: what became of a future without a value.
    """

    def settled(item: Any) -> Any:
        return value_of(item) if isinstance(item, FutureResult | FutureElement) else item

    def taken(name: str, value: Any) -> Any:
        if not _takes_futures(tool, name):
            return mapped(value, settled)
        if tool.hints[name] is FutureResult and not isinstance(value, FutureResult | FutureElement):
            return _There(value)
        return value

    try:
        bound = tool.visible.bind(*positional, **keywords)
    except TypeError:
        return positional, keywords
    for name, value in bound.arguments.items():
        bound.arguments[name] = taken(name, value)
    return list(bound.args), dict(bound.kwargs)
