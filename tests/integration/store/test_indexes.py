"""What is indexed beside the records agrees with them, whatever happened, and in stores that had no index yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.engine import future_store
from orchestrator.engine.future_store import FutureStore
from orchestrator.store.store import Store
from statek import shared_context
from statek.exceptions import LimitExceeded
from statek.future import FutureState, Settlement
from statek.queue_records import QueueLane
from statek.shared_context import ContextVarRecord, SharedContext

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store.open(Path(tmp_path_factory.mktemp("store")))
    yield opened
    opened.close()


class PlainLane:
    """What a lane does, without an index."""

    def __init__(self) -> None:
        self.waiting: list[int] = []
        self.held: list[int] = []

    def apply(self, operation: str, argument: int) -> None:
        match operation:
            case "add":
                self.waiting.append(argument)
            case "deliver" if self.waiting:
                self.waiting.pop(0)
            case "hold" if self.waiting:
                self.held.append(self.waiting.pop(0))
            case "release":
                released, self.held = self.held[:argument], self.held[argument:]
                self.waiting += released


def apply(lane: QueueLane, operation: str, argument: int) -> None:
    match operation:
        case "add":
            lane.add(argument, 0)
        case "deliver" if lane.first() is not None:
            lane.drop_first()
        case "hold":
            lane.hold_first("no")
        case "release":
            assert lane.release_held(argument) == bool(len(lane.held))


OPERATIONS = st.tuples(st.sampled_from(["add", "add", "deliver", "hold", "hold", "release"]), st.integers(1, 4))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(OPERATIONS, max_size=30), st.integers(0, 30))
def test_a_lane_holds_and_releases_in_order(store: Store, operations: list[tuple[str, int]], forget_at: int) -> None:
    plain = PlainLane()

    def run() -> tuple[list[int], list[int]]:
        lane = QueueLane("clerk")
        for place, (operation, argument) in enumerate(operations):
            if place == forget_at:  # a lane of a store that was made before there was an index
                lane.held_order, lane.held_first = None, 0
            apply(lane, operation, argument)
            plain.apply(operation, argument)
        held = [lane.held[number].value.load() for number in lane.first_held(100)]
        return [entry.value.load() for entry in lane.waiting(100)], held

    assert store.write_sync(run) == (plain.waiting, plain.held)


def counted(records: FutureStore, job: int) -> int:
    """How many open futures the index says a job has."""
    table: Any = records.table()
    return int((table.open_by_job or {}).get(job, 0))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 1), st.booleans()), max_size=20), st.integers(0, 20), st.booleans())
def test_open_futures_are_counted(store: Store, steps: list[tuple[int, bool]], forget_at: int, undone: bool) -> None:
    records = FutureStore()

    def run() -> list[tuple[int, int]]:
        records.secret()
        table: Any = records.table()
        first = 2 * len(table.by_number) + 1  # jobs that no other example has
        for place, (which, ends) in enumerate(steps):
            job = first + which
            if place == forget_at:
                table.open_by_job, table.counts_all = None, False
            waiting = records.pending_of(job)
            if ends and waiting:
                records.settle(waiting[0], Settlement(FutureState.CANCELLED), 2)
            else:
                number = len(table.by_number) + 1
                records.create(id_=f"f-{number}", job=job, what="x", details=None, deadline_us=0, now_us=1)
        for job in (first, first + 1):  # a job that was not counted yet is counted when it makes one more
            records.create(id_=f"f-x{len(table.by_number)}", job=job, what="x", details=None, deadline_us=0, now_us=1)
        found = [(counted(records, job), len(records.pending_of(job))) for job in (first, first + 1)]
        if undone:
            raise ZeroDivisionError
        return found

    if undone:
        with pytest.raises(ZeroDivisionError):
            store.write_sync(run)
        records.forget()
        return
    found = store.write_sync(run)
    assert [known for known, _ in found] == [real for _, real in found]


def test_a_job_may_have_so_many_open_futures(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(future_store, "MAX_PENDING_PER_JOB", 3)
    records = FutureStore()

    def make(name: str) -> Any:
        return records.create(id_=name, job=999_999, what="x", details=None, deadline_us=0, now_us=1)

    def run() -> None:
        first, *_ = [make(f"f-many{place}") for place in range(3)]
        with pytest.raises(LimitExceeded, match="pending_futures is 3, this needs 4"):
            make("f-more")
        records.settle(first, Settlement(FutureState.FAILED), 2)
        make("f-more")
        records.cancel_of(999_999, "over", 3)
        assert counted(records, 999_999) == 0

    store.write_sync(run)


def test_pages_of_what_is_watched_are_all_of_it(store: Store) -> None:
    records = FutureStore()
    pages = store.read_sync(lambda: [records.watching(start, 2) for start in (0, 2)])
    assert pages == [[], []]


def test_shared_variables_are_listed_without_their_values(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = SharedContext()
    decoded: list[bytes] = []

    def run() -> list[tuple[str, str, int]]:
        for number in range(3):
            shared.set("ENTITY", f"x{number}", [number], "a list")
        kept = [shared._newest("x1")]
        assert isinstance(kept[0], ContextVarRecord)
        kept[0].type_name = ""  # as it was written before the name was kept
        return [(variable.key, variable.type_name, variable.use_count) for variable in shared.variables()]

    real = shared_context.values.decode
    monkeypatch.setattr(shared_context.values, "decode", lambda data: decoded.append(data) or real(data))
    assert store.write_sync(run) == [(f"x{number}", "list", 0) for number in range(3)]
    assert len(decoded) == 1
    found = store.read_sync(lambda: shared.get("x2"))
    assert found is not None
    assert found.value == [2]  # off the store thread
