"""Counts what a benchmark makes the disk do.

Counted are the calls of ``os.fsync`` and ``os.fdatasync`` of this process (redo log, mirror, marks) and the
transactions of the block store that wrote something: SQLite syncs its log once for each (WAL, FULL). SQLite's
checkpoints, two more after every 4 MB or so, are not seen, and neither are dbzero's own: while its writes are tracked
they are answered at once and never reach the disk.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from orchestrator.store.blocks import BlockStore

__all__ = ["FSYNC_NOTE", "FsyncCounter", "counted_fsyncs", "per_operation"]

FSYNC_NOTE = "fsyncs/op"
"""Name of the note that every line has."""


class FsyncCounter:
    """How many there were so far; any thread may add."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def add(self) -> None:
        """Count one."""
        with self._lock:
            self._count += 1

    def count(self) -> int:
        """Number so far."""
        return self._count


@contextmanager
def counted_fsyncs() -> Iterator[FsyncCounter]:
    """Count within this block; not to be nested."""
    counter = FsyncCounter()
    fsync, fdatasync, put_many = os.fsync, os.fdatasync, BlockStore._put_many  # noqa: SLF001 - where its writes end

    def counting(sync: Callable[[Any], None]) -> Callable[[Any], None]:
        def counted(file: Any) -> None:
            sync(file)
            counter.add()

        return counted

    def counted_put(blocks: BlockStore, data: Mapping[str, bytes]) -> None:
        connection = blocks._connection  # noqa: SLF001 - only SQLite knows whether there was anything to write
        before = connection.total_changes
        put_many(blocks, data)
        if connection.total_changes != before:
            counter.add()

    setattr(os, "fsync", counting(fsync))  # noqa: B010 - replaced for as long as it is counted
    setattr(os, "fdatasync", counting(fdatasync))  # noqa: B010
    setattr(BlockStore, "_put_many", counted_put)  # noqa: B010
    try:
        yield counter
    finally:
        os.fsync, os.fdatasync = fsync, fdatasync
        setattr(BlockStore, "_put_many", put_many)  # noqa: B010


def per_operation(count: int, operations: int) -> dict[str, str]:
    """The note of a line: fsyncs per operation."""
    return {FSYNC_NOTE: f"{count / operations:.2f}"}
