"""Elements without parts, pickled without a memo where that is cheap."""

from __future__ import annotations

import pickle
import pickletools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox_runner.executor.opaque import flat_stream

pytestmark = pytest.mark.timeout(60)

ELEMENTS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=100), st.binary(max_size=100)
)


def read(stream: bytes) -> object:
    return pickle.loads(stream)  # noqa: TID251 - made by this very test


def opcodes(stream: bytes) -> set[str]:
    return {opcode.name for opcode, _, _ in pickletools.genops(stream)}


@given(st.lists(ELEMENTS, max_size=400), st.integers(1, 40))
def test_every_list_reads_back_as_it_was(elements: list[object], times: int) -> None:
    value = elements * times
    found = read(flat_stream(value))
    assert found == tuple(value)
    assert list(map(type, found)) == list(map(type, value))  # type: ignore[call-overload]


@given(st.dictionaries(st.text(max_size=20), ELEMENTS, max_size=300))
def test_every_dict_reads_back_as_keys_and_values(value: dict[str, object]) -> None:
    assert read(flat_stream(value)) == tuple(part for item in value.items() for part in item)


def test_texts_that_differ_need_no_memo() -> None:
    stream = flat_stream([f"row {number}" for number in range(5000)])
    assert "MEMOIZE" not in opcodes(stream)


def test_a_text_in_many_places_is_written_once() -> None:
    text = "x" * 1000
    stream = flat_stream([text] * 5000)
    assert len(stream) < 20_000
    assert read(stream) == (text,) * 5000


def test_a_text_in_many_places_behind_others_is_written_once_too() -> None:
    # The sample sees different texts only; the bound on what is written without a memo finds out.
    text = "x" * 1000
    value = [f"number {number:04d}" for number in range(300)] + [text] * 5000
    stream = flat_stream(value)
    assert len(stream) < 40_000
    assert read(stream) == tuple(value)


def test_a_short_text_in_many_places_costs_no_more_than_a_bound() -> None:
    value = [f"number {number:04d}" for number in range(300)] + ["y" * 50] * 5000
    assert len(flat_stream(value)) <= 64 * len(value)


def test_long_texts_that_differ_are_kept_whole() -> None:
    value = [f"{number:04d}" * 20_000 for number in range(20)]
    assert read(flat_stream(value)) == tuple(value)
