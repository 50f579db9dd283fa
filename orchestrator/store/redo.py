"""The redo log: what each flush changed in a prefix file, checksummed and durable.

A log is one or two files. Records are written one after the other to the active file; when it is long enough it is
closed and the other one takes over, while the closed one is applied to the mirror and emptied off the flush path. A
file keeps its length when it is emptied, and is filled with zeros before its first use: a record written over blocks
that exist changes no metadata, so its fdatasync does not wait for the file system's journal, which everybody shares.

Record, little endian::

    8  magic "stkredo2"
    8  session: a random number of the process that wrote it
    8  sequence number, +1 per record over the life of the store
    8  size of the prefix file after the flush, bytes
    4  number of ranges
    8  length of the data, bytes
    n  ranges: offset u64, length u64 each
    m  data of the ranges, one after the other
    32 BLAKE3 of everything before

A record counts only when it is whole, and only after its predecessor: a torn or short one ends a file's records, and so
does what an earlier use of the file has left behind (another session, or a sequence number that does not follow).
"""

from __future__ import annotations

import os
import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from orchestrator.store.files import sync_directory
from orchestrator.store.integrity import pages_of
from statek.exceptions import StoreDamaged, StoreVersionError

__all__ = ["SESSIONLESS_MAGIC", "Record", "RedoLog", "encode_record", "read_records"]

_HEAD = struct.Struct("<8sQQQIQ")
_RANGE = struct.Struct("<QQ")
_MAGIC = b"stkredo2"
SESSIONLESS_MAGIC = b"stkredo1"  #: of a record that an earlier version wrote (``store.redo_sessionless``)
_DIGEST = 32
_NOTHING = bytes(_HEAD.size)  # where a record would begin: there is none
_CHUNK = 1 << 20  # bytes of zeros written at a time


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

    def pages(self, size_before: int) -> set[int]:
        """The pages that it changes in a file that had so many bytes before."""
        found = {page for offset, data in self.ranges for page in pages_of(offset, len(data))}
        grown = abs(self.file_size - size_before)
        return found.union(pages_of(min(self.file_size, size_before), grown)) if grown else found


def encode_record(record: Record, session: int) -> bytes:
    """The bytes of a record that the process of that session writes."""
    length = sum(len(data) for _, data in record.ranges)
    parts = [_HEAD.pack(_MAGIC, session, record.sequence, record.file_size, len(record.ranges), length)]
    parts += [_RANGE.pack(offset, len(data)) for offset, data in record.ranges]
    parts += [data for _, data in record.ranges]
    body = b"".join(parts)
    return body + blake3(body).digest()


def read_records(path: Path) -> Iterator[Record]:
    """The whole records of a log file, up to the first that is short, bad or no successor. A missing file has none."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        remaining = os.fstat(file.fileno()).st_size
        expected: tuple[int, int] | None = None
        while remaining >= _HEAD.size + _DIGEST:
            head = file.read(_HEAD.size)
            magic, session, sequence, file_size, count, length = _HEAD.unpack(head)
            rest = count * _RANGE.size + length + _DIGEST
            if magic != _MAGIC or _HEAD.size + rest > remaining or expected not in (None, (session, sequence)):
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
            expected = (session, sequence + 1)
            yield Record(sequence, file_size, tuple(ranges))


def _begins_with(path: Path, magic: bytes) -> bool:
    """Whether there is such a file, and it begins so."""
    if not path.exists():
        return False
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


class RedoLog:
    """The two files of one prefix's log, as their writer sees them.

    Args:
        folder: where they are.
        prefix: whose they are.
        kept_bytes: length that an emptied file keeps, bytes; what a longer one has more is given back.
    """

    def __init__(self, folder: Path, prefix: str, *, kept_bytes: int = 0) -> None:
        self.paths = (folder / f"{prefix}.redo.0", folder / f"{prefix}.redo.1")
        self.active = 0
        self.session = secrets.randbits(64)
        self._kept_bytes = kept_bytes
        self._files: list[int] = []
        self._length = 0

    def recorded(self) -> Iterator[Record]:
        """Every whole record of both files in order of writing.

        Raises:
            StoreDamaged: a record in the middle is missing.
            StoreVersionError: an earlier version wrote them; to be taken for an empty log, they would be lost.
        """
        for path in self.paths:
            if _begins_with(path, SESSIONLESS_MAGIC):
                raise StoreVersionError(
                    f"an earlier version of the service was killed over this store and left {path.name}, which only it "
                    "and `statek upgrade` read; run that, it writes a backup first"
                )
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
        for index, path in enumerate(self.paths):
            self._files.append(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self.clear(index)
        sync_directory(self.paths[0].parent)
        self._length = 0

    @property
    def length(self) -> int:
        """Bytes in the active file."""
        return self._length

    def append(self, record: Record) -> int:
        """Add one record and make it durable.

        Returns:
            Its length, bytes.

        Raises:
            OSError: the disk refused; the log is as before.
        """
        file, encoded = self._files[self.active], encode_record(record, self.session)
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
        return len(encoded)

    def switch(self) -> int:
        """Close the active file and go on in the other.

        Returns:
            The closed file's index, for `clear` once the mirror has its records.

        Preconditions:
            The other file is empty, and nobody fills it.
        """
        closed = self.active
        self.active = 1 - closed
        self._length = 0
        return closed

    def clear(self, index: int) -> None:
        """Empty a closed file, durably.

        Its first record goes first: a file that has lost its last ones only would look like a damaged log.
        """
        file = self._files[index]
        size = os.fstat(file).st_size
        os.pwrite(file, _NOTHING[:size], 0)
        os.fdatasync(file)
        if size > self._kept_bytes:
            os.ftruncate(file, self._kept_bytes)

    def fill(self) -> None:
        """Make the file that is not active as long as it may become, before it is needed (any thread).

        Raises:
            OSError: the disk refused; it grows as it is written, then.

        Preconditions:
            It is empty, and not switched to meanwhile.
        """
        file = self._files[1 - self.active]
        for at in range(os.fstat(file).st_size, self._kept_bytes, _CHUNK):
            os.pwrite(file, bytes(min(_CHUNK, self._kept_bytes - at)), at)
        os.fdatasync(file)

    def close(self) -> None:
        """Give the descriptors back."""
        while self._files:
            os.close(self._files.pop())
