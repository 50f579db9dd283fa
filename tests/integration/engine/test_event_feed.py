"""The feed in the store: undone blocks, flushes that fail, paging, the first event that is kept, crashes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from orchestrator.engine.events import MAX_PAGE_EVENTS, EventFeeds
from orchestrator.engine.job_driver import JobDriver
from orchestrator.engine.jobs import JobRepository
from orchestrator.engine.objects import GrantTable
from orchestrator.engine.step_run import StepRunner
from orchestrator.engine.verification_beside import verify_beside
from orchestrator.store.store import Store
from statek.event_feed import SEGMENT_EVENTS, EventFeed, emit, find_feed
from statek.exceptions import NotFound, StoreDamaged, StoreFull

from .conftest import Open, code, crash
from .test_events import every, kinds, told

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store without a service."""
    with closing(Store.open(tmp_path / "store")) as opened:
        yield opened


def made_job(jobs: JobRepository) -> Any:
    """A job without a definition (store thread)."""
    return jobs.create(tenant="default", role="r", principal="", definition="{}", grants=GrantTable(), now_us=1)


async def test_event_of_a_block_that_was_undone_is_not_there(store: Store) -> None:
    jobs, feed = JobRepository(), EventFeeds(store)
    record = await store.commit(lambda: made_job(jobs))
    await store.commit(lambda: emit(record, "job.stalled"))

    def broken() -> None:
        emit(record, "job.stalled")
        emit(record, "job.stalled")
        raise ValueError("undo")

    with pytest.raises(ValueError, match="undo"):
        await store.commit(broken)
    await store.commit(lambda: emit(record, "job.done"))
    page = await feed.page()
    assert ([(event.seq, event.kind) for event in page.events], page.last) == ([(1, "job.stalled"), (2, "job.done")], 2)


async def test_first_event_of_a_tenant_that_was_undone_leaves_no_feed(store: Store) -> None:
    jobs, feed = JobRepository(), EventFeeds(store)
    record = await store.commit(lambda: made_job(jobs))

    def broken() -> None:
        emit(record, "job.stalled")
        raise ValueError("undo")

    with pytest.raises(ValueError, match="undo"):
        await store.commit(broken)
    assert await store.read(lambda: find_feed("default")) is None
    await store.commit(lambda: emit(record, "job.done"))
    assert [event.kind for event in (await feed.page()).events] == ["job.done"]


