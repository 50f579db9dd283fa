"""Futures in graph form: round trips, and hostile bytes after their tag."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.engine.future_arguments import FUTURE_MARK, read_awaited
from orchestrator.engine.futures import Awaited
from sandbox_runner.wire.graph_format import MAX_FUTURE_PARTS
from sandbox_runner.wire.values import FutureRef, GraphError, decode, encode
from statek.exceptions import InvalidRequest

pytestmark = pytest.mark.timeout(20)

TEXT = st.text(alphabet=st.characters(), max_size=12)
REFS = st.builds(
    FutureRef,
    st.integers(1, 2**63 - 1),
    TEXT,
    st.integers(0, MAX_FUTURE_PARTS),
    st.integers(-1, MAX_FUTURE_PARTS - 1),
)
VALUES = st.recursive(
    REFS | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=8,
)


@given(VALUES)
def test_futures_round_trip_wherever_they_stand(value: object) -> None:
    assert decode(encode(value)) == value


@given(VALUES)
def test_what_stands_for_a_future_is_asked_for_once_per_place(value: object) -> None:
    seen: list[FutureRef] = []

    def stand_in(ref: FutureRef) -> object:
        seen.append(ref)
        return ref

    assert decode(encode(value), from_future=stand_in) == value
    assert all(type(ref) is FutureRef for ref in seen)


@given(st.binary(max_size=60))
def test_any_bytes_after_the_tag_are_a_future_or_a_named_error(tail: bytes) -> None:
    header = encode(None)[:-1]
    try:
        found = decode(header + FUTURE_MARK + tail)
    except GraphError:
        return
    assert type(found) is FutureRef
    assert 0 < found.id < 2**63
    assert 0 <= found.size <= MAX_FUTURE_PARTS
    assert -1 <= found.index < MAX_FUTURE_PARTS


@given(REFS, st.data())
def test_a_broken_future_is_a_named_error_or_a_future(ref: FutureRef, data: st.DataObject) -> None:
    assert encode(ref).startswith(encode(None)[:-1] + FUTURE_MARK)
    body = bytearray(encode(ref))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with suppress(GraphError):
        decode(bytes(body[: data.draw(st.integers(0, len(body)))]))


@given(VALUES, st.sampled_from(["any", "all", "both", ""]))
def test_a_wait_is_read_or_refused_by_name(value: object, mode: str) -> None:
    for args in (value, [value, 0], [[1, value], 0], [[1], value]):
        with suppress(GraphError, InvalidRequest):
            found = read_awaited(mode, encode(args))
            assert isinstance(found, Awaited)
            assert (found.mode in {"any", "all"}, 0 <= found.statement < 2**31) == (True, True)
            assert all(type(number) is int and 0 < number < 2**63 for number in found.futures)
