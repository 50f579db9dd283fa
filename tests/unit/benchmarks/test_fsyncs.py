"""Counting what reaches the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.fsyncs import counted_fsyncs, per_operation
from orchestrator.digests import content_digest
from orchestrator.store.blocks import BlockStore

pytestmark = pytest.mark.timeout(30)


def test_both_kinds_of_sync_are_counted_within_the_block_only(tmp_path: Path) -> None:
    before = (os.fsync, os.fdatasync, BlockStore._put_many)
    with (tmp_path / "file").open("wb") as file, counted_fsyncs() as counter:
        os.fsync(file.fileno())
        os.fdatasync(file)
        assert counter.count() == 2
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fsync(1 << 20)
    assert counter.count() == 2
    assert (os.fsync, os.fdatasync, BlockStore._put_many) == before


def test_a_transaction_of_the_block_store_counts_where_it_wrote(tmp_path: Path) -> None:
    blocks = {content_digest(b"data"): b"data"}
    with counted_fsyncs() as counter:
        store = BlockStore.open(tmp_path / "blocks.sqlite")
        try:
            counts = [counter.count()]
            for written in (blocks, blocks, {content_digest(b"more"): b"more"}):
                store.put_many_sync(written)
                counts.append(counter.count())
        finally:
            store.close()
    assert counts == [0, 1, 1, 2]


def test_the_note_of_a_line() -> None:
    assert per_operation(205, 100) == {"fsyncs/op": "2.05"}
