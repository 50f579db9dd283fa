"""Numbers of commits as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.upkeep import number_ranges


@pytest.mark.parametrize(
    ("numbers", "shown", "text"),
    [
        ([], 3, ""),
        ([7], 3, "7"),
        ([0, 1, 2, 5, 7, 8], 3, "0-2,5,7-8"),
        ([0, 1, 2, 5, 7, 8], 2, "0-2,5,..."),
        ([0, 1, 2], 1, "0-2"),
    ],
)
def test_ranges(numbers: list[int], shown: int, text: str) -> None:
    assert number_ranges(numbers, shown) == text


@given(st.sets(st.integers(0, 100)))
def test_ranges_say_each_number_once(numbers: set[int]) -> None:
    found = []
    for part in filter(None, number_ranges(sorted(numbers), 200).split(",")):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    assert found == sorted(numbers)
