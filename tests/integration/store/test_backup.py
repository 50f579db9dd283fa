"""Backups: consistent while the store works, whole or absent, and a store again."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from orchestrator.digests import content_digest
from orchestrator.store import backup as backups
from orchestrator.store.backup import back_up, check_backup, read_backup, restore_backup
from orchestrator.store.store import Store
from statek import durable
from statek.exceptions import ConfigurationError, InvalidRequest, NotFound, StoreDamaged, StoreError
from statek.records import ServiceRecord

pytestmark = pytest.mark.timeout(120)


def quiet(_text: str) -> None:
    """Nobody reads the progress."""


def open_store(root: Path, **options: Any) -> Store:
    return Store.open(root, **options)


def root_of() -> ServiceRecord:
    found = list(durable.find(ServiceRecord, "statek-root"))
    if not found:
        made = ServiceRecord()
        durable.tag(made, "statek-root")
        return made
    return found[0]


def count_up() -> int:
    """One more entry; gives how many there are."""
    root = root_of()
    root.jobs.append(f"entry {len(root.jobs)} " + "x" * 200)
    return len(root.jobs)


def entries(store: Store) -> list[str]:
    found: list[str] = store.read_sync(lambda: list(root_of().jobs))
    return found


@pytest.mark.parametrize("track", [True, False])
def test_a_backup_is_a_store_again(tmp_path: Path, track: bool) -> None:
    store = open_store(tmp_path / "s", track=track)
    block = b"b" * 5000
    try:
        for _ in range(5):
            store.commit_sync(count_up)
        store.blocks.put_many_sync({content_digest(block): block})
        said: list[str] = []
        made = back_up(store, tmp_path / "b", said.append)
        store.commit_sync(count_up)
    finally:
        store.close()
    assert (made.blocks, made.damaged_blocks, made.store_id) == (1, (), store.store_id)
    assert said == ["copying prefix default", "copying blocks, 1 of 1", "sealing the backup"]
    assert (read_backup(tmp_path / "b"), check_backup(tmp_path / "b", quiet)) == (made, [])
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["backup.json", "blocks.sqlite", "default.db0"]
    restored = restore_backup(tmp_path / "b", tmp_path / "r", quiet)
    assert restored == made
    again = open_store(tmp_path / "r")
    try:
        assert len(entries(again)) == 5
        assert again.blocks.get_sync(content_digest(block)) == block
        assert again.store_id != made.store_id
        again.commit_sync(count_up)
    finally:
        again.close()
    said_of_itself = json.loads((tmp_path / "r" / "statek" / "store.json").read_bytes())
    assert said_of_itself["restored_from"] == {"store_id": made.store_id, "at_us": made.at_us}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "r", "s"]


@pytest.mark.parametrize("track", [True, False])
def test_a_backup_of_a_working_store_is_one_of_its_states(tmp_path: Path, track: bool) -> None:
    store = open_store(tmp_path / "s", track=track)
    stop = threading.Event()
    acknowledged: list[int] = []

    def work() -> None:
        while not stop.is_set():
            digest = content_digest(len(acknowledged).to_bytes(8, "little"))
            store.blocks.put_many_sync({digest: len(acknowledged).to_bytes(8, "little")})
            acknowledged.append(store.commit_sync(count_up))

    worker = threading.Thread(target=work)
    bounds = []
    try:
        store.commit_sync(count_up)
        worker.start()
        for number in range(4):
            before = len(acknowledged)
            back_up(store, tmp_path / f"b{number}", quiet)
            bounds.append((before, len(acknowledged) + 2))
    finally:
        stop.set()
        worker.join()
        store.close()
    for number, (least, most) in enumerate(bounds):
        restore_backup(tmp_path / f"b{number}", tmp_path / f"r{number}", quiet)
        again = open_store(tmp_path / f"r{number}")
        try:
            found = entries(again)
            assert found == [f"entry {index} " + "x" * 200 for index in range(len(found))]
            assert least <= len(found) <= most
            for index in range(len(found) - 1):
                again.blocks.get_sync(content_digest(index.to_bytes(8, "little")))
        finally:
            again.close()


def test_a_store_that_outwrites_its_copy_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestrator.store import guard
    from orchestrator.store import store as stores

    monkeypatch.setattr(guard, "APPLY_AT", 1)
    monkeypatch.setattr(guard, "REDO_LIMIT", 2)
    store = open_store(tmp_path / "s")
    try:
        store.commit_sync(count_up)
        copy = stores.copy_synced

        def slow(*args: Any) -> None:
            store.commit_sync(count_up)
            copy(*args)

        monkeypatch.setattr(stores, "copy_synced", slow)
        with pytest.raises(StoreError, match="try again later"):
            back_up(store, tmp_path / "b", quiet)
        monkeypatch.setattr(stores, "copy_synced", copy)
        back_up(store, tmp_path / "b", quiet)
        assert store.differences() == 0
    finally:
        store.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "s"]


@pytest.mark.parametrize("point", ["probe_prefix", "file_digest", "write_durably", "sync_directory"])
def test_a_death_in_the_middle_leaves_nothing_that_looks_whole(
    tmp_path: Path, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Died(BaseException):
        """Stands for SIGKILL: nothing is cleaned up."""

    def die(*_args: Any, **_options: Any) -> None:
        raise Died

    store = open_store(tmp_path / "s")
    try:
        store.commit_sync(count_up)
        real, tidy = getattr(backups, point), backups.shutil.rmtree
        monkeypatch.setattr(backups, point, die)
        monkeypatch.setattr(backups.shutil, "rmtree", lambda *_args, **_options: None)
        with pytest.raises(Died):
            back_up(store, tmp_path / "b", quiet)
        assert not (tmp_path / "b").exists()
        assert (tmp_path / ".b.incomplete").is_dir()
        with pytest.raises(NotFound):
            read_backup(tmp_path / "b")
        monkeypatch.setattr(backups, point, real)
        monkeypatch.setattr(backups.shutil, "rmtree", tidy)
        back_up(store, tmp_path / "b", quiet)
    finally:
        store.close()
    assert check_backup(tmp_path / "b", quiet) == []
    assert not (tmp_path / ".b.incomplete").exists()


def test_damage_of_a_backup_is_named_and_never_restored(tmp_path: Path) -> None:
    store = open_store(tmp_path / "s")
    try:
        store.commit_sync(count_up)
        store.blocks.put_many_sync({content_digest(b"x"): b"x"})
        back_up(store, tmp_path / "b", quiet)
    finally:
        store.close()
    for name in ("default.db0", "blocks.sqlite", "backup.json"):
        path = tmp_path / "b" / name
        good = path.read_bytes()
        for bad in (good[: len(good) // 2], good[:-1], good[:100] + bytes([good[100] ^ 1]) + good[101:]):
            path.write_bytes(bad)
            if name == "backup.json":
                with pytest.raises(StoreDamaged, match=r"backup\.json"):
                    check_backup(tmp_path / "b", quiet)
            else:
                [wrong] = check_backup(tmp_path / "b", quiet)
                assert wrong.startswith(name)
            with pytest.raises(StoreDamaged):
                restore_backup(tmp_path / "b", tmp_path / "r", quiet)
            assert not (tmp_path / "r").exists()
        path.unlink()
        with pytest.raises((StoreDamaged, NotFound)):
            restore_backup(tmp_path / "b", tmp_path / "r", quiet)
        path.write_bytes(good)
    restore_backup(tmp_path / "b", tmp_path / "r", quiet)
    with pytest.raises(InvalidRequest, match="is there already"):
        restore_backup(tmp_path / "b", tmp_path / "r", quiet)
    with pytest.raises(NotFound, match="holds no backup"):
        restore_backup(tmp_path, tmp_path / "other", quiet)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"format": 1},
        {"format": 1, "files": 3},
        {"format": 1, "files": {"a": 1}, "prefix": "default"},
        {"format": 1, "files": {"default.db0": [1, "x"], "blocks.sqlite": [1, "x"]}, "prefix": "default"},
        {"format": 1, "files": {"default.db0": [1, "x"], "blocks.sqlite": [1, "x"]}, "prefix": ["default"], "x": 1},
    ],
)
def test_a_sealed_description_that_is_none_is_refused(tmp_path: Path, data: dict[str, Any]) -> None:
    (tmp_path / "backup.json").write_text(json.dumps(data | {"seal": backups._seal(data)}))
    with pytest.raises((StoreDamaged, ConfigurationError)):
        read_backup(tmp_path)


def test_a_damaged_block_is_left_out_and_named(tmp_path: Path) -> None:
    import sqlite3

    store = open_store(tmp_path / "s")
    try:
        store.commit_sync(count_up)
        store.blocks.put_many_sync({content_digest(b"x"): b"x", content_digest(b"y"): b"y"})
        other = sqlite3.connect(tmp_path / "s" / "statek" / "blocks.sqlite")
        other.execute("UPDATE block SET data = ? WHERE digest = ?", (b"z", bytes.fromhex(content_digest(b"x"))))
        other.commit()
        other.close()
        made = back_up(store, tmp_path / "b", quiet)
    finally:
        store.close()
    assert (made.blocks, made.damaged_blocks) == (1, (content_digest(b"x"),))
