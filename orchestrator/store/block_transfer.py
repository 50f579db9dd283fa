"""Blocks between a store of any kind and the one file that a backup keeps them in.

A block is its content under its digest and never changes, and what the records of a backup name was stored before they
named it. Every block is checked on its way, and read back from where it was put.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from orchestrator.store.block_calls import Blocks
from orchestrator.store.blocks import BlockStore
from statek.exceptions import InvalidRequest, NotFound, StoreDamaged

__all__ = ["save_blocks", "unpack_blocks"]

Progress = Callable[[str], None]

_BATCH_BYTES = 4 << 20


def save_blocks(source: Blocks, path: Path, progress: Progress) -> tuple[int, list[str]]:
    """Copy every block into a new file.

    Args:
        source: the block store; it may be in use.
        path: of the file.
        progress: gets a line for every part.

    Returns:
        How many there are, and the digests of those that are damaged in the store; they are left out.

    Raises:
        StoreError: the block store fails.
        StoreFull: no space for the file.
    """
    total = source.count_sync()
    target = BlockStore.open(path)
    damaged: list[str] = []
    done = 0
    try:
        for digests in source.digest_pages_sync():
            batch: dict[str, bytes] = {}
            size = 0
            for digest in digests:
                try:
                    batch[digest] = source.get_sync(digest)
                except StoreDamaged:
                    damaged.append(digest)
                    continue
                except NotFound:
                    continue  # removed meanwhile: then nothing named it
                size += len(batch[digest])
                if size > _BATCH_BYTES:
                    target.put_many_sync(batch)
                    batch, size = {}, 0
            if batch:
                target.put_many_sync(batch)
            done += len(digests)
            progress(f"copying blocks, {done} of {max(done, total)}")
        return target.count_sync(), damaged
    finally:
        target.close()


def unpack_blocks(path: Path, target: Blocks, progress: Progress) -> int:
    """Put every block of such a file into a block store, and read it back; gives how many there are.

    Args:
        path: of the file, which is not written to.
        target: without a cache, or that would be what is read back.
        progress: gets a line for every part.

    Raises:
        StoreDamaged: a block of the file has another digest, or the block store does not give it back.
        StoreError: the block store fails.
        StoreFull: it is full.
    """
    done, total = 0, 0
    for batch, total in _batches(path):
        try:
            target.put_many_sync(batch)
        except InvalidRequest as error:
            raise StoreDamaged(f"{path.name} is damaged: {error}") from error
        for digest in batch:
            try:
                target.get_sync(digest)
            except NotFound:
                raise StoreDamaged(f"the block store {target.description} has lost block {digest} again") from None
        done += len(batch)
        progress(f"restoring blocks, {done} of {total}")
    return done


def _batches(path: Path) -> Iterator[tuple[dict[str, bytes], int]]:
    """The blocks of a file in parts of a few megabytes, and how many there are in all.

    The file is read as one that nobody writes: a backup may be on a disk that is read-only.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            total: int = connection.execute("SELECT count(*) FROM block").fetchone()[0]
            batch: dict[str, bytes] = {}
            size = 0
            for digest, data in connection.execute("SELECT digest, data FROM block ORDER BY digest"):
                batch[digest.hex()] = data
                size += len(data)
                if size > _BATCH_BYTES:
                    yield batch, total
                    batch, size = {}, 0
            if batch:
                yield batch, total
    except sqlite3.Error as error:
        raise StoreDamaged(f"{path.name} is damaged: {error}") from error
