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

__all__ = ["BlockTable", "cut_stream", "next_cut"]

FIXED_BYTES = 256 << 10
MIN_BYTES, MAX_BYTES = 1 << 10, 16 << 10
_WINDOW = 32


def _class(values: Sequence[int]) -> bytes:
    return b"[" + b"".join(b"\\x%02x" % value for value in values) + b"]"


# One candidate in about a hundred bytes of numbers or text, found by the regex engine; which are taken a checksum of
# the bytes before it decides. The bytes allowed two places on are a quarter of all, and zero, and the
# opcodes of numbers, so that periodic streams have candidates too.
_CANDIDATE = re.compile(
    _class([value for value in range(256) if value % 32 == 5])
    + b"(?=."
    + _class(sorted({*(value for value in range(256) if value % 4 == 1), 0, *b"JKMG"}))
    + b")",
    re.DOTALL,
)
# Text of digits alone (numbers, dates, ids) has none of those; it is cut where digits say so: those that end a number,
# because they are what differs between neighbours, and some within long ones.
_DIGITS = re.compile(rb"5(?=[^0-9]|.[149])", re.DOTALL)
_WAYS = (_CANDIDATE, _DIGITS)
_ONE_IN = 32


def cut_stream(data: bytes) -> list[int]:
    """Give the ends of the blocks of a stream; most are 1 to 16 KB long."""
    ends: list[int] = []
    start, size = 0, len(data)
    while start < size:
        start = next_cut(data, start)
        ends.append(start)
    return ends


def next_cut(data: bytes, start: int) -> int:
    """Give the end of the block that begins at ``start``.

    It is the first candidate that is taken; where none is, the candidate whose checksum is least, which an insertion
    before it does not change either; and only where there is no candidate at all, a fixed length.
    """
    at, stop = start + MIN_BYTES, min(start + MAX_BYTES, len(data))
    if at >= stop:
        return stop
    end, least = stop, 1 << 32
    for candidates in _WAYS:
        search, checksum, after = candidates.search, zlib.crc32, at
        while (match := search(data, after, stop)) is not None:
            after = match.end()
            value = checksum(data[after - _WINDOW : after])
            if value % _ONE_IN == 0:
                return after
            if value < least:
                end, least = after, value
    # What is left at the end of the stream is a block anyhow.
    return stop if stop == len(data) else end


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
        self._following: dict[bytes, tuple[int, bytes]] = {}
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
            numbers = self._streams[digest] = self._cut(data)
        return numbers

    def _cut(self, data: bytes) -> list[int]:
        """Cut a new stream and send the blocks that are new.

        Looking for cuts takes much longer than hashing, so where a block stands that was seen before, the block that
        followed it then is tried first. A first block is known by its beginning, which holds the variable's name.
        """
        view, numbers, start, size = memoryview(data), [], 0, len(data)
        before = data[:_WINDOW]
        while start < size:
            length, digest = self._following.get(before, (0, b""))
            end = start + length
            if not length or end > size or xxhash.xxh3_128_digest(view[start:end]) != digest:
                end = next_cut(data, start)
                digest = xxhash.xxh3_128_digest(view[start:end])
                if end < size:  # the end of a stream is no cut: what is appended there goes on with the block
                    self._following[before] = (end - start, digest)
            numbers.append(self._block(view[start:end], digest))
            before, start = digest, end
        return numbers

    def buffer(self, data: memoryview) -> list[int]:
        """Give the blocks of a buffer, sending those that are new from where they lie."""
        step = self.fixed_bytes
        pieces = (data[at : at + step] for at in range(0, len(data), step))
        return [self._block(piece, xxhash.xxh3_128_digest(piece)) for piece in pieces]

    def _block(self, data: memoryview, digest: bytes) -> int:
        number = self._ids.get(digest)
        if number is None:
            number = self._next
            self._next += 2
            self._link.send_block(number, data)
            self._ids[digest] = number
        return number