async def test_event_is_shown_when_its_flush_is_done_and_not_before(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, feed = JobRepository(), EventFeeds(store)
    record = await store.commit(lambda: made_job(jobs))
    following = aiter(feed.follow())
    waiting = asyncio.ensure_future(anext(following))
    flush = store._thread._flush

    def full() -> None:
        raise StoreFull("no room")

    monkeypatch.setattr(store._thread, "_flush", full)
    await store.write(lambda: emit(record, "job.stalled"))
    assert (await feed.page()).events == ()
    with pytest.raises(StoreFull):
        await store.commit(lambda: emit(record, "job.done"))
    page = await feed.page()
    assert (page.events, page.last, waiting.done()) == ((), 0, False)
    monkeypatch.setattr(store._thread, "_flush", flush)
    await store.flush()
    assert (await waiting).kind == "job.stalled"
    assert (await anext(following)).kind == "job.done"


async def test_writes_that_nobody_waits_for_are_shown_with_the_next_flush(store: Store) -> None:
    jobs, feed = JobRepository(), EventFeeds(store)
    record = await store.commit(lambda: made_job(jobs))
    following = aiter(feed.follow())
    await store.write(lambda: emit(record, "job.stalled"))
    assert (await anext(following)).kind == "job.stalled"


async def test_thousands_of_events_are_paged_at_the_same_cost_from_anywhere(store: Store) -> None:
    jobs, feed = JobRepository(), EventFeeds(store)
    record = await store.commit(lambda: made_job(jobs))
    total = 10_000

    def write(start: int) -> None:
        for number in range(start, start + 100):
            emit(record, "call.ended", f"n{number}")

    for start in range(0, total, 100):
        await store.write(partial(write, start))
    await store.flush()
    looked_at: list[int] = []
    read = store.read

    async def counted(fn: Callable[[], Any]) -> Any:
        found = await read(fn)
        looked_at.append(len(found.elements))
        return found

    store.read = counted  # type: ignore[method-assign, assignment]
    seen = [event async for event in feed.follow(follow=False)]
    assert [(event.seq, event.name) for event in seen] == [(n + 1, f"n{n}") for n in range(total)]
    assert (sum(looked_at), max(looked_at) <= MAX_PAGE_EVENTS) == (total, True)
    looked_at.clear()
    (late,) = (await feed.page(total - 1, count=1)).events
    assert (late.name, looked_at) == (f"n{total - 1}", [1])
    segments = await read(lambda: [len(segment) for segment in cast("EventFeed", find_feed("default")).segments])
    assert segments == [SEGMENT_EVENTS] * (total // SEGMENT_EVENTS) + [total % SEGMENT_EVENTS]


async def test_events_read_the_same_one_by_one(open_with: Open) -> None:
    async with open_with([code("x = 1"), code("1 / 0"), code("x = 2"), code("exit()")]) as service:
        await service.wait(await service.submit("helper"))
        events = await told(service)
        singly = [event for at in range(len(events)) for event in (await service.feed.page(at, count=1)).events]
    assert singly == events
    ended = [dict(event.payload) for event in events if event.kind == "step.ended"]
    assert [one["outcome"] for one in ended] == ["ok", "error", "ok", "exit"]


async def test_end_of_a_step_is_written_out_where_its_commit_is_not_the_event_before(store: Store) -> None:
    jobs, feed = JobRepository(), EventFeeds(store)
    one, two = await store.commit(lambda: (made_job(jobs), made_job(jobs)))

    def write(*, undo: bool) -> None:
        emit(one, "commit.made", commit=3, step=2)
        if undo:
            raise ValueError("undo")

    await store.commit(lambda: emit(one, "job.stalled"))
    with pytest.raises(ValueError, match="undo"):
        await store.commit(partial(write, undo=True))
    await store.commit(lambda: emit(one, "step.ended", commit=3, step=2, outcome="ok"))
    await store.commit(partial(write, undo=False))
    await store.commit(lambda: emit(two, "step.ended", commit=3, step=2, outcome="ok"))
    await store.commit(partial(write, undo=False))
    await store.commit(lambda: emit(one, "step.ended", commit=3, step=2, outcome="ok"))
    told_of = [(event.job, event.kind, event.commit, event.step) for event in (await feed.page()).events]
    assert told_of == [
        ("j1", "job.stalled", -1, 0),
        ("j1", "step.ended", 3, 2),
        ("j1", "commit.made", 3, 2),
        ("j2", "step.ended", 3, 2),
        ("j1", "commit.made", 3, 2),
        ("j1", "step.ended", 3, 2),
    ]


async def test_damaged_events_are_named_by_reading_and_by_verifying(store: Store) -> None:
    jobs, feed = JobRepository(), EventFeeds(store)
    record = await store.commit(lambda: made_job(jobs))

    def write() -> None:
        for _ in range(4):
            emit(record, "job.stalled")
        segment = cast("EventFeed", find_feed("default")).segments[0]
        segment[1], segment[3] = b"{", 1

    await store.commit(write)
    with pytest.raises(StoreDamaged, match=r"^event 2 of tenant 'default' does not read: "):
        await feed.page(count=2)
    with pytest.raises(StoreDamaged, match=r"^event 4 of tenant 'default' does not read: it stands for the end of no"):
        await feed.page(2)
    problems = await asyncio.to_thread(verify_beside, store, jobs, lambda _: None)
    assert [problem.partition(" does not read: ")[0] for problem in problems] == [
        "event 2 of tenant default",
        "event 4 of tenant default",
    ]


async def test_cursor_before_the_first_kept_event_is_refused_by_name(store: Store) -> None:
    jobs, feed = JobRepository(), EventFeeds(store)
    record = await store.commit(lambda: made_job(jobs))
    kept = SEGMENT_EVENTS + 1

    def write() -> None:
        for _ in range(SEGMENT_EVENTS + 10):
            emit(record, "job.stalled")
        found = cast("EventFeed", find_feed("default"))
        found.segments[0] = []
        found.first_seq = kept

    await store.commit(write)
    assert [event.seq for event in (await feed.page()).events] == list(range(kept, kept + 10))
    assert (await feed.page(kept - 1, count=1)).events[0].seq == kept
    with pytest.raises(NotFound) as error:
        await feed.page(5)
    assert str(error.value) == f"events 6 to {kept - 1} are not kept any more; go on behind event {kept - 1}"


async def test_those_who_follow_come_to_an_end_with_the_service(open_with: Open) -> None:
    async with open_with([code("exit()")]) as service:
        following = asyncio.create_task(every(service.events(match="job.done")))
        blocking = asyncio.create_task(asyncio.to_thread(list, service.feed.follow_sync(match="job.done")))
        await service.wait(await service.submit("helper"))
        async for _ in service.events(match="job.done"):
            break
    assert kinds(await following) == kinds(await blocking) == ["job.done"]


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (JobDriver, "_think"),
        (JobDriver, "_first_run"),
        (JobDriver, "_run_step"),
        (StepRunner, "_commit"),
        (JobDriver, "_finish"),
    ],
)
async def test_killed_between_any_two_writes_tells_everything_once(open_with: Open, owner: type, name: str) -> None:
    reached = asyncio.Event()

    async def stop(*args: object, **kwargs: object) -> None:
        reached.set()
        await asyncio.Event().wait()

    replies = [code("x = 1; exit(x)")]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(owner, name, stop)
        async with open_with(replies) as service:
            id_ = await service.submit("helper")
            await reached.wait()
            await crash(service)
            before = await told(service)
    async with open_with(replies) as service:
        assert (await told(service))[: len(before)] == before
        summary = await service.wait(id_)
        events = await told(service)
    assert summary.exit_status == "1"
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    once = ["job.submitted helper", "job.status STARTED", "step.ready", "step.ended", "job.status DONE", "job.done"]
    assert [kind for kind in kinds(events) if kind in once] == once
    assert [event.commit for event in events if event.kind == "commit.made"] == [0, 1]
