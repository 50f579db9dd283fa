"""The mirror: a prefix file as of some earlier flush; with the redo log it gives the last one.

Mirror and primary are compared and copied in pages of 4 KiB. Every page of the mirror has a sum
(`orchestrator.store.integrity`), so that one which the disk has lost is found before it is trusted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from orchestrator.store.files import create_file, open_existing, sync_directory
from orchestrator.store.integrity import PAGE, PageSums
from orchestrator.store.redo import Record

__all__ = ["Mirror", "changed_pages", "read_range", "write_range"]

_CHUNK = 1 << 20  # bytes compared at a time


def read_range(descriptor: int, offset: int, length: int) -> bytes:
    """Read up to ``length`` bytes; less only at the end of the file."""
    data = os.pread(descriptor, length, offset)
    if len(data) == length or not data:
        return data
    parts = [data]
    have = len(data)
    while have < length:
        more = os.pread(descriptor, length - have, offset + have)
        if not more:
            break
        parts.append(more)
        have += len(more)
    return b"".join(parts)


def write_range(descriptor: int, offset: int, data: bytes) -> None:
    """Write all of ``data``."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def changed_pages(current: int, base: int) -> Iterator[tuple[int, bytes]]:
    """The pages of file ``current`` that differ from file ``base`` or lie beyond its end.

    Neighbouring pages come as one range. Linear in the size of the file.
    """
    size = os.fstat(current).st_size
    for start in range(0, size, _CHUNK):
        ours, theirs = read_range(current, start, _CHUNK), read_range(base, start, _CHUNK)
        if ours == theirs:
            continue
        begin: int | None = None
        for at in range(0, len(ours), PAGE):
            if ours[at : at + PAGE] != theirs[at : at + PAGE]:
                begin = at if begin is None else begin
            elif begin is not None:
                yield start + begin, ours[begin:at]
                begin = None
        if begin is not None:
            yield start + begin, ours[begin:]


class Mirror:
    """The mirror file of one prefix, and ``<prefix>.sums`` beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open_existing(path)
        self.sums = PageSums(path.with_suffix(".sums"))

    @staticmethod
    def create(path: Path, primary: Path) -> None:
        """Make a mirror of a primary that is known to be good; it has its name only when it is whole."""
        fresh = path.with_name(path.name + ".new")
        target = create_file(fresh)
        source = os.open(primary, os.O_RDONLY | os.O_CLOEXEC)
        try:
            offset = 0
            while data := read_range(source, offset, _CHUNK):
                write_range(target, offset, data)
                offset += len(data)
            os.fsync(target)
            sums = PageSums(path.with_suffix(".sums"))
            try:
                sums.build(target)
                sums.sync()
            finally:
                sums.close()
        finally:
            os.close(source)
            os.close(target)
        fresh.replace(path)
        sync_directory(path.parent)

    def fileno(self) -> int:
        """The descriptor, for comparing."""
        return self._file

    def sync(self) -> None:
        """Make what was written durable."""
        os.fsync(self._file)
        self.sums.sync()

    def write(self, records: Iterable[Record]) -> int | None:
        """Bring the mirror forward; durable after `sync`. Until then the log must keep the records.

        Returns:
            The last record's number, None when there were none.
        """
        last: int | None = None
        pages: set[int] = set()
        for record in records:
            before = os.fstat(self._file).st_size
            for offset, data in record.ranges:
                write_range(self._file, offset, data)
            os.ftruncate(self._file, record.file_size)
            pages |= record.pages(before)
            last = record.sequence
        self.sums.note(self._file, pages)
        return last

    def differing(self) -> set[int] | None:
        """The pages that are not as they were written; None where nobody can tell."""
        return self.sums.differing(self._file)

    def page(self, number: int) -> bytes:
        """One page; short at the end of the file, empty beyond it."""
        return os.pread(self._file, PAGE, number * PAGE)

    def mend(self, number: int, data: bytes) -> None:
        """Put a page back that the disk has lost; durable after `sync`."""
        write_range(self._file, number * PAGE, data)

    def restore(self, primary: Path) -> int:
        """Make the primary equal to the mirror, writing only what differs.

        Returns:
            Bytes written.
        """
        target = os.open(primary, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            written = 0
            for offset, data in changed_pages(self._file, target):
                write_range(target, offset, data)
                written += len(data)
            os.ftruncate(target, os.fstat(self._file).st_size)
            return written
        finally:
            os.close(target)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._file)
        self.sums.close()
