"""Small graphs that would cost the host much: each is refused before the work is done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from zoneinfo import available_timezones

import pytest

from sandbox_runner.wire import graph_zones
from sandbox_runner.wire.graph_format import FORMAT, Tag
from sandbox_runner.wire.values import GraphError, GraphLimits, UnsupportedValue, decode, encode

MODULUS = (1 << 61) - 1  # of Python's hash of numbers
SMALL = bytes((0x80 + 32,))  # the integer 0


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


def integer(number: int) -> bytes:
    data = number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)
    return bytes((Tag.INT,)) + varint(len(data)) + data


def decimal(text: str) -> bytes:
    return bytes((Tag.DECIMAL,)) + varint(len(text)) + text.encode()


def container(tag: Tag, *parts: bytes) -> bytes:
    count = len(parts) // 2 if tag is Tag.DICT else len(parts)
    return bytes((tag,)) + varint(count) + b"".join(parts)


def graph(value: bytes) -> bytes:
    return bytes((FORMAT,)) + value


def congruent(bits: int, to: int) -> int:
    """A number of so many bits with the hash of a small one."""
    large = 1 << bits
    return large + to - large % MODULUS


def numbers_with_equal_hashes() -> bytes:
    return container(Tag.DICT, integer(congruent(4_000_000, 5)), SMALL, decimal("5"), SMALL)


def numbers_with_equal_hashes_in_tuples() -> bytes:
    keys = integer(congruent(4_000_000, 5)), decimal("5")
    return container(Tag.SET, *(container(Tag.TUPLE, key, SMALL) for key in keys))


def one_large_number_in_many_keys() -> bytes:
    shared = container(Tag.TUPLE, integer(1 << 3_000_000))
    keys = [container(Tag.TUPLE, bytes((Tag.REF, 1)), integer(1000 + number)) for number in range(20_000)]
    return container(Tag.LIST, shared, container(Tag.SET, *keys))


def a_range_whose_length_is_a_long_division() -> bytes:
    return bytes((Tag.RANGE,)) + integer(0) + integer(1 << 5_000_000) + integer(1 << 2_500_000 | 1)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (numbers_with_equal_hashes, "large numbers among keys with equal hashes"),
        (numbers_with_equal_hashes_in_tuples, "large numbers among keys with equal hashes"),
        (one_large_number_in_many_keys, "keys share too many parts"),
        (a_range_whose_length_is_a_long_division, "range of too long numbers"),
    ],
)
def test_it_is_refused_without_the_work(value, reason) -> None:
    data = graph(value())
    before = time.thread_time()
    with pytest.raises(GraphError, match=f"^{reason} before byte "):
        decode(data)
    # Each took between 5 and 80 seconds of processor time before it was refused.
    assert time.thread_time() - before < 1


@pytest.mark.parametrize(
    "value",
    [
        {2**40_000: "large", -1: "a", -2: "same hash"},
        {Decimal("1e5000"): 1, 10**5001: 2, Fraction(1, 3): 3},
        {(2**40_000, 1), (2**40_000, 2)},
        range(2**4000, 2**4001, 3),
    ],
)
def test_large_numbers_that_do_no_harm_are_kept(value) -> None:
    assert decode(encode(value)) == value


def test_inside_the_sandbox_the_budget_is_that_of_its_own_limits() -> None:
    number = congruent(100_000, 5)
    data = graph(container(Tag.DICT, integer(number), SMALL, decimal("5"), SMALL))
    wide = GraphLimits(max_bytes=1 << 30, max_nodes=1 << 30, max_text_bytes=1 << 30)

    assert decode(data, limits=wide) == {number: 0, Decimal(5): 0}


def test_a_range_that_would_not_come_back_is_not_sent() -> None:
    with pytest.raises(UnsupportedValue, match="a part of it is longer than 4096 bytes"):
        encode(range(2**40_000))


def test_every_time_zone_is_read_once(monkeypatch) -> None:
    read = []
    real = graph_zones.ZoneInfo
    monkeypatch.setattr(graph_zones, "ZoneInfo", lambda key: read.append(key) or real(key))
    graph_zones.zone_of_key.cache_clear()

    def zones() -> Iterator[bytes]:
        for _ in range(3):
            for name in names:
                yield bytes((Tag.ZONE, 2, Tag.TEXT)) + varint(len(name)) + name.encode()

    names = sorted(available_timezones())
    decode(graph(container(Tag.LIST, *zones())))

    assert read == names
