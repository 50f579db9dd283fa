"""The store on real dbzero and a real disk."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dbzero
import pytest

import statek.durable as durable
from orchestrator.digests import content_digest
from orchestrator.store import Store
from statek.exceptions import InvalidRequest, StoreDamaged, StoreError, StoreFull, StoreLocked, UnstorableValue


@dbzero.memo(id="tests.store.Box")
class Box:
    def __init__(self, value: object = None) -> None:
        self.value = value
        self.items = [1, 2]
        self.names = {"a": 1}
        self.members = {"m"}


def new_box(value: object = None) -> Box:
    box = Box(value)
    dbzero.tags(box).add("box")
    return box


def only_box() -> Box:
    (box,) = dbzero.find(Box, "box")
    return box


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "s")
    yield opened
    opened.close()


def self_containing() -> list[object]:
    value: list[object] = []
    value.append(value)
    return value


def deep() -> list[object]:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    return value


BAD = {
    "nul": "a\0b",
    "surrogate": "\ud800",
    "big": 2**70,
    "cycle": self_containing(),
    "deep": deep(),
    "big in tuple": (1, 2**70),
    "negative key": {-1: 1},
    "tuple member": {(-1, 2)},
    "none key": {None: 1},
    "complex": 1j,
    "bytes": b"x" * (64 * 1024 + 1),
    "class": int,
    "lambda": len,
}


@pytest.mark.parametrize("name", BAD)
def test_no_write_of_a_bad_value_reaches_dbzero(store: Store, name: str) -> None:
    bad = BAD[name]
    box = store.commit_sync(new_box)
    writes = [
        lambda: setattr(box, "value", bad),
        lambda: Box(bad),
        lambda: box.items.append(bad),
        lambda: box.items.extend([bad]),
        lambda: box.items.__setitem__(0, bad),
        lambda: box.names.__setitem__("k", bad),
        lambda: box.names.update(k=bad),
        lambda: box.names.setdefault("q", bad),
        lambda: dbzero.list([bad]),
        lambda: dbzero.assign(box, value=bad),
    ]
    for write in writes:
        with pytest.raises(UnstorableValue):
            store.commit_sync(write)
    seen = store.read_sync(lambda: [box.value, *map(durable.to_plain, (box.items, box.names, box.members))])
    assert seen == [None, [1, 2], {"a": 1}, {"m"}]


@pytest.mark.parametrize("key", ["\ud800", -1, (-1, 2), None, 1.5], ids=repr)
def test_a_bad_key_is_refused_in_writes_and_absent_in_reads(store: Store, key: object) -> None:
    box = store.commit_sync(new_box)
    for write in (lambda: box.names.__setitem__(key, 1), lambda: box.members.add(key)):
        with pytest.raises(UnstorableValue):
            store.write_sync(write)
    assert store.read_sync(lambda: (key in box.names, key in box.members, box.names.get(key, "no"))) == (
        False,
        False,
        "no",
    )


def test_writes_belong_into_write_and_commit_into_the_store(store: Store) -> None:
    box = store.commit_sync(new_box)
    with pytest.raises(StoreError, match="only inside a write"):
        box.value = 1
    with pytest.raises(StoreError, match="only inside a write"):
        store.read_sync(lambda: box.items.append(1))
    for call in (dbzero.commit, dbzero.close, lambda: dbzero.open("x"), lambda: dbzero.init("x")):
        with pytest.raises(StoreError, match="reserved"):
            call()


def test_an_exception_rolls_the_block_back(store: Store) -> None:
    box = store.commit_sync(lambda: new_box(1))

    def fails() -> None:
        box.value = 2
        store.write_sync(lambda: box.items.append(3))
        raise KeyError("x")

    with pytest.raises(KeyError):
        store.commit_sync(fails)
    assert store.read_sync(lambda: (box.value, len(box.items))) == (1, 2)


async def test_what_arrives_together_shares_flushes(store: Store) -> None:
    box = await store.commit(lambda: new_box(0))

    def add() -> int:
        box.value += 1
        return box.value

    before = store.guard_statistics().flushes
    results = await asyncio.gather(*(store.commit(add) for _ in range(100)))
    assert results == list(range(1, 101))
    assert 1 <= store.guard_statistics().flushes - before <= 20


@pytest.mark.parametrize("track", [True, False])
def test_every_changed_page_is_recorded(tmp_path: Path, track: bool) -> None:
    store = Store.open(tmp_path / "s", track=track)
    assert store.tracks_writes is track
    chance = random.Random(5)
    box = store.commit_sync(new_box)
    for _ in range(40):

        def work() -> None:
            for _ in range(chance.randrange(1, 60)):
                kind = chance.randrange(4)
                if kind == 0:
                    box.items.append(chance.randbytes(chance.randrange(4000)))
                elif kind == 1:
                    box.names[f"k{chance.randrange(200)}"] = "v" * chance.randrange(500)
                elif kind == 2 and len(box.items) > 3:
                    box.items[chance.randrange(len(box.items))] = chance.random()
                else:
                    new_box(chance.random())

        store.commit_sync(work)
        assert store.differences() == 0
    store.close()


def test_nothing_spills_between_flushes(store: Store, tmp_path: Path) -> None:
    box = store.commit_sync(new_box)
    primary = tmp_path / "s" / "default.db0"
    before = primary.read_bytes()

    def work() -> bool:
        for number in range(20_000):
            box.items.append(f"text {number}")
        return primary.read_bytes() == before

    assert store.write_sync(work) is True


def test_close_leaves_a_store_that_opens_again(tmp_path: Path) -> None:
    first = Store.open(tmp_path)
    first.commit_sync(lambda: new_box("kept"))
    first.close()
    second = Store.open(tmp_path)
    assert second.read_sync(lambda: only_box().value) == "kept"
    assert (second.store_id, second.incarnation) == (first.store_id, 2)
    second.close()


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty", "missing"])
def test_a_damaged_prefix_is_rebuilt(tmp_path: Path, damage: str) -> None:
    first = Store.open(tmp_path)
    first.commit_sync(lambda: new_box("kept"))
    first.close()
    primary = tmp_path / "default.db0"
    if damage == "missing":
        primary.unlink()
    else:
        good = primary.read_bytes()
        primary.write_bytes(
            {"truncated": good[: len(good) // 2], "garbage": os.urandom(len(good)), "empty": b""}[damage]
        )
    second = Store.open(tmp_path)
    assert second.read_sync(lambda: only_box().value) == "kept"
    second.close()


def test_a_prefix_killed_during_its_creation_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "statek").mkdir()
    (tmp_path / "statek" / "default.creating").touch()
    (tmp_path / "default.db0").write_bytes(b"half")
    store = Store.open(tmp_path)
    store.commit_sync(new_box)
    store.close()


def test_two_openers(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    code = "import sys; from pathlib import Path; from orchestrator.store import Store; Store.open(Path(sys.argv[1]))"
    other = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=30, check=False
    )
    store.close()
    last = other.stderr.strip().splitlines()[-1]
    assert last == f"{StoreLocked.__module__}.StoreLocked: the store {tmp_path} is in use by process {os.getpid()}"


def test_an_illegal_prefix_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="is not"):
        Store.open(tmp_path, prefix="../x")


@pytest.mark.root
def test_a_full_disk_refuses_and_recovers(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(tmp_path)], check=True)
    try:
        store = Store.open(tmp_path)
        box = store.commit_sync(lambda: new_box(0))
        ballast = tmp_path / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass

        def grow() -> None:
            box.value += 1
            for _ in range(20):
                box.items.append(os.urandom(30_000))

        with pytest.raises(StoreFull):
            store.commit_sync(grow)
        ballast.unlink()
        store.commit_sync(lambda: setattr(box, "value", 7))
        assert store.differences() == 0
        store.close()
        again = Store.open(tmp_path)
        assert again.read_sync(lambda: (only_box().value, len(only_box().items))) == (7, 22)
        again.close()
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


async def test_blocks(store: Store) -> None:
    data = b"some bytes"
    digest = content_digest(data)
    await store.blocks.put_many({digest: data})
    await store.blocks.put_many({digest: data})
    assert await store.blocks.get(digest) == data
    assert await store.blocks.has_many([digest, "0" * 64]) == {digest}
    assert await store.blocks.size() == (1, 10)
    with pytest.raises(InvalidRequest):
        await store.blocks.put_many({"0" * 64: data})
    store.blocks._connection.execute("UPDATE block SET data = x'00'")
    with pytest.raises(StoreDamaged, match=digest):
        await store.blocks.get(digest)
    assert await store.blocks.delete_many([digest]) == 1


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (errno.EIO, StoreError, "the store {} cannot be opened: [Errno 5] Input/output error"),
        (errno.ENOSPC, StoreFull, "no space to open the store {}: No space left on device"),
    ],
)
def test_a_disk_that_refuses_the_start_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[StoreError], words: str
) -> None:
    def refuse(_descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        with pytest.raises(StoreError) as caught:
            Store.open(tmp_path)
    assert (type(caught.value), str(caught.value)) == (kind, words.format(tmp_path))
    Store.open(tmp_path).close()
