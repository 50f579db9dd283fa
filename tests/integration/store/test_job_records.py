"""JobRepository over a real store: long elements, journals of several steps, a store of an older form."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from orchestrator.engine.elements import ChatItem
from orchestrator.engine.inspection import Inspection
from orchestrator.engine.jobs import JobRepository, NewCommit, StepOutcome
from orchestrator.engine.objects import GrantTable
from orchestrator.sandboxes.step import Component, Form, Workspace
from orchestrator.store.store import Store
from statek import durable
from statek.exceptions import InternalError, NotFound, StoreError
from statek.job_status import ACTIVE_TAG
from statek.packing import MAX_PIECE_BYTES
from statek.records import JobRecord

pytestmark = pytest.mark.timeout(60)

_NOTHING = NewCommit(Workspace(), {}, {}, True, [])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def jobs() -> JobRepository:
    return JobRepository()


def _create(store: Store, jobs: JobRepository) -> JobRecord:
    def create() -> JobRecord:
        record = jobs.create(tenant="t", role="r", principal="", definition="{}", grants=GrantTable(), now_us=1)
        jobs.add_commit(record, "start", 0, _NOTHING, 1, 1)
        return record

    return store.commit_sync(create)


def _step(jobs: JobRepository, record: JobRecord, text: str = "x = 1", begun: bool = True) -> ChatItem:
    return jobs.add_step(record, kind="reply", text=text, code=text, begun=begun, usage={}, now_us=2)


def _end(jobs: JobRepository, record: JobRecord, new: NewCommit = _NOTHING, **outcome: Any) -> None:
    seq = jobs.add_commit(record, "step", record.next_step - 1, new, 3, 2)
    jobs.end_step(record, StepOutcome("committed", "ok", **outcome), end_commit=seq, now_us=3)


def test_active_jobs_are_shown_in_visits_while_others_begin_and_end(
    store: Store, jobs: JobRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.engine.job_reader._VISIT_SECONDS", -1.0)
    numbers = {_create(store, jobs).number for _ in range(5)}
    shown: list[int] = []
    visit = jobs.visit_active(lambda record: shown.append(record.number))
    assert (store.read_sync(visit), len(shown)) == (True, 1)
    ended = {shown[0], min(numbers - set(shown))}
    for number in sorted(ended):
        store.commit_sync(partial(durable.untag, jobs.get(number), ACTIVE_TAG))
    _create(store, jobs)
    while store.read_sync(visit):
        pass
    assert (sorted(set(shown)), numbers - ended - set(shown)) == (sorted(shown), set())
    left: list[int] = []
    visit = jobs.visit_active(lambda record: left.append(record.number))
    while store.read_sync(visit):
        pass
    assert (len(left), 6 in left, shown[0] in left) == (4, True, False)


def test_a_step_goes_from_its_beginning_to_its_end(store: Store, jobs: JobRepository) -> None:
    record = _create(store, jobs)
    item = store.write_sync(lambda: _step(jobs, record, begun=False))
    assert (item.state, item.attempts, jobs.item(record, 0)) == ("waiting", 0, item)
    store.write_sync(lambda: jobs.begin(record))
    store.write_sync(lambda: jobs.put_down(record, crashed=True))
    store.write_sync(lambda: jobs.begin(record))
    store.write_sync(lambda: jobs.put_down(record, crashed=False))
    found = jobs.item(record, 0)
    assert (found.state, found.attempts, found.crashes, found.put_downs) == ("waiting", 2, 1, 1)
    store.write_sync(lambda: _end(jobs, record, console=[("print", "3")], usage={"cpu": 1}))
    found = jobs.item(record, 0)
    assert (found.state, found.attempts, found.end_commit, found.console) == ("committed", 2, 1, (("print", "3"),))
    assert (found.usage, jobs.in_flight(record), jobs.item_count(record)) == ({"cpu": 1}, None, 1)


def test_each_step_keeps_its_own_journal(store: Store, jobs: JobRepository) -> None:
    record = _create(store, jobs)
    long = b"j" * (2 * MAX_PIECE_BYTES + 5)

    def run(pieces: list[bytes], closing: bytes) -> None:
        _step(jobs, record)
        for piece in pieces:
            jobs.add_journal(record, piece)
        assert jobs.journal_in_flight(record) == pieces
        _end(jobs, record, journal=closing)

    for pieces, closing in (([b"a", long], b"b"), ([], b"c"), ([b"d"], b""), ([], b"")):
        store.write_sync(lambda pieces=pieces, closing=closing: run(pieces, closing))
    kept = [jobs.journal_blobs(record, jobs.item(record, index)) for index in range(4)]
    assert kept == [[b"a", long, b"b"], [b"c"], [b"d"], []]


def test_elements_longer_than_the_store_takes_are_kept_in_pieces(store: Store, jobs: JobRepository) -> None:
    record = _create(store, jobs)
    text = "\0\ud800x" * MAX_PIECE_BYTES
    blocks = {f"{n:064x}": bytes([n]) * 50_000 for n in range(4)}
    workspace = Workspace((Component(("v",), Form.GRAPH, tuple(blocks), 200_000, ("...",)),))

    def write() -> None:
        jobs.add_message(record, "user", text, 2)
        _step(jobs, record, text)
        _end(jobs, record, NewCommit(workspace, {}, blocks, True, ["v"]), console=[("print", text)])
        _step(jobs, record)

    store.commit_sync(write)
    assert [jobs.item(record, n).text == text for n in range(3)] == [True, True, False]
    assert jobs.item(record, 1).console == (("print", text),)
    placed = jobs.workspace(record, 1)
    assert (placed.workspace, jobs.inline_blocks(record, placed.places)) == (workspace, blocks)


def test_a_block_that_rolls_back_leaves_the_lists_as_they_were(store: Store, jobs: JobRepository) -> None:
    record = _create(store, jobs)
    store.commit_sync(lambda: _step(jobs, record))

    def fail() -> None:
        jobs.add_journal(record, b"entry")
        _end(jobs, record, journal=b"j" * 100_000)
        _step(jobs, record)
        raise RuntimeError("the block did not stand")

    with pytest.raises(RuntimeError, match="did not stand"):
        store.write_sync(fail)
    found = jobs.item(record, 0)
    assert (found.state, jobs.journal_in_flight(record), jobs.item_count(record)) == ("begun", [], 1)
    assert (jobs.commit_count(record), record.next_step, record.journal, record.overflow) == (1, 2, None, None)


def test_a_second_step_in_flight_is_refused(store: Store, jobs: JobRepository) -> None:
    record = _create(store, jobs)
    store.write_sync(lambda: _step(jobs, record))
    with pytest.raises(InternalError, match=r"^job j1 has a step in flight already$"):
        store.write_sync(lambda: _step(jobs, record))
    store.write_sync(lambda: _end(jobs, record))
    with pytest.raises(InternalError, match=r"^job j1 has no step in flight$"):
        store.write_sync(lambda: jobs.add_journal(record, b"late"))
    with pytest.raises(NotFound, match=r"^job j1 has no commit 2; it has 0 to 1$"):
        jobs.commit(record, 2)


async def test_a_store_of_another_form_is_refused(store: Store, jobs: JobRepository) -> None:
    _create(store, jobs)

    def make_older() -> None:
        root = jobs.root()
        assert root is not None
        root.record_format = 1

    store.commit_sync(make_older)
    with pytest.raises(StoreError, match=r"^this store keeps its jobs in form 1, .*; run `statek upgrade`"):
        await Inspection(store).jobs()
