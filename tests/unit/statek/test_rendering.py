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
from statek.rendering import format_default_llm_repr, render_print, render_value, statek_print


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


class Room:
    def __init__(self) -> None:
        self.name = "A1"
        self.seats = [1, 2]
        self.owner: Any = Owner()
        self._private = 1


class Owner:
    def __init__(self) -> None:
        self.age = 3


class Short:
    def __llm_repr__(self, **kwargs: Any) -> str:
        return f"Short({kwargs.get('repeated')})"


class Built:
    def __init__(self) -> None:
        self.a = 1
        self.b = [1]

    def __llm_repr__(self) -> str:
        return format_default_llm_repr(self, hide=["b"])


OBJECTS = {
    "objects": (Room(), 'Room(name="A1",seats=<List of 2 items>,owner=<Owner>)'),
    "repeated objects": (
        [Room(), Room()],
        '[Room(name="A1",seats=<List of 2 items>,owner=<Owner>),Room(name="A1",...)]',
    ),
    "own text": (Short(), "Short(False)"),
    "own text in a list": ([Short(), Short()], "[Short(False),Short(True)]"),
    "own text in an object": ({"k": Short()}, '{"k":Short(False)}'),
    "own text upon the usual one": (Built(), "Built(a=1)"),
    "long list": (list(range(30)), f"[{','.join(map(str, range(25)))}, ...] (30 items total)"),
    "single tuple": ((1,), "(1)"),
}


@pytest.mark.parametrize("value", OBJECTS)
def test_objects_are_shown_alike_on_both_sides(value: str) -> None:
    shown, text = OBJECTS[value]
    assert (render_value(shown), executor_rendering.render(shown)) == (text, text)


def test_the_usual_text_can_be_chosen_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert [
        format_default_llm_repr(Room(), hide=["seats"]),
        format_default_llm_repr(Room(), show_only=["name", "seats"], expand=["seats"]),
        format_default_llm_repr(Room(), repeated=True),
        format_default_llm_repr(Room(), max_len=12),
        format_default_llm_repr("text"),
        format_default_llm_repr([1, "a"]),
    ] == [
        'Room(name="A1",owner=<Owner>)',
        'Room(name="A1",seats=[1,2])',
        'Room(name="A1",...)',
        "Room(name...",
        "text",
        '[1,"a"]',
    ]
    statek_print("a", [1], sep="-")
    assert capsys.readouterr().out == "a-[1]\n"
