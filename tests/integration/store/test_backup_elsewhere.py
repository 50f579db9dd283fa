"""Backups of stores with blocks elsewhere, and stores made of backups with blocks in another kind of place."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.digests import content_digest
from orchestrator.engine.upkeep import verify_folder
from orchestrator.store.backup import back_up, read_backup, restore_backup
from orchestrator.store.block_locations import BlockLocation
from orchestrator.store.block_transfer import unpack_blocks
from orchestrator.store.kv import KVBlocks, MemoryKV
from orchestrator.store.store import Store
from statek import durable
from statek.exceptions import ConfigurationError, InvalidRequest, StoreDamaged, StoreError
from statek.kv_store import IN_MEMORY, register_kv_store
from statek.records import ServiceRecord
from tests.integration.store import killed_restore
from tests.support.redis_server import RedisKV, connect, redis_server

ROOT = Path(__file__).resolve().parents[3]
KINDS = ("disk", "sqlite", "file", "redis")
CACHE = 1 << 20

pytestmark = pytest.mark.timeout(180)


def quiet(_text: str) -> None:
    """Nobody reads the progress."""


def blocks_of(count: int) -> dict[str, bytes]:
    return {content_digest(data): data for data in (f"{n} ".encode() * 400 for n in range(count))}


def root_of() -> ServiceRecord:
    found = list(durable.find(ServiceRecord, "statek-root"))
    if found:
        return found[0]
    made = ServiceRecord()
    durable.tag(made, "statek-root")
    return made


def name(digest: str) -> None:
    """Name a block in the records."""
    root_of().application[digest] = 1


def named(store: Store) -> set[str]:
    found: set[str] = store.read_sync(lambda: set(root_of().application))
    return found


def kept(store: Store) -> dict[str, bytes]:
    """Every block of a store."""
    return {digest: store.blocks.get_sync(digest) for page in store.blocks.digest_pages_sync() for digest in page}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Callable[[str, str], BlockLocation]]:
    """Where blocks of that kind and name are."""
    servers: dict[str, Any] = {}
    open_servers = []

    def place(kind: str, label: str) -> BlockLocation:
        match kind:
            case "disk":
                return BlockLocation()
            case "sqlite":
                return BlockLocation(f"sqlite:{tmp_path / label}.kv")
            case "file":
                return BlockLocation(f"file://{tmp_path / label}-files", CACHE)
            case _:
                if label not in servers:
                    (tmp_path / f"redis-{label}").mkdir()
                    context = redis_server(tmp_path / f"redis-{label}")
                    servers[label] = context.__enter__()[0]
                    open_servers.append(context)
                    register_kv_store(f"redis-{label}", lambda url: RedisKV(connect(servers[label])))
                return BlockLocation(f"redis-{label}:", CACHE)

    yield place
    for context in open_servers:
        context.__exit__(None, None, None)


@pytest.mark.parametrize("before", KINDS)
@pytest.mark.parametrize("after", KINDS)
def test_a_store_of_one_kind_becomes_one_of_another(
    tmp_path: Path, place: Callable[[str, str], BlockLocation], before: str, after: str
) -> None:
    given = blocks_of(12)
    store = Store.open(tmp_path / "s", blocks=place(before, "old"))
    try:
        store.blocks.put_many_sync(given)
        for digest in given:
            store.commit_sync(lambda digest=digest: name(digest))  # type: ignore[misc]
        lines: list[str] = []
        made = back_up(store, tmp_path / "b", lines.append)
    finally:
        store.close()
    assert (made.blocks, made.damaged_blocks) == (12, ())
    assert lines == ["copying prefix default", "copying blocks, 12 of 12", "sealing the backup"]
    lines.clear()
    there = place(after, "new")
    assert restore_backup(tmp_path / "b", tmp_path / "r", lines.append, there) == made
    last = "restoring blocks" if after == "disk" else "restoring blocks, 12 of 12"
    assert lines[-2:] == ["restoring prefix default", last]
    assert (tmp_path / "r" / "statek" / "blocks.sqlite").exists() == (after == "disk")
    restored = Store.open(tmp_path / "r", blocks=there)
    try:
        assert named(restored) == given.keys()
        assert kept(restored) == given
        assert restored.store_id != made.store_id
    finally:
        restored.close()
    assert not list(tmp_path.glob(".r.*"))


def test_a_backup_of_a_store_at_work_has_every_block_that_it_names(
    tmp_path: Path, place: Callable[[str, str], BlockLocation]
) -> None:
    store = Store.open(tmp_path / "s", blocks=place("file", "old"))
    stop, wrote = threading.Event(), threading.Event()

    def work() -> None:
        for count, (digest, data) in enumerate(blocks_of(4000).items()):
            if stop.is_set():
                return
            store.blocks.put_many_sync({digest: data})
            store.commit_sync(lambda digest=digest: name(digest))  # type: ignore[misc]
            if count == 20:
                wrote.set()

    worker = threading.Thread(target=work)
    try:
        worker.start()
        assert wrote.wait(60)
        for number in range(3):
            back_up(store, tmp_path / f"b{number}", quiet)
    finally:
        stop.set()
        worker.join()
        store.close()
    for number in range(3):
        there = place("sqlite", f"new{number}")
        restore_backup(tmp_path / f"b{number}", tmp_path / f"r{number}", quiet, there)
        restored = Store.open(tmp_path / f"r{number}", blocks=there)
        try:
            wanted = named(restored)
            assert len(wanted) >= 20
            assert restored.blocks.has_many_sync(wanted) == wanted
        finally:
            restored.close()


def test_memory_is_refused_by_name(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "s", blocks=BlockLocation("memory:"))
    try:
        with pytest.raises(InvalidRequest) as caught:
            back_up(store, tmp_path / "b", quiet)
    finally:
        store.close()
    assert str(caught.value) == (
        f"this store keeps its blocks {IN_MEMORY}; a backup would only seem to keep its jobs, `statek jobs export` "
        "writes one to a file"
    )
    assert not (tmp_path / "b").exists()
    plain = Store.open(tmp_path / "p")
    try:
        back_up(plain, tmp_path / "b", quiet)
    finally:
        plain.close()
    with pytest.raises(InvalidRequest) as caught:
        restore_backup(tmp_path / "b", tmp_path / "r", quiet, BlockLocation("memory:"))
    assert str(caught.value) == f"blocks that are kept {IN_MEMORY} cannot be restored; choose another place"
    assert not (tmp_path / "r").exists()


def backup_of(tmp_path: Path, count: int) -> dict[str, bytes]:
    """A backup of a store with so many blocks in ``b``."""
    given = blocks_of(count)
    store = Store.open(tmp_path / "s")
    try:
        store.blocks.put_many_sync(given)
        store.commit_sync(lambda: name(next(iter(given))))
        back_up(store, tmp_path / "b", quiet)
    finally:
        store.close()
    return given


class Breaking(MemoryKV):
    """Refuses what comes after a few values, until it is told not to."""

    left = 5

    def set(self, key: str, value: bytes) -> None:
        if key.startswith("block/"):
            if not self.left:
                raise ConnectionError("the line is dead")
            self.left -= 1
        super().set(key, value)


def test_a_block_store_that_fails_is_filled_by_the_next_attempt(tmp_path: Path) -> None:
    given = backup_of(tmp_path, 12)
    kv = Breaking()
    register_kv_store("breaking", lambda url: kv)
    with pytest.raises(StoreError, match=r"^the block store at breaking: failed: ConnectionError: the line is dead$"):
        restore_backup(tmp_path / "b", tmp_path / "r", quiet, BlockLocation("breaking:"))
    assert not (tmp_path / "r").exists()
    with pytest.raises(ConfigurationError, match=r"belong to another data directory$"):
        restore_backup(tmp_path / "b", tmp_path / "other", quiet, BlockLocation("breaking:"))
    kv.left = 100
    restore_backup(tmp_path / "b", tmp_path / "r", quiet, BlockLocation("breaking:"))
    restored = Store.open(tmp_path / "r", blocks=BlockLocation("breaking:"))
    try:
        assert kept(restored) == given
    finally:
        restored.close()
    with pytest.raises(ConfigurationError, match=r"belong to another data directory$"):
        restore_backup(tmp_path / "b", tmp_path / "third", quiet, BlockLocation("breaking:"))


class Forgetful(MemoryKV):
    """Loses what it was given."""

    def set(self, key: str, value: bytes) -> None:
        if not key.startswith("block/"):
            super().set(key, value)


def test_a_block_store_that_keeps_nothing_is_found_out(tmp_path: Path) -> None:
    first = min(backup_of(tmp_path, 3))
    register_kv_store("forgetful", lambda url: Forgetful())
    with pytest.raises(StoreDamaged) as caught:
        restore_backup(tmp_path / "b", tmp_path / "r", quiet, BlockLocation("forgetful:"))
    assert str(caught.value) == f"the block store at forgetful: has lost block {first} again"
    assert not (tmp_path / "r").exists()


def test_a_damaged_file_of_blocks_is_named(tmp_path: Path) -> None:
    given = backup_of(tmp_path, 3)
    path = tmp_path / "b" / "blocks.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE block SET data = x'00' WHERE digest = ?", (bytes.fromhex(max(given)),))
    connection.close()
    blocks = KVBlocks(MemoryKV(), "somewhere")
    with pytest.raises(StoreDamaged, match=r"^blocks.sqlite is damaged: a block named"):
        unpack_blocks(path, blocks, quiet)
    path.write_bytes(b"no database" * 100)
    with pytest.raises(StoreDamaged, match=r"^blocks.sqlite is damaged: file is not a database"):
        unpack_blocks(path, blocks, quiet)
    blocks.close()


def test_killed_at_any_change_of_a_file_it_is_restored_by_the_next_attempt(tmp_path: Path) -> None:
    given = backup_of(tmp_path, 6)

    def restore(name: str, at: int) -> subprocess.CompletedProcess[str]:
        (tmp_path / name).mkdir()
        arguments = [tmp_path / "b", tmp_path / name / "r", f"file://{tmp_path / name / 'files'}", at]
        command = [sys.executable, "-m", killed_restore.__name__, *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)

    total = int(restore("whole", 0).stdout)
    for point in sorted({*range(1, total, max(1, total // 12)), *range(total - 4, total + 1)}):
        there = BlockLocation(f"file://{tmp_path / str(point) / 'files'}")
        assert restore(str(point), point).returncode == -signal.SIGKILL
        root = tmp_path / str(point) / "r"
        if not root.exists():
            if list((tmp_path / str(point)).glob(".r.claim")) or not (tmp_path / str(point) / "files").exists():
                restore_backup(tmp_path / "b", root, quiet, there)
            else:  # killed between the last two acts: the id is given up rather than given twice
                with pytest.raises(ConfigurationError, match=r"belong to another data directory$"):
                    restore_backup(tmp_path / "b", root, quiet, there)
                continue
        restored = Store.open(root, blocks=there)
        try:
            assert kept(restored) == given
            assert named(restored) == {next(iter(given))}
        finally:
            restored.close()
        found = verify_folder(root, quiet, there)
        assert (found.blocks, found.findings) == (6, ())


def test_a_folder_with_blocks_elsewhere_is_verified_there(tmp_path: Path) -> None:
    given = backup_of(tmp_path, 4)
    there = BlockLocation(f"sqlite:{tmp_path / 'kv'}")
    restore_backup(tmp_path / "b", tmp_path / "r", quiet, there)
    assert read_backup(tmp_path / "b").blocks == 4
    assert verify_folder(tmp_path / "r", quiet, there).blocks == len(given)
    [wrong] = verify_folder(tmp_path / "r", quiet).findings
    assert wrong.problem.startswith("the store does not open: this data directory keeps its blocks at sqlite:")
