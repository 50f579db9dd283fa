"""The redo log: what each flush changed in a prefix file, checksummed and durable.

A log is one or two files. Records are appended to the active file; when it is long enough it is closed and
the other one takes over, while the closed one is applied to the mirror and emptied off the flush path.

Record, little endian::

    8  magic "stkredo1"
    8  sequence number, +1 per record over the life of the store
    8  size of the prefix file after the flush, bytes
    4  number of ranges
    8  length of the data, bytes
    n  ranges: offset u64, length u64 each
    m  data of the ranges, one after the other
    32 BLAKE3 of everything before

A record counts only when it is whole: a torn or short one ends the log.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from orchestrator.store.files import create_file, sync_directory
from statek.exceptions import StoreDamaged

__all__ = ["Record", "RedoLog", "encode_record", "read_records"]

_HEAD = struct.Struct("<8sQQIQ")
_RANGE = struct.Struct("<QQ")
_MAGIC = b"stkredo1"
_DIGEST = 32


@dataclass(frozen=True, slots=True)
class Record:
    """One flush.

    Attributes:
        sequence: its number.
        file_size: bytes of the prefix file after it.
        ranges: (offset, data) in order; later ranges win.
    """

    sequence: int
    file_size: int
    ranges: tuple[tuple[int, bytes], ...]


def encode_record(record: Record) -> bytes:
    """The bytes of a record."""
    length = sum(len(data) for _, data in record.ranges)
    parts = [_HEAD.pack(_MAGIC, record.sequence, record.file_size, len(record.ranges), length)]
    parts += [_RANGE.pack(offset, len(data)) for offset, data in record.ranges]
    parts += [data for _, data in record.ranges]
    body = b"".join(parts)
    return body + blake3(body).digest()


def read_records(path: Path) -> Iterator[Record]:
    """The whole records of a log file, up to the first short or bad one. A missing file has none."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        remaining = os.fstat(file.fileno()).st_size
        while remaining >= _HEAD.size + _DIGEST:
            head = file.read(_HEAD.size)
            magic, sequence, file_size, count, length = _HEAD.unpack(head)
            rest = count * _RANGE.size + length + _DIGEST
            if magic != _MAGIC or _HEAD.size + rest > remaining:
                return
            body = file.read(rest)
            if len(body) != rest or blake3(head).update(body[:-_DIGEST]).digest() != body[-_DIGEST:]:
                return
            ranges = []
            at = count * _RANGE.size
            for offset, size in _RANGE.iter_unpack(body[:at]):
                ranges.append((offset, body[at : at + size]))
                at += size
            if at != rest - _DIGEST:
                return
            remaining -= _HEAD.size + rest
            yield Record(sequence, file_size, tuple(ranges))


class RedoLog:
    """The two files of one prefix's log, as their writer sees them."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self.paths = (folder / f"{prefix}.redo.0", folder / f"{prefix}.redo.1")
        self.active = 0
        self._files: list[int] = []
        self._length = 0

    def recorded(self) -> Iterator[Record]:
        """Every whole record of both files in order of writing.

        Raises:
            StoreDamaged: a record in the middle is missing.
        """
        first = [next(read_records(path), None) for path in self.paths]
        order = sorted((record.sequence, index) for index, record in enumerate(first) if record is not None)
        last: int | None = None
        for _, index in order:
            for record in read_records(self.paths[index]):
                if last is not None and record.sequence != last + 1:
                    raise StoreDamaged(
                        f"the redo log goes from record {last} to {record.sequence}: {self.paths[index].name} "
                        "or its sibling is damaged; restore the folder from a backup"
                    )
                last = record.sequence
                yield record

    def open(self) -> None:
        """Start with two empty files. What they held must be in the mirror by now."""
        for path in self.paths:
            self._files.append(create_file(path))
        sync_directory(self.paths[0].parent)
        self._length = 0

    @property
    def length(self) -> int:
        """Bytes in the active file."""
        return self._length

    def append(self, encoded: bytes) -> None:
        """Add one record and make it durable.

        Raises:
            OSError: the disk refused; the log is as before.
        """
        file = self._files[self.active]
        try:
            view = memoryview(encoded)
            at = self._length
            while view:
                written = os.pwrite(file, view, at)
                view, at = view[written:], at + written
            os.fdatasync(file)
        except OSError:
            # Cut off what was written: a later record must not follow half of this one.
            os.ftruncate(file, self._length)
            raise
        self._length += len(encoded)

    def switch(self) -> int:
        """Close the active file and go on in the other.

        Returns:
            The closed file's index, for `clear` once the mirror has its records.

        Preconditions:
            The other file is empty.
        """
        closed = self.active
        self.active = 1 - closed
        self._length = 0
        return closed

    def clear(self, index: int) -> None:
        """Empty a closed file, durably."""
        os.ftruncate(self._files[index], 0)
        os.fdatasync(self._files[index])

    def close(self) -> None:
        """Give the descriptors back."""
        while self._files:
            os.close(self._files.pop())
