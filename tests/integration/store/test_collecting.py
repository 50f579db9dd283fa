"""What a collection of blocks spares, and that the space of the others comes back."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.digests import content_digest
from orchestrator.store.block_calls import Blocks
from orchestrator.store.blocks import BlockStore
from orchestrator.store.kv import CachedKV, KVBlocks, MemoryKV, SqliteKV

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(params=["beside the records", "memory", "sqlite", "cached"])
def blocks(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Blocks]:
    make: dict[str, Callable[[], Blocks]] = {
        "beside the records": lambda: BlockStore.open(tmp_path / "b.sqlite"),
        "memory": lambda: KVBlocks(MemoryKV(), "memory"),
        "sqlite": lambda: KVBlocks(SqliteKV(tmp_path / "kv.sqlite"), "sqlite"),
        "cached": lambda: KVBlocks(CachedKV(MemoryKV(), tmp_path / "cache.sqlite", 1 << 20), "cached"),
    }
    made = make[request.param]()
    yield made
    made.close()


def some(*texts: str) -> dict[str, bytes]:
    return {content_digest(text.encode()): text.encode() for text in texts}


def test_sizes_of_blocks(blocks: Blocks) -> None:
    given = some("", "one", "x" * 5000)
    blocks.put_many_sync(given)
    absent = content_digest(b"absent")
    assert blocks.sizes_sync([*given, absent]) == {digest: len(data) for digest, data in given.items()}


def test_only_what_nobody_put_or_is_about_to_name_is_removed(blocks: Blocks) -> None:
    old, named, again, late = some("old"), some("named"), some("again"), some("late")
    everything = {**old, **named, **again, **late}
    blocks.put_many_sync({**old, **named, **again})
    with blocks.naming(named), blocks.collecting():
        blocks.put_many_sync(again)
        assert blocks.remove_unnamed_sync(everything) == (1, 3)
        blocks.put_many_sync(late)
        assert blocks.remove_unnamed_sync(everything) == (0, 0)
        blocks.put_many_sync(old)
        assert blocks.remove_unnamed_sync(everything) == (0, 0)
    assert blocks.has_many_sync(everything) == set(everything)
    with blocks.collecting():  # the next one knows nothing of it
        assert blocks.remove_unnamed_sync(everything) == (4, 17)
    assert blocks.has_many_sync(everything) == set()


async def test_measured_bytes_follow_what_is_put_and_removed(blocks: Blocks) -> None:
    blocks.put_many_sync(some("before"))
    assert blocks.measured_bytes == 0
    await blocks.measure()
    assert blocks.measured_bytes == 6
    blocks.put_many_sync(some("before", "after"))
    assert blocks.measured_bytes == 11
    with blocks.collecting():
        blocks.remove_unnamed_sync(some("before"))
    assert blocks.measured_bytes == 5
    assert await blocks.delete_many(some("after")) == 1
    assert (blocks.measured_bytes, await blocks.size()) == (0, (0, 0))


@pytest.mark.parametrize("made_by", ["this version", "an earlier one"])
def test_the_file_gets_shorter(tmp_path: Path, made_by: str) -> None:
    path = tmp_path / "b.sqlite"
    if made_by == "an earlier one":
        earlier = sqlite3.connect(path)
        earlier.execute("CREATE TABLE block (digest BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID")
        earlier.commit()
        earlier.close()
    blocks = BlockStore.open(path)
    given = {content_digest(data): data for data in (os.urandom(100_000) for _ in range(200))}
    blocks.put_many_sync(given)
    blocks.shrink_sync(lambda line: None)
    assert path.stat().st_size > 20_000_000
    kept, *unwanted = given
    lines: list[str] = []
    with blocks.collecting():
        assert blocks.remove_unnamed_sync(unwanted) == (199, 19_900_000)
    blocks.shrink_sync(lines.append)
    assert path.stat().st_size < 400_000
    assert path.with_name("b.sqlite-wal").stat().st_size == 0
    assert blocks.get_sync(kept) == given[kept]
    assert all(line.startswith("shortening b.sqlite, ") for line in lines)
    blocks.close()
