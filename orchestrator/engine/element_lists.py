"""How elements of any length are kept in the lists of a job.

An element that is longer than dbzero takes is kept as pieces in the job's ``overflow`` list and named by its place
there. Lists that few jobs need are made when they are first needed: each is an object of its own.

Preconditions:
    every function: on the store thread; those that change something inside its atomic block.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Literal

from statek.packing import MAX_PIECE_BYTES, split_pieces
from statek.records import JobRecord

__all__ = ["extend", "forget_element", "length_of", "read_element", "to_element"]

_WHOLE, _CUT = b"\0", b"\1"  # first byte of an element: what follows is the bytes, or their place in the overflow list
_PLACE = struct.Struct("<II")  # first piece, number of pieces


def to_element(record: JobRecord, data: bytes) -> bytes:
    """The element that stands for these bytes in a list of the job; long ones go to its overflow list."""
    if len(data) < MAX_PIECE_BYTES:
        return _WHOLE + data
    pieces = split_pieces(data)
    first = length_of(record.overflow)
    extend(record, "overflow", pieces)
    return _CUT + _PLACE.pack(first, len(pieces))


def read_element(record: JobRecord, element: bytes) -> bytes:
    """Undo ``to_element``."""
    if element[:1] == _WHOLE:
        return element[1:]
    first, count = _PLACE.unpack(element[1:])
    return b"".join(record.overflow[index] for index in range(first, first + count))


def extend(record: JobRecord, name: Literal["journal", "overflow"], pieces: Sequence[bytes]) -> None:
    """Append to a list that is made when it is first needed."""
    durable_list = getattr(record, name)
    if durable_list is None:
        setattr(record, name, list(pieces))
    else:
        durable_list.extend(pieces)


def length_of(durable_list: Any) -> int:
    """The length of a list that is made when it is first needed."""
    return 0 if durable_list is None else len(durable_list)


def forget_element(record: JobRecord, element: bytes) -> None:
    """Empty the pieces of a long element that is about to be replaced; others keep their places."""
    if element[:1] == _WHOLE:
        return
    first, count = _PLACE.unpack(element[1:])
    for index in range(first, first + count):
        record.overflow[index] = b""
