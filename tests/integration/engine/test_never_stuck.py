"""Jobs that cannot go on: each ends, waits with a reason, or is tried again, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestrator.engine.agent_book import AgentBook
from orchestrator.engine.job_driver import JobDriver
from statek import tool
from statek.exceptions import NotFound, StoreError

from .conftest import Open, code, steps

pytestmark = pytest.mark.timeout(60)


async def submitted(open_with: Open) -> str:
    """A job that no service has driven yet."""
    async with open_with([]) as service:
        await service._scheduler.stop()
        return str(await service.submit("helper"))


def nobody(self: AgentBook, role: str, number: int) -> None:
    """Stands for a service without agents."""
    raise NotFound(f"agent {role!r} is not registered")


async def test_idle_is_reached_when_the_last_job_stalls(open_with: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = await submitted(open_with)
    monkeypatch.setattr(AgentBook, "of_job", nobody)
    async with open_with([]) as service:
        await service.wait_idle()
        assert (await service.wait(id_)).reason == "agent 'helper' is not registered"


async def test_job_whose_agent_is_gone_can_be_cancelled(open_with: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = await submitted(open_with)
    monkeypatch.setattr(AgentBook, "of_job", nobody)
    async with open_with([]) as service:
        await service.wait_idle()
        summary = await service.cancel(id_, "nobody does this")
    assert (summary.status, summary.failure) == ("DONE", {"kind": "cancelled", "message": "nobody does this"})


async def test_unreadable_record_ends_its_job_with_a_name(open_with: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise KeyError("not what a record holds")

    monkeypatch.setattr("orchestrator.engine.service.load_active_job", broken)
    async with open_with([]) as service:
        summary = await service.wait(await service.submit("helper"))
        await service.wait_idle()
    assert summary.failure == {"kind": "internal", "message": "KeyError: 'not what a record holds'"}


async def test_store_that_fails_once_stalls_the_job_and_it_goes_on_later(
    open_with: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.engine.stalled_jobs._RETRY_SECONDS", 0.05)
    run = JobDriver.run
    failures = [StoreError("a bad moment"), StoreError("another")]

    async def failing(self: JobDriver) -> None:
        if failures:
            raise failures.pop()
        await run(self)

    monkeypatch.setattr(JobDriver, "run", failing)
    async with open_with([code("exit(1)")]) as service:
        id_ = await service.submit("helper")
        commit = service._durability.commit
        refusals = [StoreError("noted nowhere")]

        async def refusing(change: Any, **blocks: Any) -> Any:
            if refusals:
                raise refusals.pop()
            return await commit(change, **blocks)

        monkeypatch.setattr(service._durability, "commit", refusing)
        async for _ in service.watch.summaries(1):
            if (await service.jobs())[0].status == "DONE":
                break
        summary = await service.wait(id_)
    assert (summary.failure, summary.exit_status) == (None, "1")


async def test_cancel_of_a_job_on_its_way_to_a_suspension_ends_it(
    open_with: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    suspend = JobDriver._suspend
    at_the_door, go = asyncio.Event(), asyncio.Event()

    async def slowly(self: JobDriver, reason: str) -> None:
        at_the_door.set()
        await go.wait()
        await suspend(self, reason)

    @tool(timeout=0.05)
    async def pay(**kwargs: object) -> None:
        """Never answer."""
        await asyncio.Event().wait()

    monkeypatch.setattr(JobDriver, "_suspend", slowly)
    async with open_with([code("pay()")], tools=[pay]) as service:
        id_ = await service.submit("helper")
        await at_the_door.wait()
        cancelling = asyncio.ensure_future(service.cancel(id_, "too late"))
        while not service._drivers[1]._cancelled.is_set():
            await asyncio.sleep(0)
        go.set()
        summary = await cancelling
    assert (summary.status, summary.failure) == ("DONE", {"kind": "cancelled", "message": "too late"})


async def test_given_up_job_leaves_no_step_in_flight_and_no_grants(
    open_with: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*args: Any, **kwargs: Any) -> None:
        raise KeyError("a bug of ours")

    monkeypatch.setattr(JobDriver, "_run_step", broken)
    async with open_with([code("exit(1)")]) as service:
        id_ = await service.submit("helper")
        await service.wait(id_)
        [step] = steps(await service.job(id_))
        record = service._jobs.get
        in_flight, closed = await service._store.read(lambda: (record(1).flight, record(1).grants.closed))
        items = [item async for item in service.follow(id_)]
    assert (step.state, in_flight, closed) == ("died", "", True)
    assert items[-1].step == 1


async def test_idle_is_not_reached_while_a_job_is_being_loaded(open_with: Open) -> None:
    async with open_with([code("exit(1)")], max_concurrency=2) as service:
        ids = [await service.submit("helper") for _ in range(6)]
        await service.wait_idle()
        states = [summary.status for summary in await service.jobs()]
    assert (len(ids), states) == (6, ["DONE"] * 6)
