"""Blocks: what a serialized component is cut into, and which of them the host already has.

A stream is cut where its content says so, so that an insertion moves no later cut; a buffer is cut every 256 KB. A
block is sent once: later uses, in whichever component, name it again. Names are xxh3-128 digests of the job's own
data inside its own sandbox; the host makes its own.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import xxhash

from sandbox_runner.executor.link import Link

__all__ = ["BlockTable", "cut_stream"]

FIXED_BYTES = 256 << 10
MIN_BYTES, MAX_BYTES = 1 << 10, 16 << 10
_WINDOW = 32


def _class(values: Sequence[int]) -> bytes:
    return b"[" + b"".join(b"\\x%02x" % value for value in values) + b"]"


# One candidate in about a hundred bytes of numbers or text, found by the regex engine; every 32nd is taken, which a
# checksum of the bytes before it decides. The bytes allowed two places on are a quarter of all, and zero, and the
# opcodes of numbers, so that periodic streams have candidates too.
_CANDIDATE = re.compile(
    _class([value for value in range(256) if value % 32 == 5])
    + b"(?=."
    + _class(sorted({*(value for value in range(256) if value % 4 == 1), 0, *b"JKMG"}))
    + b")",
    re.DOTALL,
)
_ONE_IN = 32
# Text of digits alone (numbers, dates, ids) has none of those; it is cut where digits say so.
_DIGITS = re.compile(rb"5(?=.[149])", re.DOTALL)


def cut_stream(data: bytes) -> list[int]:
    """Give the ends of the blocks of a stream; most are 1 to 16 KB long."""
    ends: list[int] = []
    start, size = 0, len(data)
    while size - start > MIN_BYTES:
        stop = min(start + MAX_BYTES, size)
        end = _cut(_CANDIDATE, data, start + MIN_BYTES, stop)
        if end == stop < size:
            end = _cut(_DIGITS, data, start + MIN_BYTES, stop)
        ends.append(end)
        start = end
    if start < size:
        ends.append(size)
    return ends


def _cut(candidates: re.Pattern[bytes], data: bytes, at: int, stop: int) -> int:
    """The first candidate that is taken; ``stop`` where there is none."""
    search, checksum = candidates.search, zlib.crc32
    while (match := search(data, at, stop)) is not None:
        at = match.end()
        if checksum(data[at - _WINDOW : at]) % _ONE_IN == 0:
            return at
    return stop


class BlockTable:
    """Blocks by digest, and the blocks of whole streams.

    Args:
        link: where new blocks go.
        frame_bytes: largest frame; bounds the size of a block.
    """

    def __init__(self, link: Link, frame_bytes: int) -> None:
        self._link = link
        self.fixed_bytes = min(FIXED_BYTES, (frame_bytes or 1 << 20) - 1024)
        self._ids: dict[bytes, int] = {}
        self._streams: dict[bytes, list[int]] = {}
        self._next = 1

    def known(self, number: int, data: bytes) -> None:
        """Note a block that the host sent."""
        self._ids[xxhash.xxh3_128_digest(data)] = number

    def known_stream(self, data: bytes | memoryview, numbers: list[int]) -> None:
        """Note the blocks of a whole stream that the host sent."""
        self._streams[xxhash.xxh3_128_digest(data)] = numbers

    def stream(self, data: bytes) -> list[int]:
        """Give the blocks of a stream, sending those that are new."""
        digest = xxhash.xxh3_128_digest(data)
        numbers = self._streams.get(digest)
        if numbers is None:
            view = memoryview(data)
            numbers, start = [], 0
            for end in cut_stream(data):
                numbers.append(self._block(view[start:end]))
                start = end
            self._streams[digest] = numbers
        return numbers

    def buffer(self, data: memoryview) -> list[int]:
        """Give the blocks of a buffer, sending those that are new from where they lie."""
        step = self.fixed_bytes
        return [self._block(data[at : at + step]) for at in range(0, len(data), step)]

    def _block(self, data: memoryview) -> int:
        digest = xxhash.xxh3_128_digest(data)
        number = self._ids.get(digest)
        if number is None:
            number = self._next
            self._next += 2
            self._link.send_block(number, data)
            self._ids[digest] = number
        return number
