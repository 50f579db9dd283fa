"""Layout of a component in opaque form. Only sandboxes of the same job read it.

The first byte is the kind; integers are little-endian.

- ``P``: u32 number of buffers, u64 length of the pickle, u64 length of each buffer, the pickle (a dict of name to
  value), then the buffers. Header and pickle are one stream, each buffer is cut on its own.
- ``T``, ``D``: one list or dict whose elements have no parts: u32 length of the name, the name, then a pickle of the
  elements as one tuple, without its framing and usually without a memo. Elements then have no position-dependent bytes
  around them (a pickled list is cut into batches, a framed stream into frames), so that an insertion changes only what
  is near.
- ``B``, ``A``: one bytes or bytearray value: u32 length of the name, the name, then the value as one buffer.
- ``G``: graph form of a dict of name to value, for what is too deep for a pickle.
- ``M``: graph form of a dict of name to module name.
"""

from __future__ import annotations

import pickle
import struct
from itertools import chain
from typing import Any

__all__ = [
    "FLAT_TYPES",
    "RAW_TYPES",
    "deframed",
    "flat_stream",
    "named_head",
    "pickle_head",
    "read_named",
    "read_pickle_head",
]

FLAT_TYPES: dict[type, bytes] = {list: b"T", dict: b"D"}
RAW_TYPES: dict[type, bytes] = {bytes: b"B", bytearray: b"A"}
_HEAD = struct.Struct("<cIQ")
_NAME = struct.Struct("<cI")
_SAMPLE = 256
_SHORT_TEXT = 8
_BYTES_PER_ELEMENT = 64
_FRAME = 0x95
_FRAMING = struct.Struct("<BQ")


def pickle_head(stream_bytes: int, buffer_bytes: list[int]) -> bytes:
    """Head of kind ``P``."""
    return _HEAD.pack(b"P", len(buffer_bytes), stream_bytes) + struct.pack(f"<{len(buffer_bytes)}Q", *buffer_bytes)


def read_pickle_head(data: memoryview) -> tuple[int, int, list[int]]:
    """Give where the pickle starts, its length and the lengths of the buffers."""
    _, count, stream_bytes = _HEAD.unpack_from(data)
    sizes = struct.unpack_from(f"<{count}Q", data, _HEAD.size)
    return _HEAD.size + 8 * count, stream_bytes, list(sizes)


def named_head(kind: bytes, name: str) -> bytes:
    """Head of the kinds that hold one variable."""
    data = name.encode("utf-8", "surrogatepass")
    return _NAME.pack(kind, len(data)) + data


def read_named(data: memoryview) -> tuple[str, memoryview]:
    """Give the name and what follows the head."""
    _, size = _NAME.unpack_from(data)
    stop = _NAME.size + size
    return str(data[_NAME.size : stop], "utf-8", "surrogatepass"), data[stop:]


class _TooMuch(Exception):
    """More was written than there is room for."""


class _Sink:
    """Keeps what a pickler writes, up to a number of bytes."""

    def __init__(self, room: int) -> None:
        self.parts: list[bytes] = []
        self._room = room

    def write(self, data: bytes) -> None:
        self._room -= len(data)
        if self._room < 0:
            raise _TooMuch
        self.parts.append(data)


def flat_stream(value: Any) -> bytes:
    """Pickle the elements of a list or dict without parts, in the form of kinds ``T`` and ``D``.

    A pickle's memo, a table of every text in it, takes two thirds of the time, and elements without parts need none:
    only a text that stands in many places is shorter with it. So it is left out where the first texts are not the same
    ones again and again, and for no more bytes than elements of a usual size take: a sample can be wrong.
    """
    elements = tuple(chain.from_iterable(value.items())) if type(value) is dict else tuple(value)
    if not _repeats(elements):
        sink = _Sink(len(elements) * _BYTES_PER_ELEMENT)
        pickler = pickle.Pickler(sink, 5)
        pickler.fast = True
        try:
            pickler.dump(elements)
        except _TooMuch:
            pass
        else:
            return deframed(b"".join(sink.parts))
    return deframed(pickle.dumps(elements, 5))


def _repeats(elements: tuple[Any, ...]) -> bool:
    """Whether more than half of the first texts that are longer than a reference are objects met before."""
    texts = [id(item) for item in elements[:_SAMPLE] if type(item) in {str, bytes} and len(item) > _SHORT_TEXT]
    return 2 * len(set(texts)) < len(texts)


def deframed(data: bytes) -> bytes:
    """Take the frame headers out of a pickle; what they frame is a valid pickle without them.

    Between frames stands what was too large for one: its opcode and length are in the stream as usual, so the walk
    steps over it. Anything unexpected leaves the pickle as it is.
    """
    parts = [data[:2]]
    pos, end = 2, len(data)
    while pos < end:
        opcode = data[pos]
        if opcode == _FRAME:
            start = pos + _FRAMING.size
            stop = start + _FRAMING.unpack_from(data, pos)[1]
        elif opcode in _LARGE:
            size = _LARGE[opcode]
            start = pos
            stop = pos + 1 + size + int.from_bytes(data[pos + 1 : pos + 1 + size], "little")
        else:
            return data
        if stop > end:
            return data
        parts.append(data[start:stop])
        pos = stop
    return b"".join(parts)


_LARGE = {ord("B"): 4, ord("X"): 4, 0x8E: 8, 0x8D: 8}
"""BINBYTES, BINUNICODE, BINBYTES8 and BINUNICODE8, by the width of their length."""
