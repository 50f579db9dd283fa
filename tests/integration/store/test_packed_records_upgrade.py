"""Records of form 1 of every size and kind, as they read after the upgrade to form 2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.digests import content_digest
from orchestrator.engine.elements import ChatItem, commit_hash
from orchestrator.engine.job_reader import ROOT_TAG, JobReader
from orchestrator.engine.manifest import BlockPlace, PlacedWorkspace, encode_manifest
from orchestrator.engine.objects.grants import GrantTable
from orchestrator.engine.upgrading.packed_records import PACKED_RECORDS, ChatItemRecord, CommitRecord
from orchestrator.sandboxes.step import Component, Form, Workspace
from orchestrator.store.store import Store
from sandbox_runner.wire import values
from statek import durable
from statek.exceptions import StoreDamaged, StoreVersionError
from statek.packing import pack, packed_pieces, split_pieces
from statek.records import JobRecord, ServiceRecord

pytestmark = pytest.mark.timeout(60)

TEXT = "zażółć \x00 \ud800 " + "long " * 30_000
BLOCKS = [bytes([n]) * 700 for n in range(3)]


def manifest(count: int) -> bytes:
    """A workspace of so many variables, whose blocks travel in commit 0."""
    digests = [content_digest(block) for block in BLOCKS]
    components = tuple(Component((f"name{n}",), Form.GRAPH, tuple(digests), 700, ("",)) for n in range(count))
    places = {digest: BlockPlace(0, index) for index, digest in enumerate(digests)}
    return encode_manifest(PlacedWorkspace(Workspace(components), places, (1,)))


def step(number: int, state: str, journal: Any, **fields: Any) -> ChatItemRecord:
    item = ChatItemRecord("reply", 10 + number, pack(TEXT), number, pack("print(1)\x00"), state, number - 1)
    item.journal = journal
    item.console = pack([["print", f"{number}\ud800"]])
    item.outcome = pack({"outcome": "ok", "type": "", "message": ""}) if state in {"committed", "died"} else ""
    item.usage = pack({"output_tokens": number})
    for name, value in fields.items():
        setattr(item, name, value)
    return item


def commit(seq: int, manifest_: Any, inline: Any) -> CommitRecord:
    return CommitRecord(
        seq, seq - 1, "step" if seq else "start", seq, 5, pack(["a"]), manifest_, inline, "image", 3, "{}"
    )


def make_job(root: ServiceRecord, state: str) -> None:
    """A job of form 1 whose last step has that state."""
    record: Any = JobRecord(len(root.jobs) + 1, "t", "role", "p", "{}", 1, GrantTable())
    for name in ("ends", "journal", "overflow", "flight", "answered", "error_handlers", "dialog_length"):
        delattr(record, name)
    last = step(3, state, [b"+x", b".y", b".z"], attempts=2, crashes=1, put_downs=1)
    said = ChatItemRecord("user", 1, pack("hello"), 0, "", "none", 0)
    told = ChatItemRecord("system", 2, pack("limit"), 0, "", "none", 0)
    told.console, told.outcome = pack([["error", "limit"]]), pack({"outcome": "error", "type": "T", "message": "m"})
    record.chat = [
        said,
        step(1, "committed", b".one", end_commit=1),
        told,
        step(2, "died", b"", end_commit=1),
        last,
    ]
    record.current = last if state in {"waiting", "begun"} else None
    record.next_step = 4
    large = manifest(3000)
    record.commits = [
        commit(0, manifest(2), values.encode(BLOCKS)),
        commit(1, packed_pieces(split_pieces(large)), list(BLOCKS)),
        commit(2, manifest(1), b""),
    ]
    root.jobs.append(record)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "s")

    def make() -> None:
        root = ServiceRecord()
        durable.tag(root, ROOT_TAG)
        root.record_format = 1
        for state in ("committed", "begun", "waiting"):
            make_job(root, state)

    try:
        opened.commit_sync(make)
        yield opened
    finally:
        opened.close()


def item_of(reader: JobReader, job: int, index: int) -> ChatItem:
    return reader.item(reader.get(job), index)


def test_everything_of_a_job_reads_as_it_was(store: Store) -> None:
    with pytest.raises(StoreVersionError, match="keeps its jobs in form 1"):
        store.read_sync(lambda: JobReader().root())
    lines: list[str] = []
    PACKED_RECORDS.apply(store, lines.append)
    assert lines == ["packing job 1 of 3", "packing job 2 of 3", "packing job 3 of 3"]
    reader = JobReader()

    def look() -> None:
        assert list(durable.find(ChatItemRecord, "no-tag")) == []
        for job, state in enumerate(("committed", "begun", "waiting"), start=1):
            record = reader.get(job)
            assert (reader.item_count(record), reader.commit_count(record), record.dialog_length) == (5, 3, 1)
            first = reader.item(record, 1)
            assert (first.text, first.code, first.state, first.console) == (
                TEXT, "print(1)\x00", "committed", (("print", "1\ud800"),),
            )  # fmt: skip
            assert (first.usage, first.end_commit, reader.journal_blobs(record, first)) == (
                {"output_tokens": 1},
                1,
                [b"one"],
            )
            said, told = reader.item(record, 0), reader.item(record, 2)
            assert (said.kind, said.text, said.state, said.console) == ("user", "hello", "none", ())
            assert (told.console, told.outcome["type"]) == ((("error", "limit"),), "T")
            died, last = reader.item(record, 3), reader.item(record, 4)
            assert (died.state, reader.journal_blobs(record, died)) == ("died", [])
            assert (last.state, last.attempts, last.crashes, last.put_downs) == (state, 2, 1, 1)
            assert reader.journal_blobs(record, last) == [b"xy", b"z"]
            flight = reader.in_flight(record)
            assert (flight is None) == (state == "committed")
            assert flight is None or (flight.item, flight.step, flight.begun) == (4, 3, state == "begun")

    store.read_sync(look)


def test_commits_get_their_hashes_and_keep_their_blocks(store: Store) -> None:
    PACKED_RECORDS.apply(store, lambda text: None)
    reader = JobReader()

    def look() -> None:
        record, before = reader.get(2), ""
        for seq, count in enumerate((2, 3000, 1)):
            found = reader.commit(record, seq)
            assert found.hash == commit_hash(found, before)
            before = found.hash
            placed = reader.workspace(record, seq)
            assert len(placed.workspace.components) == count
            assert reader.inline_blocks(record, placed.places) == {content_digest(block): block for block in BLOCKS}
        assert [len(reader.commit(record, seq).blocks) for seq in range(3)] == [3, 3, 0]
        assert reader.commit(record, 1).changed == ("a",)

    store.read_sync(look)


@pytest.mark.parametrize(
    ("break_", "message"),
    [
        (
            lambda job: setattr(job, "next_step", 9),
            "^job j1 does not read: it has 8 step\\(s\\), its chat log has others$",
        ),
        (lambda job: setattr(job.chat[1], "console", "{"), "^job j1 does not read: JSONDecodeError"),
        (lambda job: setattr(job.chat[1], "console", '["x"]'), "^job j1 does not read: ValueError"),
        (
            lambda job: setattr(job.commits[0], "manifest", b"no"),
            "^job j1 does not read: a commit's manifest does not read",
        ),
        (lambda job: setattr(job.commits[0], "inline", values.encode([1])), "^job j1 does not read: ValueError"),
        (lambda job: setattr(job.commits[0], "inline", b"\xff"), "^job j1 does not read: "),
    ],
)
def test_a_job_that_does_not_read_is_named(store: Store, break_: Any, message: str) -> None:
    store.commit_sync(lambda: break_(next(iter(durable.find(ServiceRecord, ROOT_TAG))).jobs[0]))
    with pytest.raises(StoreDamaged, match=message):
        PACKED_RECORDS.apply(store, lambda text: None)
