"""Blocks over stores of bytes by key: what is durable, what is refused, and what a failure looks like."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.digests import content_digest
from orchestrator.store.block_locations import BlockLocation
from orchestrator.store.kv import CachedKV, FsspecKV, KVBlocks, MemoryKV, SqliteKV
from statek.exceptions import (
    ConfigurationError,
    InvalidRequest,
    NotFound,
    StoreDamaged,
    StoreError,
    StoreFull,
)
from statek.kv_store import IN_MEMORY, KVStore, find_kv_store, register_kv_store, without_credentials
from statek.settings import StatekSettings
from tests.integration.store.conftest import OpenKV
from tests.support.redis_server import RedisKV, connect, redis_server

pytestmark = pytest.mark.timeout(120)


def named(*values: bytes) -> dict[str, bytes]:
    return {content_digest(value): value for value in values}


async def test_blocks_over_every_store(open_kv: OpenKV) -> None:
    blocks = KVBlocks(open_kv(), "somewhere")
    given = named(b"", b"one", b"x" * 300_000)
    one = content_digest(b"one")
    await blocks.put_many(given)
    await blocks.put_many(named(b"one"))
    assert await blocks.get_many(given) == given
    assert await blocks.has_many([*given, content_digest(b"none")]) == set(given)
    assert (await blocks.size(), blocks.count_sync()) == ((3, 300_003), 3)
    assert await blocks.delete_many([one, content_digest(b"none")]) == 1
    with pytest.raises(NotFound) as missing:
        await blocks.get(one)
    assert str(missing.value) == f"no block {one}"
    for bad in ("", "zz" * 32, one.upper(), one[:-1]):
        with pytest.raises(InvalidRequest):
            await blocks.get(bad)
    with pytest.raises(InvalidRequest):
        await blocks.put_many({one: b"two"})
    blocks.close()
    with pytest.raises(StoreError, match="the block store is closed"):
        await blocks.get(one)


class ListsCounted(MemoryKV):
    """Counts how often all of it was listed."""

    lists = 0

    def list(self, prefix: str = "") -> Iterator[str]:
        self.lists += 1
        return super().list(prefix)


@pytest.mark.parametrize(("listed", "lists"), [(100_000, 1), (700, 2), (1200, 2)])
async def test_pages_of_digests_list_the_store_as_rarely_as_possible(listed: int, lists: int) -> None:
    kv = ListsCounted()
    blocks = KVBlocks(kv, "somewhere")
    blocks._listed_digests = listed
    given = named(*(str(number).encode() for number in range(1200)))
    await blocks.put_many(given)
    pages = list(blocks.digest_pages_sync())
    blocks.close()
    assert [digest for page in pages for digest in page] == sorted(given)
    assert (max(map(len, pages)), kv.lists) == (500, lists)


async def test_a_block_that_was_changed_in_its_store_is_damaged(open_kv: OpenKV) -> None:
    kv = open_kv()
    blocks = KVBlocks(kv, "somewhere")
    digest = content_digest(b"one")
    await blocks.put_many(named(b"one"))
    kv.set(f"block/{digest}", b"two")
    with pytest.raises(StoreDamaged):
        await blocks.get(digest)


def test_a_block_store_belongs_to_one_data_directory(open_kv: OpenKV) -> None:
    kv = open_kv()
    KVBlocks(kv, "somewhere").claim("one")
    KVBlocks(kv, "somewhere").claim("one")
    with pytest.raises(ConfigurationError) as refused:
        KVBlocks(kv, "at redis://host/0").claim("two")
    assert str(refused.value) == "the blocks at redis://host/0 belong to another data directory"


class Broken(MemoryKV):
    """Fails, or waits, as it is told."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.error = error
        self.go = threading.Event()
        self.go.set()
        self.threads: set[str] = set()

    def set(self, key: str, value: bytes) -> None:
        self.threads.add(threading.current_thread().name)
        self.go.wait(60)
        if self.error is not None:
            raise self.error
        super().set(key, value)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionError("refused"), StoreError),
        (ZeroDivisionError("a mistake of the application"), StoreError),
        (OSError(28, "No space left on device"), StoreFull),
        (StoreFull("quota"), StoreFull),
    ],
)
async def test_every_failure_is_an_error_of_the_store(error: Exception, kind: type[StoreError]) -> None:
    blocks = KVBlocks(Broken(error), "at redis://host/0")
    with pytest.raises(kind) as failed:
        await blocks.put_many(named(b"one"))
    assert type(failed.value) is kind
    if failed.value is not error:
        assert str(failed.value) == f"the block store at redis://host/0 failed: {type(error).__name__}: {error}"


