"""Blocks of streams: any cut is whole, little is new after a little change, nothing degenerates."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox_runner.executor.blocks import MAX_BYTES, MIN_BYTES, BlockTable, cut_stream
from sandbox_runner.executor.opaque import flat_stream, named_head


class SentBlocks:
    """Takes blocks in the place of the link."""

    def __init__(self) -> None:
        self.data: dict[int, bytes] = {}

    def send_block(self, number: int, data: memoryview) -> None:
        self.data[number] = bytes(data)


def _table() -> tuple[BlockTable, SentBlocks]:
    sent = SentBlocks()
    return BlockTable(sent, 1 << 20), sent  # type: ignore[arg-type]


def _stream(rows: list[object]) -> bytes:
    return named_head(b"T", "rows") + flat_stream(rows)


def _words() -> list[object]:
    chance = random.Random(7)
    return ["".join(chance.choices(string.ascii_lowercase, k=chance.randrange(5, 25))) for _ in range(60_000)]


def _floats() -> list[object]:
    chance = random.Random(7)
    return [chance.random() for _ in range(100_000)]


_LISTS = {
    "digits": [f"{i:014d}" for i in range(1 << 16)],
    "labelled digits": [f"row {i:012d}" for i in range(1 << 16)],
    "words": _words(),
    "numbers": list(range(200_000)),
    "floats": _floats(),
}


@pytest.mark.parametrize("name", _LISTS)
def test_an_insertion_brings_little_that_is_new(name: str) -> None:
    table, sent = _table()
    rows = list(_LISTS[name])
    table.stream(_stream(rows))
    before = set(sent.data)
    rows[30_000:30_000] = rows[100:164]
    data = _stream(rows)
    numbers = table.stream(data)
    new = [number for number in sent.data if number not in before]
    assert b"".join(sent.data[number] for number in numbers) == data
    assert sum(len(sent.data[number]) for number in new) <= 32 << 10


def test_what_was_cut_before_is_cut_the_same() -> None:
    table, _ = _table()
    rows = list(_LISTS["digits"])
    for place in (10, 40_000, 65_000):
        rows[place:place] = ["inserted"]
        data = _stream(rows)
        numbers = table.stream(data)
        assert len(numbers) == len(cut_stream(data))


def test_a_stream_that_grows_at_its_end_does_not_fall_into_crumbs() -> None:
    table, sent = _table()
    rows: list[object] = []
    for turn in range(400):
        rows.append(f"line {turn} of a log that grows")
        numbers = table.stream(_stream(rows))
    lengths = [len(sent.data[number]) for number in numbers]
    assert min(lengths[:-1]) >= MIN_BYTES


@given(st.binary(max_size=200), st.integers(1, 2000), st.integers(0, 400_000), st.binary(max_size=50))
def test_any_stream_is_cut_whole(unit: bytes, times: int, place: int, insertion: bytes) -> None:
    table, sent = _table()
    data = unit * times
    for stream in (data, data[:place] + insertion + data[place:]):
        numbers = table.stream(stream)
        assert b"".join(sent.data[number] for number in numbers) == stream
        assert all(0 < len(sent.data[number]) <= MAX_BYTES for number in numbers)
