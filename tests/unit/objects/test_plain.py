"""Arguments and results that are read and written on the event loop."""

from __future__ import annotations

import datetime as dt
import enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.engine.objects.plain import decode_plain, encode_plain
from sandbox_runner.wire.values import FutureRef, GraphError, Handle, decode, encode

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
VALUES = st.recursive(
    SCALARS | st.dates() | st.complex_numbers() | st.builds(Handle, st.integers(1, 9), st.just("T")),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=3), inner, max_size=5)
        | st.tuples(inner)
        | st.frozensets(st.integers(), max_size=3)
    ),
    max_leaves=30,
)


class Colour(enum.Enum):
    RED = 1


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize("value", [None, True, 0, -(1 << 63), 1.5, "", "é\0\ud800", b"\x1e\x20", [], {"a": [1, {}]}])
def test_plain_values_have_the_form_that_they_always_have(value: Any) -> None:
    assert encode_plain(value) == encode(value)
    assert decode_plain(encode([[value], {"name": value}])) == ([value], {"name": value})


@pytest.mark.parametrize(
    "value",
    [
        1 << 63,
        "x" * 5000,
        ["y" * 3000, "z" * 3000],
        list(range(65)),
        {str(number): 1 for number in range(40)},
        {1: 2},
        (1,),
        {1},
        1j,
        dt.date(2026, 1, 1),
        Colour.RED,
        Text("a"),
        Handle(1, "T"),
        FutureRef(1, "what"),
        object(),
    ],
)
def test_everything_else_takes_the_other_way(value: Any) -> None:
    assert encode_plain(value) is None
    assert encode_plain([{"a": value}]) is None


def test_a_cycle_takes_the_other_way() -> None:
    cycle: list[Any] = [1]
    cycle.append(cycle)
    assert encode_plain(cycle) is None
    assert decode_plain(encode([[cycle], {}])) is None


@pytest.mark.parametrize("found", [[], [[]], [{}, {}], [[], {}, 1], [[], {"": 1}], [[], {"_ctx": 1}], [[], {"a b": 1}]])
def test_what_is_no_call_takes_the_other_way(found: Any) -> None:
    assert decode_plain(encode(found)) is None


def test_a_value_that_is_changed_meanwhile_takes_the_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestrator.engine.objects import plain

    def changed(_value: object) -> bytes:
        raise RuntimeError("dictionary changed size during iteration")

    monkeypatch.setattr(plain, "encode", changed)
    assert encode_plain({"a": 1}) is None


@given(st.binary(max_size=300) | st.lists(VALUES, max_size=3).map(lambda found: encode([found, {}])))
def test_whatever_a_runner_sends_is_read_as_elsewhere_or_not_at_all(data: bytes) -> None:
    found = decode_plain(data)
    if found is None:
        return
    try:
        again = decode(data)
    except GraphError:
        pytest.fail("what is malformed was read")
    assert repr(list(found)) == repr(again)
    assert encode_plain(again) == encode(again)