async def test_a_slow_store_holds_up_nothing_but_its_callers() -> None:
    kv = Broken()
    kv.go.clear()
    blocks = KVBlocks(kv, "somewhere slow")
    storing = asyncio.ensure_future(blocks.put_many(named(b"one")))
    while not kv.threads:
        await asyncio.sleep(0)
    assert not storing.done()
    kv.go.set()
    await storing
    assert [name.startswith("blocks") for name in kv.threads] == [True]


# -------------------------------------------------------------------------------------------- crashes

_WRITER = """
import sys
from pathlib import Path
from orchestrator.digests import content_digest
from orchestrator.store.kv import FsspecKV, KVBlocks, SqliteKV
from tests.support.redis_server import RedisKV, connect
kind, place = sys.argv[1:]
makers = {"sqlite": SqliteKV, "fsspec": FsspecKV, "redis": lambda path: RedisKV(connect(Path(path)))}
blocks = KVBlocks(makers[kind](place), kind)
n = 0
while True:
    data = str(n).encode() * 5000
    blocks.put_many_sync({content_digest(data): data})
    print(n, flush=True)
    n += 1
"""


@pytest.mark.parametrize("kind", ["sqlite", "fsspec", pytest.param("redis", marks=pytest.mark.redis)])
def test_what_was_stored_survives_the_death_of_the_writer(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    places = {"sqlite": str(tmp_path / "kv.sqlite"), "fsspec": f"file://{tmp_path}/kv"}
    place = places[kind] if kind in places else str(request.getfixturevalue("redis_socket"))
    argv = [sys.executable, "-c", _WRITER, kind, place]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(20)]
        writer.kill()
        told += [int(line) for line in writer.stdout.read().split()]
    kv: KVStore
    kv = {"sqlite": SqliteKV, "fsspec": FsspecKV}[kind](place) if kind != "redis" else RedisKV(connect(Path(place)))
    blocks = KVBlocks(kv, kind)
    for n in told:
        data = str(n).encode() * 5000
        assert blocks.get_sync(content_digest(data)) == data
    # What was in the air is there whole, or not at all.
    data = str(len(told)).encode() * 5000
    try:
        assert blocks.get_sync(content_digest(data)) == data
    except NotFound:
        blocks.put_many_sync(named(data))
    assert blocks.get_sync(content_digest(data)) == data
    blocks.close()


@pytest.mark.redis
def test_blocks_survive_the_death_of_a_redis_server(tmp_path: Path) -> None:
    folder = Path("/tmp") / f"st-{tmp_path.name[-20:]}"
    folder.mkdir()
    try:
        given = named(*(str(n).encode() * 1000 for n in range(50)))
        with redis_server(folder) as (path, process):
            blocks = KVBlocks(RedisKV(connect(path)), "redis")
            blocks.put_many_sync(given)
            process.kill()
            process.wait(30)
        with redis_server(folder) as (path, _):
            again = KVBlocks(RedisKV(connect(path)), "redis")
            assert {digest: again.get_sync(digest) for digest in given} == given
            again.close()
        blocks.close()
    finally:
        for left in sorted(folder.rglob("*"), reverse=True):
            left.rmdir() if left.is_dir() else left.unlink()
        folder.rmdir()


# ---------------------------------------------------------------------------------------------- cache


