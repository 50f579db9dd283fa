"""Futures and temporals in host code, without a service."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from statek import FutureResult, current_tool_context, suspend_for, temporal, tool
from statek.docstring_check import format_docstring
from statek.exceptions import FutureError, InvalidRequest
from statek.future import CombinedFutureResult, FutureElement, FutureState, get_all_future, get_any_future
from statek.temporals import find_temporal
from statek.tools import ToolDef


def value_of(box: dict[str, Any]) -> tuple[str, int]:
    if "value" not in box:
        raise FutureError(box)
    return box["value"], 1


@temporal(complement=value_of)
@tool(effect="none")
def ask(box: dict, **kwargs: object) -> Any:
    """Ask."""
    return box


def test_temporal_is_a_tool_whose_value_comes_later() -> None:
    box: dict[str, Any] = {}
    future = ask(box)
    first, second = future
    assert isinstance(future, FutureResult)
    assert (future.state, future.check_condition(), future.size) == (FutureState.PENDING, False, 2)
    with pytest.raises(FutureError):
        _ = future.value
    box["value"] = "yes"
    assert (future.state, future.value, first.value, second.value) == (FutureState.RESOLVED, ("yes", 1), "yes", 1)
    assert isinstance(first, FutureElement)
    assert ToolDef.of(ask).effect == "none"
    assert find_temporal(f"{__name__}.ask") is not None


def test_async_function_and_a_condition() -> None:
    @temporal(complement=lambda a, b: a + b, condition=lambda a, b: bool(b))
    async def both(a: list[int], b: list[int]) -> Any:
        return a, b

    b: list[int] = []
    future: Any = asyncio.run(both([1], b))
    assert future.check_condition() is False
    b.append(2)
    assert future.value == [1, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "takes either complement"),
        ({"complement": value_of, "extends": ask}, "takes either complement"),
        ({"extends": value_of}, "'value_of' is no temporal and cannot be extended"),
        ({"extends": ask, "condition": value_of}, "takes the condition of what it extends"),
        ({"condition": value_of}, "takes either complement"),
    ],
)
def test_contradictions_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        temporal(**options)


def test_marks_of_a_temporal() -> None:
    @temporal(extends=ask)
    def again(box: dict[str, Any]) -> Any:
        return ask(box)

    marked: Any = again
    marks = (marked.__is_temporal__, marked.__temporal_complement__, marked.__temporal_condition__)
    assert marks == (True, value_of, None)
    assert again({"value": "x"}).value == ("x", 1)


def test_any_and_all_take_futures_and_plain_values() -> None:
    ready, waiting = ask({"value": "a"}), ask({})
    assert get_any_future(waiting, ready, 3) == ("a", 1)
    assert get_all_future(ready, 3) == (("a", 1), 3)
    with pytest.raises(FutureError):
        get_any_future(waiting)
    with pytest.raises(FutureError):
        get_all_future(ready, waiting)
    for function in (get_any_future, get_all_future):
        with pytest.raises(TypeError):
            function()
    assert CombinedFutureResult([ready, ask({"value": "b"})]).value == (("a", 1), ("b", 1))
    assert CombinedFutureResult([waiting, ready], "any").value == ("a", 1)
    assert CombinedFutureResult([waiting, ready]).check_condition() is False
    with pytest.raises(TypeError):
        CombinedFutureResult([])


def test_suspend_for_is_for_tools() -> None:
    with pytest.raises(InvalidRequest, match="called by a tool of a job"):
        suspend_for("approval")
    with pytest.raises(InvalidRequest):
        current_tool_context()


def _finds(order: str) -> tuple[str, int]:
    """Look.

    Returns:
        name and size
    """
    return order, len(order)


def test_temporal_is_shown_with_what_its_complement_gives() -> None:
    @temporal(complement=_finds)
    @tool
    def ask(name: str, **kwargs: object) -> str:
        """Ask for an order.

        Returns:
            a ticket
        """
        return name

    made = ToolDef.of(ask)
    assert made.signature_text == "(name: str) -> tuple[str, int]"
    assert made.doc == "Ask for an order.\n\nReturns:\n    name and size"
    assert format_docstring(ask, brief=True) == "ask(name)\n    Ask for an order.\n    Returns: name and size"


def test_temporal_keeps_what_its_complement_does_not_say() -> None:
    @tool
    @temporal(complement=lambda order: order)
    def ask(name: str, **kwargs: object) -> str:
        """Ask for an order.

        Returns:
            the order
        """
        return name

    assert (ToolDef.of(ask).signature_text, ToolDef.of(ask).doc) == (
        "(name: str) -> str",
        "Ask for an order.\n\nReturns:\n    the order",
    )
