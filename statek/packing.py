"""How texts and structures that dbzero could not hold unchanged are written into records.

dbzero cuts strings at the first NUL, refuses lone surrogates and limits bytes elements to 64 KB.
ASCII JSON (every other character escaped) has none of these; long bytes become pieces.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = [
    "MAX_PIECE_BYTES",
    "join_parts",
    "join_pieces",
    "pack",
    "packed_pieces",
    "pieces_of",
    "split_parts",
    "split_pieces",
    "unpack",
]

MAX_PIECE_BYTES = 60_000
"""Below dbzero's 64 KB element limit (measured: larger bytes elements are refused)."""


def pack(value: Any) -> str:
    """Write a JSON-able value as ASCII text; lone surrogates and NUL are escaped."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))


def unpack(text: str) -> Any:
    """Read what ``pack`` wrote; an empty text is None."""
    return json.loads(text) if text else None


def split_pieces(data: bytes) -> list[bytes]:
    """Cut bytes into elements that dbzero can hold; at least one, possibly empty."""
    return [data[i : i + MAX_PIECE_BYTES] for i in range(0, len(data), MAX_PIECE_BYTES)] or [b""]


def packed_pieces(pieces: Sequence[bytes]) -> bytes | list[bytes]:
    """What a record's field keeps of pieces: the only one as it is, several as a list.

    Every list is an object of its own, and each flush of dbzero writes more pages the more objects a
    prefix has (measured: docs/performance.md), so the usual single piece is no list.
    """
    return pieces[0] if len(pieces) == 1 else list(pieces)


def pieces_of(field: bytes | Iterable[bytes]) -> Iterable[bytes]:
    """The pieces that a field keeps; an empty one has none."""
    if isinstance(field, bytes):
        return (field,) if field else ()
    return field


def join_pieces(pieces: Iterable[bytes]) -> bytes:
    """Undo ``split_pieces``."""
    return b"".join(pieces)


def join_parts(parts: Sequence[bytes]) -> bytes:
    """Write several byte strings as one: their number and lengths (little-endian, 32 bits each), then they."""
    return struct.pack(f"<{len(parts) + 1}I", len(parts), *map(len, parts)) + b"".join(parts)


def split_parts(data: bytes) -> list[bytes]:
    """Undo ``join_parts``.

    Raises:
        ValueError: these bytes are not what ``join_parts`` writes.
    """
    if len(data) < 4:
        raise ValueError("no number of parts")
    count = int.from_bytes(data[:4], "little")
    at = 4 + 4 * count
    if len(data) < at:
        raise ValueError("the lengths of the parts are cut off")
    lengths = struct.unpack_from(f"<{count}I", data, 4)
    if at + sum(lengths) != len(data):
        raise ValueError(f"parts of {sum(lengths)} bytes in {len(data) - at}")
    parts = []
    for length in lengths:
        parts.append(data[at : at + length])
        at += length
    return parts