class Counting(MemoryKV):
    """Counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def get(self, key: str) -> bytes | None:
        self.asked.append(key)
        return super().get(key)


def test_the_cache_keeps_what_was_used_last_within_its_limit(tmp_path: Path) -> None:
    behind = Counting()
    cache = CachedKV(behind, tmp_path / "cache.sqlite", 100)
    for key in "abc":
        cache.set(key, key.encode() * 40)
    assert cache.cached_bytes == 80
    assert (cache.get("b"), cache.get("c"), behind.asked) == (b"b" * 40, b"c" * 40, [])
    assert (cache.get("b"), cache.get("a"), behind.asked) == (b"b" * 40, b"a" * 40, ["a"])
    assert (cache.get("b"), cache.get("c"), behind.asked) == (b"b" * 40, b"c" * 40, ["a", "c"])
    cache.set("large", b"x" * 101)
    assert (cache.get("large"), behind.asked[-1], cache.cached_bytes) == (b"x" * 101, "large", 80)
    assert (cache.hits, cache.misses) == (4, 3)


def test_the_cache_is_there_again_after_a_restart(tmp_path: Path) -> None:
    behind = Counting()
    first = CachedKV(behind, tmp_path / "cache.sqlite", 100)
    first.set("a", b"1")
    first.close()
    assert (CachedKV(behind, tmp_path / "cache.sqlite", 100).get("a"), behind.asked) == (b"1", [])


def test_what_is_gone_from_the_store_is_gone(tmp_path: Path) -> None:
    cache = CachedKV(MemoryKV(), tmp_path / "cache.sqlite", 100)
    cache.set("a", b"1")
    assert cache.delete("a")
    assert (cache.get("a"), cache.exists("a"), cache.cached_bytes) == (None, False, 0)


def test_a_write_that_the_store_refused_is_not_in_the_cache(tmp_path: Path) -> None:
    behind = Broken(ConnectionError("refused"))
    cache = CachedKV(behind, tmp_path / "cache.sqlite", 100)
    with pytest.raises(ConnectionError):
        cache.set("a", b"1")
    assert (cache.get("a"), cache.cached_bytes) == (None, 0)


def test_a_damaged_cache_is_made_anew_and_a_damaged_copy_is_not_given_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, behind = tmp_path / "cache.sqlite", MemoryKV()
    behind.set("a", b"right")
    cache = CachedKV(behind, path, 100)
    cache.set("a", b"right")
    cache._connection.execute("UPDATE cached SET value = ?", (b"wrong",))
    assert cache.get("a") == b"right"
    cache.close()
    path.write_bytes(b"no database at all, but long enough to look at" * 100)
    with caplog.at_level(logging.WARNING):
        assert CachedKV(behind, path, 100).get("a") == b"right"
    assert "is damaged and is made anew" in caplog.text


def test_a_cache_that_is_in_use_is_left_alone_and_its_store_closed(tmp_path: Path) -> None:
    closed: list[str] = []

    class Closing(MemoryKV):
        def close(self) -> None:
            closed.append("closed")

    register_kv_store("closing", lambda _url: Closing())
    path = tmp_path / "blocks-cache.sqlite"
    CachedKV(MemoryKV(), path, 100).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(ConfigurationError, match="cannot be opened: OperationalError: database is locked"):
        BlockLocation("closing://x", cache_bytes=100).open(tmp_path, "s")
    other.execute("INSERT INTO cached VALUES (x'00', x'00', '', 1, 1)")
    other.execute("COMMIT")
    other.close()
    assert (closed, path.exists()) == (["closed"], True)
    blocks = BlockLocation("closing://x", cache_bytes=100).open(tmp_path, "s")
    blocks.close()
    left = sqlite3.connect(path)
    assert left.execute("SELECT count(*) FROM cached").fetchone() == (1,)
    left.close()


def test_a_file_with_other_tables_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE total (something TEXT)")
    other.close()
    cache = CachedKV(MemoryKV(), path, 100)
    cache.set("a", b"1")
    assert cache.cached_bytes == 1
    cache.close()


async def test_a_block_that_was_damaged_for_a_while_is_not_kept_damaged(tmp_path: Path) -> None:
    behind, digest = MemoryKV(), content_digest(b"right")
    blocks = KVBlocks(CachedKV(behind, tmp_path / "cache.sqlite", 100), "somewhere")
    behind.set(f"block/{digest}", b"wrong")
    with pytest.raises(StoreDamaged):
        await blocks.get(digest)
    behind.set(f"block/{digest}", b"right")
    assert await blocks.get(digest) == b"right"
    blocks.close()


def test_a_cache_that_fails_is_done_without(tmp_path: Path) -> None:
    cache = CachedKV(MemoryKV(), tmp_path / "cache.sqlite", 100)
    cache._connection.execute("DROP TABLE cached")
    cache.set("a", b"1")
    assert cache.get("a") == b"1"


# ------------------------------------------------------------------------------------------ locations


def test_a_data_directory_keeps_to_its_place(tmp_path: Path) -> None:
    BlockLocation("memory:").open(tmp_path, "s").close()
    BlockLocation(f"sqlite:{tmp_path}/kv.sqlite").open(tmp_path, "s").close()
    BlockLocation(f"sqlite:{tmp_path}/kv.sqlite", cache_bytes=1000).open(tmp_path, "s").close()
    for other in ("disk", "memory:", f"file://user:secret@{tmp_path}/kv?key=secret"):
        with pytest.raises(ConfigurationError) as refused:
            BlockLocation(other).open(tmp_path, "s")
        assert str(refused.value).startswith(f"this data directory keeps its blocks at sqlite:{tmp_path}/kv.sqlite, ")
        assert "secret" not in str(refused.value)


def test_a_store_from_before_there_was_a_choice_is_on_disk(tmp_path: Path) -> None:
    BlockLocation().open(tmp_path, "s").close()
    (tmp_path / "blocks-location").unlink()
    with pytest.raises(ConfigurationError, match="keeps its blocks on disk, the setting blocks says in memory"):
        BlockLocation("memory:").open(tmp_path, "s")
    BlockLocation().open(tmp_path, "s").close()


def test_memory_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        blocks = BlockLocation("memory:").open(tmp_path, "s")
    assert (blocks.description, blocks.is_volatile) == (IN_MEMORY, True)
    assert IN_MEMORY in caplog.text
    blocks.close()


def test_an_application_registers_a_store_of_its_own(tmp_path: Path) -> None:
    opened: list[str] = []

    def make(url: str) -> KVStore:
        opened.append(url)
        return MemoryKV()

    register_kv_store("shelf", make)
    assert find_kv_store("shelf") is make
    blocks = BlockLocation("shelf://user:secret@host/1?password=secret").open(tmp_path, "s")
    assert (opened, blocks.description) == (["shelf://user:secret@host/1?password=secret"], "at shelf://host/1")
    blocks.close()
    for bad in ("disk", "memory", "sqlite", "", "A", "a b", "a:"):
        with pytest.raises(InvalidRequest):
            register_kv_store(bad, make)


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("s3://KEY:se/cr@et@bucket/x", "s3://bucket/x"),
        ("s3://KEY:secr@et@bucket/x?token=secret", "s3://bucket/x"),
        ("simplecache::s3://KEY:secret@bucket", "simplecache::s3://bucket"),
        ("file:///srv/a@b", "file:///srv/a@b"),
        ("sqlite:/srv/a@b", "sqlite:/srv/a@b"),
        ("gs:KEY:se/cr@et@bucket/x?token=secret", "gs:bucket/x"),
        ("webdav:/KEY:secret@host/x", "webdav:host/x"),
        ("simplecache::gs:KEY@bucket", "simplecache::gs:bucket"),
    ],
)
def test_no_part_of_a_password_is_shown(location: str, shown: str) -> None:
    assert BlockLocation(location).description == f"at {shown}"
    assert without_credentials(f"no way to {location} there") == f"no way to {shown} there"
    [said] = [line.value for line in StatekSettings(blocks=location).describe() if line.name == "blocks"]
    assert not [part for part in ("KEY", "se/cr", "secr", "et@", "token") if part in said]


def test_a_data_directory_that_noted_a_part_of_a_password_still_opens(tmp_path: Path) -> None:
    place = f"shelf://u:p@w@host{tmp_path}"
    register_kv_store("shelf", lambda _url: MemoryKV())
    (tmp_path / "blocks-location").write_text(f"at shelf://w@host{tmp_path}")
    BlockLocation(place).open(tmp_path, "s").close()
    assert (tmp_path / "blocks-location").read_text() == f"at shelf://host{tmp_path}"


@pytest.mark.parametrize("location", ["//user:secret@host/x", "nosuchscheme://user:secret@host/x?key=secret"])
def test_a_place_that_is_refused_says_no_password(tmp_path: Path, location: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        BlockLocation(location).open(tmp_path, "s")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("nowhere", "'nowhere' is no place for blocks"),
        ("nosuchscheme://x", "fsspec has no place for blocks there"),
        ("sqlite:/no/such/folder/kv.sqlite", "cannot be opened: OperationalError: unable to open database file"),
    ],
)
def test_a_place_that_is_none_is_refused(tmp_path: Path, location: str, reason: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        BlockLocation(location).open(tmp_path, "s")
    assert reason in str(refused.value)
    BlockLocation().open(tmp_path, "s").close()  # it is not held to a place that there never was


def test_blocks_on_disk_take_no_cache(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="need no cache"):
        BlockLocation("disk", cache_bytes=5).open(tmp_path, "s")
