"""Redo logs as versions wrote them whose records named no session, made readable.

Such a log was cut off where it ended, so nothing of an earlier use followed its last record. Its record is today's
without the session (``orchestrator.store.redo``), under the magic ``stkredo1``. Only ``statek upgrade`` reads it: a
store that was closed has an empty log, and an empty log has no version.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3

from orchestrator.store.files import write_durably
from orchestrator.store.redo import SESSIONLESS_MAGIC, Record, encode_record

__all__ = ["read_sessionless", "rewrite_sessionless"]

_HEAD = struct.Struct("<8sQQIQ")  # magic, sequence number, size of the prefix file, number of ranges, bytes of data
_RANGE = struct.Struct("<QQ")
_DIGEST = 32


def read_sessionless(data: bytes) -> Iterator[Record]:
    """The whole records of a log, up to the first that is short or bad."""
    at = 0
    while at + _HEAD.size + _DIGEST <= len(data):
        magic, sequence, file_size, count, length = _HEAD.unpack_from(data, at)
        end = at + _HEAD.size + count * _RANGE.size + length
        if magic != SESSIONLESS_MAGIC or end + _DIGEST > len(data):
            return
        if blake3(data[at:end]).digest() != data[end : end + _DIGEST]:
            return
        begin = at + _HEAD.size + count * _RANGE.size
        ranges = []
        for offset, size in _RANGE.iter_unpack(data[at + _HEAD.size : begin]):
            ranges.append((offset, data[begin : begin + size]))
            begin += size
        if begin != end:
            return
        yield Record(sequence, file_size, tuple(ranges))
        at = end + _DIGEST


def rewrite_sessionless(path: Path) -> bool:
    """Write a log file anew in the form of this version; gives whether it was in the earlier one.

    A record that is cut off is one that nobody was told of: the versions that wrote this form took it so, too.
    """
    if not path.exists():
        return False
    data = path.read_bytes()
    if not data.startswith(SESSIONLESS_MAGIC):
        return False
    session = secrets.randbits(64)
    write_durably(path, b"".join(encode_record(record, session) for record in read_sessionless(data)))
    return True
