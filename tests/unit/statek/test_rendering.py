from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox_runner.executor import rendering as executor_rendering
from sandbox_runner.wire.values import EnumValue, Handle
from statek.rendering import render_print, render_value


@dataclasses.dataclass
class Event:
    title: str
    guests: list[str]
    owner: object


class Person:
    def __init__(self) -> None:
        self.name = "Ari"
        self._secret = 1


class Spoken:
    def __str__(self) -> str:
        return "spoken"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("raw", "raw"),
        (None, "None"),
        (1.5, "1.5"),
        (decimal.Decimal("1.50"), "1.50"),
        ([1, "s", None], '[1,"s",None]'),
        ((1, 2), "(1,2)"),
        ((1,), "(1)"),
        ({2, 1}, "{1,2}"),
        ({"k": [1]}, '{"k":[1]}'),
        (dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC), 'datetime("2026-01-02 03:04")'),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (list(range(30)), f"[{','.join(map(str, range(25)))}, ...] (30 items total)"),
        (Event("a", ["x", "y"], Person()), 'Event(title="a",guests=<List of 2 items>,owner=<Person>)'),
        (
            [Event("a", [], 1), Event("b", [], 2)],
            '[Event(title="a",guests=<List of 0 items>,owner=1),Event(title="b",owner=2,...)]',
        ),
        (Spoken(), "spoken"),
        (Handle(3, "Meeting"), "<Meeting>"),
        (EnumValue("m", "Colour", "RED"), "Colour.RED"),
        ([Handle(3, "Meeting")], "[<Meeting>]"),
    ],
)
def test_values(value: object, text: str) -> None:
    assert text == render_value(value)


def test_print_joins_and_drops_the_newlines_at_the_end() -> None:
    assert [
        render_print(("a", 1)),
        render_print(("a", 1), sep="-", end=""),
        render_print(()),
        render_print(("x\n\n",)),
    ] == ["a 1", "a-1", "", "x"]


def test_cycles_depth_and_size_are_bounded() -> None:
    cycle: list[Any] = [1]
    cycle.append(cycle)
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    wide: Any = ["x" * 1000] * 25
    for _ in range(10):
        wide = [wide] * 25
    assert render_value(cycle) == "[1,...]"
    assert render_value(deep) == "[" * 21 + "..." + "]" * 21
    assert len(render_value(wide)) < 200_000
    assert render_value(1 << 100_000).startswith("0x1000")
    while isinstance(deep, list):  # freed step by step: the interpreter's own way recurses
        deep = deep[0]


values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=5),
        st.dates(),
        st.datetimes(),
        st.decimals(),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=3), inner, max_size=3),
    ),
    max_leaves=12,
)


@given(st.one_of(values, st.frozensets(st.integers()), st.sets(st.text(max_size=3))))
def test_the_host_shows_what_the_sandbox_shows(value: object) -> None:
    assert executor_rendering.render(value) == render_value(value)
