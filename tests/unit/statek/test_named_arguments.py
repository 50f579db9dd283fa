"""Names that stand for objects in the arguments of tools."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest

from statek.annotations import takes_no_text
from statek.tools import ToolDef, bind_arguments


class Room:
    """A class."""


class Color(enum.Enum):
    RED = 1


class Label(str):
    """A kind of text."""

    __slots__ = ()


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Room, True),
        (Room | None, True),
        (int, True),
        (list[str], True),
        (dt.date, True),
        (type | Callable | Any, True),
        (Annotated[Room, "x"], True),
        (Callable[..., int], True),
        (str, False),
        (Label, False),
        (Room | str, False),
        (str | None, False),
        (Any, False),
        (object, False),
        (None, False),
        ("Room", False),
        (Color, False),
        (Literal["a"], False),
    ],
)
def test_which_annotations_take_no_text(annotation: Any, expected: bool) -> None:
    assert takes_no_text(annotation) is expected


def describe(what: type | Callable | None, note: str = "", count: int = 1, **kwargs: object) -> None:
    """Describe."""


def test_names_stand_for_what_they_name_where_no_text_is_taken() -> None:
    tool = ToolDef.of(describe)
    known = {"Room": Room, "count": 7}
    assert tool.objects == ("what", "count")
    bound = bind_arguments(tool, ["Room"], {"note": "Room"}, named=known.get)
    assert bound.named == {"what": Room, "note": "Room"}
    assert bind_arguments(tool, [None, "", "count"], {}, named=known.get).named["count"] == 7
    assert bind_arguments(tool, ["nobody"], {}, named=known.get).named == {"what": "nobody"}


def test_a_name_of_nothing_is_a_text_that_does_not_fit() -> None:
    with pytest.raises(TypeError) as caught:
        bind_arguments(ToolDef.of(describe), [None], {"count": "many"})
    assert str(caught.value) == "describe() argument 'count' must be int, not str"
