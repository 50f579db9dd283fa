"""The feed of events: in order, durable before anybody sees it, exactly once, behind a cursor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import cast

import pytest

from orchestrator.engine.events import MAX_PAGE_EVENTS
from orchestrator.engine.inspection import Inspection
from orchestrator.engine.operator_calls import Resolution, Verdict
from statek import FutureResult, tool
from statek.events import Event, StateChange
from statek.exceptions import InvalidRequest, LimitExceeded
from statek.future import FutureState, Settlement

from .conftest import Open, RunnerLoss, code, crash

pytestmark = pytest.mark.timeout(60)


async def told(service: Inspection, match: str = "", *, after: int = 0, tenant: str = "") -> list[Event]:
    """The events that are durable now."""
    return [event async for event in service.events(after=after, match=match, tenant=tenant, follow=False)]


async def every(events: AsyncIterator[Event]) -> list[Event]:
    """All events until the service stops."""
    return [event async for event in events]


def kinds(events: list[Event]) -> list[str]:
    return [f"{event.kind} {event.name}".rstrip() for event in events]


# ------------------------------------------------------------------------------------------ what is told


async def test_job_is_told_from_its_submission_to_its_end(open_with: Open) -> None:
    replies = [code("x = v + 1\nopen('notes', 'w').write('abc')"), code("x = 7; del v"), code("exit(x)")]
    async with open_with(replies) as service:
        id_ = await service.submit("helper", shared_vars={"v": 1}, message="go")
        await service.wait(id_)
        events = await told(service)
    assert kinds(events) == [
        "job.submitted helper",
        "commit.made",
        "message.added user",
        "job.status STARTED",
        "step.ready",
        "step.begun",
        "commit.made",
        "step.ended",
        "step.begun",
        "commit.made",
        "step.ended",
        "step.begun",
        "commit.made",
        "step.ended",
        "job.status DONE",
        "job.done",
    ]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert {event.job for event in events} == {id_}
    commits = [event for event in events if event.kind == "commit.made"]
    assert [(event.commit, event.step, event.payload["kind"]) for event in commits] == [
        (0, 0, "start"),
        (1, 1, "step"),
        (2, 2, "step"),
        (3, 3, "step"),
    ]
    assert [event.changes for event in commits] == [
        (StateChange("v", None, "1"),),
        (StateChange("/work/notes", None, "3 bytes"), StateChange("x", None, "int 2")),
        (StateChange("v", "int 1", None), StateChange("x", "int 2", "int 7")),
        (),
    ]
    assert [event.commit for event in events if event.kind == "step.ended"] == [1, 2, 3]
    assert events[-3].payload == {"outcome": "exit"}


async def test_every_event_names_the_commit_that_was_newest(open_with: Open) -> None:
    async with open_with([code("x = 1"), code("x = 2"), code("exit()")]) as service:
        id_ = await service.submit("helper")
        await service.wait(id_)
        events = await told(service, "step.*")
        made = {commit.number: commit for commit in await service.past.commits(id_)}
    begun = [event for event in events if event.kind == "step.begun"]
    assert [made[event.commit].step for event in begun] == [0, 1, 2]


async def test_calls_are_told_with_what_became_of_them(open_with: Open) -> None:
    @tool
    def send(text: str, **kwargs: object) -> str:
        """Send."""
        if text == "bad":
            raise ValueError("no such address")
        return text

    @tool(effect="store")
    def keep(text: str, **kwargs: object) -> None:
        """Keep."""

    @tool(effect="none")
    def look(**kwargs: object) -> int:
        """Look."""
        return 1

    source = "send('a'); look(); keep('b')\ntry:\n    send('bad')\nexcept Exception:\n    pass\nexit()"
    async with open_with([code(source)], tools=[send, keep, look]) as service:
        await service.wait(await service.submit("helper"))
        events = await told(service, "call.*")
    assert [(event.kind, event.name, event.step, dict(event.payload)) for event in events] == [
        ("call.begun", "send", 1, {"call": 1, "effect": "external"}),
        ("call.ended", "send", 1, {"call": 1, "effect": "external"}),
        ("call.ended", "keep", 1, {"call": 3, "effect": "store"}),
        ("call.begun", "send", 1, {"call": 4, "effect": "external"}),
        (
            "call.ended",
            "send",
            1,
            {"call": 4, "effect": "external", "type": "ValueError", "message": "no such address"},
        ),
    ]


async def test_call_in_doubt_and_its_resolution_are_told(open_with: Open) -> None:
    entered = asyncio.Event()

    @tool
    async def charge(**kwargs: object) -> str:
        """Charge."""
        entered.set()
        await asyncio.Event().wait()
        return "never"

    async with open_with([code("exit(charge())")], tools=[charge]) as service:
        id_ = await service.submit("helper")
        await entered.wait()
        await crash(service)
    async with open_with([], tools=[charge]) as service:
        await service.wait(id_)
        await service.resolve(id_, 1, Resolution(Verdict.HAPPENED, "paid"))
        await service.wait(id_)
        events = await told(service)
    assert kinds(events)[2:] == [
        "job.status STARTED",
        "step.ready",
        "step.begun",
        "call.begun charge",
        "step.put_down",
        "step.begun",
        "step.put_down",
        "call.in_doubt charge",
        "job.status SUSPENDED",
        "call.resolved charge",
        "job.status STARTED",
        "step.begun",
        "commit.made",
        "step.ended",
        "job.status DONE",
        "job.done",
    ]
    assert [event.payload.get("crashed") for event in events if event.kind == "step.put_down"] == [True, False]
    resolved = next(event for event in events if event.kind == "call.resolved")
    assert (resolved.step, dict(resolved.payload)) == (1, {"call": 1, "verdict": "happened"})


async def test_future_is_told_when_it_is_made_and_when_it_ends(open_with: Open) -> None:
    @tool
    def ask(**kwargs: object) -> FutureResult:
        """Ask."""
        return FutureResult(what="the answer")

    async with open_with([code("exit(ask() + 1)")], tools=[ask], idle_hold_seconds=0.05) as service:
        id_ = await service.submit("helper")
        await service.wait(id_)
        (future,) = await service.futures()
        await service.settle_future(future.id, Settlement(FutureState.RESOLVED, 41))
        await service.wait(id_)
        events = await told(service, "future.* step.waiting")
    assert [(event.kind, event.name, dict(event.payload)) for event in events] == [
        ("future.made", future.id, {"what": "the answer"}),
        ("step.waiting", "", {"reason": "waits for the answer"}),
        ("future.settled", future.id, {"state": "resolved", "what": "the answer"}),
    ]


async def test_messages_tags_rollback_and_fork_are_told(open_with: Open) -> None:
    replies = [code("x = 1"), code("x = 2; exit()"), code("exit()")]
    async with open_with(replies) as service:
        id_ = await service.submit("helper")
        await service.wait(id_)
        await service.push(id_, "once more")
        await service.wait(id_)
        seen = len(await told(service))
        await service.past.tag(id_, 1, "first")
        await service.past.untag(id_, "first")
        await service.past.roll_back(id_, 1, by="ann")
        fork = await service.past.fork(id_, 1, principal="bob")
        events = await told(service, after=seen)
        pushed = await told(service, "message.* name=user")
    assert [event.kind for event in pushed] == ["message.pushed", "message.added"]
    assert [(event.job, event.kind, event.name, event.commit) for event in events[:6]] == [
        (id_, "commit.tagged", "first", 3),
        (id_, "commit.untagged", "first", 3),
        (id_, "commit.made", "", 4),
        (id_, "message.added", "system", 4),
        (id_, "job.rolled_back", "1", 4),
        (fork, "job.forked", id_, 1),
    ]
    assert events[2].changes == (StateChange("x", "int 2", "int 1"),)
    assert events[4].payload == {"by": "ann"}
    assert events[5].payload == {"role": "helper", "principal": "bob"}


async def test_failure_and_cancellation_are_told_apart(open_with: Open) -> None:
    entered = asyncio.Event()

    @tool(effect="none")
    async def hang(**kwargs: object) -> None:
        """Never come back the first time."""
        if not entered.is_set():
            entered.set()
            await asyncio.Event().wait()

    async with open_with([code("hang()")], tools=[hang]) as service:
        cancelled = await service.submit("helper")
        await entered.wait()
        await service.cancel(cancelled, "not needed")
        failed = await service.submit("helper")
        await service.wait(failed)
        events = await told(service, "job.cancel* job.failed job.done")
    assert [(event.job, event.kind, event.name) for event in events] == [
        (cancelled, "job.cancel_requested", ""),
        (cancelled, "job.cancelled", "cancelled"),
        (failed, "job.failed", "model"),
    ]
    assert (events[0].payload, events[1].payload) == ({"reason": "not needed"}, {"message": "not needed"})


async def test_step_that_two_crashes_hit_is_told_as_quarantined(open_with: Open) -> None:
    entered = asyncio.Event()

    @tool(effect="none")
    async def hang(**kwargs: object) -> None:
        """Never come back."""
        entered.set()
        await asyncio.Event().wait()

    id_ = ""
    for _ in range(2):
        entered.clear()
        async with open_with([code("hang()")], tools=[hang]) as service:
            id_ = id_ or await service.submit("helper")
            await entered.wait()
            await crash(service)
    async with open_with([], tools=[hang]) as service:
        await service.wait(id_)
        events = await told(service, "step.put_down step.died job.quarantined")
    assert kinds(events) == ["step.put_down", "step.put_down", "step.died", "job.quarantined quarantine"]


async def test_lost_runner_is_told(open_with: Open, runner_loss: RunnerLoss) -> None:
    async with open_with([code("lose_runner(); exit()")], tools=[runner_loss.tool]) as service:
        runner_loss.service = service
        await service.wait(await service.submit("helper"))
        events = await told(service, "step.*")
    assert kinds(events) == ["step.ready", "step.begun", "step.lost", "step.begun", "step.ended"]
    assert [event.payload.get("attempt") for event in events if event.kind == "step.begun"] == [1, 2]


# ------------------------------------------------------------------------------------- order and cursors


async def test_fifty_jobs_at_once_make_one_order_without_gaps(open_with: Open) -> None:
    jobs = 50
    replies = [lambda request: code("x = 1" if request.turn == 0 else "exit(x)")] * (2 * jobs)
    async with open_with(replies, max_runners=4, max_concurrency=50) as service:
        following = asyncio.create_task(every(service.events()))
        ids = await asyncio.gather(*(service.submit("helper") for _ in range(jobs)))
        await asyncio.gather(*map(service.wait, ids))
        events = await told(service)
    seen = await following
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert seen[: len(events)] == events
    whole = [kinds([event for event in events if event.job == id_]) for id_ in ids]
    for of_job in whole:
        steps = [kind for kind in of_job if kind.startswith(("step.", "commit.", "job.")) and kind != "step.ready"]
        assert [kind for kind in steps if kind in {"step.begun", "commit.made", "step.ended"}] == [
            "commit.made",
            *["step.begun", "commit.made", "step.ended"] * 2,
        ]
        assert (of_job[0], of_job[-1]) == ("job.submitted helper", "job.done")


async def test_cursor_goes_on_exactly_after_a_restart(open_with: Open) -> None:
    async with open_with([code("x = 1"), code("exit(x)")]) as service:
        await service.wait(await service.submit("helper"))
        first = await told(service)
    cut = first[4].seq
    async with open_with([code("exit()")]) as service:
        assert await told(service) == first
        again = [event async for event in service.events(after=cut, follow=False)]
        await service.wait(await service.submit("helper"))
        more = await told(service, after=first[-1].seq)
    assert again == first[5:]
    assert more[0].seq == first[-1].seq + 1
    assert kinds(more)[0] == "job.submitted helper"


async def test_slow_reader_delays_nobody_and_misses_nothing(open_with: Open) -> None:
    async with open_with([*[code("x = 1")] * 5, code("exit()")]) as service:
        slow = cast("AsyncGenerator[Event, None]", service.events())
        id_ = await service.submit("helper")
        first = await anext(slow)
        await service.wait(id_)
        events = await told(service)
        assert [first, *[await anext(slow) for _ in events[1:]]] == events
        await slow.aclose()


async def test_feeds_of_tenants_are_apart(open_with: Open) -> None:
    async with open_with([code("exit()")] * 2) as service:
        one = await service.submit("helper", tenant="acme")
        two = await service.submit("helper", tenant="umbrella")
        await asyncio.gather(service.wait(one), service.wait(two))
        found = {tenant: await told(service, tenant=tenant) for tenant in ("acme", "umbrella", "")}
    assert {event.job for event in found["acme"]} == {one}
    assert {event.job for event in found["umbrella"]} == {two}
    assert found[""] == []
    assert [event.seq for event in found["acme"]] == list(range(1, len(found["acme"]) + 1))


@pytest.mark.parametrize(("after", "message"), [(-1, "event -1; it ends at 0"), (5, "event 5; it ends at 0")])
async def test_cursor_that_the_feed_has_not_come_to_is_refused(open_with: Open, after: int, message: str) -> None:
    async with open_with([]) as service:
        with pytest.raises(InvalidRequest) as error:
            await told(service, after=after)
    assert str(error.value) == f"the feed has not come to {message}"


async def test_tenant_that_is_no_name_and_page_that_is_too_long_are_refused(open_with: Open) -> None:
    async with open_with([]) as service:
        with pytest.raises(InvalidRequest):
            await told(service, tenant="a\0b")
        with pytest.raises(LimitExceeded) as error:
            await service.feed.page(count=MAX_PAGE_EVENTS + 1)
    assert error.value.limit == "event_page"
