"""Arguments of calls, small on the wire, whose paths or parts would cost the host much."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.engine.future_arguments import MAX_AWAITED, future_arguments, read_awaited
from orchestrator.engine.objects.host_proxy import mapped
from sandbox_runner.wire.values import FutureRef, GraphError, decode, encode
from statek import tool
from statek.exceptions import InvalidRequest
from statek.tools import ToolDef

pytestmark = pytest.mark.timeout(20)


@tool(effect="none")
def take(a: object, *rest: object, **kwargs: object) -> None:
    """Take anything."""


TAKE = ToolDef.of(take)


def folded(kind: type, inner: object, depth: int = 50) -> object:
    """A container that holds its own content twice, at every level: 2 ** depth paths, a few hundred bytes."""
    for _ in range(depth):
        inner = kind([inner, inner]) if kind is not dict else {"a": inner, "b": inner}
    return inner


@pytest.mark.parametrize("kind", [tuple, list, dict])
def test_what_is_shared_is_walked_once(kind: type) -> None:
    value: Any = decode(encode(folded(kind, FutureRef(7, "x"))))
    seen: list[object] = []

    def note(item: object) -> object:
        seen.append(item)
        return item

    copy = mapped(value, note)
    assert seen == [FutureRef(7, "x")] * 2  # both places of the innermost one
    assert encode(copy) == encode(value)
    assert future_arguments(encode([[folded(kind, FutureRef(7, "x"))], {}]), TAKE) == [7]


def test_cycles_through_tuples_end() -> None:
    inner: list[Any] = []
    inner.append((inner, FutureRef(3, "")))
    assert future_arguments(encode([[inner, (inner,)], {"k": inner}]), TAKE) == [3]


@pytest.mark.parametrize(
    "args",
    [[[1, []], 0], [[True], 0], [[0], 0], [[-1], 0], [[1 << 63], 0], [[1], "0"], [1, 0], [], None, [[1] * 1017, 0]],
)
def test_waits_of_another_form_are_refused(args: object) -> None:
    with pytest.raises(GraphError):
        read_awaited("any", encode(args))


@pytest.mark.parametrize(("mode", "numbers"), [("both", [1]), ("", [1]), ("any", []), ("all", [1] * (MAX_AWAITED + 1))])
def test_waits_that_nobody_can_keep_are_refused(mode: str, numbers: list[int]) -> None:
    with pytest.raises(InvalidRequest):
        read_awaited(mode, encode([numbers, 0]))


@given(st.text(max_size=20), st.binary(max_size=80))
def test_any_bytes_are_answered(mode: str, data: bytes) -> None:
    for body in (data, b"\x01" + data, encode([[1], 0]) + data):
        with suppress(GraphError, InvalidRequest):
            read_awaited(mode, body)
        with suppress(GraphError, InvalidRequest):
            future_arguments(body, TAKE)
