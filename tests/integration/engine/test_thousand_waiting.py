"""A thousand jobs that wait: no sandbox, no writes, and a restart that goes through them page by page."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import pytest

from orchestrator.engine.clock import now_us
from orchestrator.engine.future_store import future_id
from orchestrator.engine.futures import Awaited
from orchestrator.engine.service import Service
from statek.job_status import JobStatus
from tests.integration.engine.conftest import Open, code, crash
from tests.integration.engine.test_futures import Office, resolved, suspended

COUNT, PAGE = 1000, 50
pytestmark = pytest.mark.timeout(300)


async def make_waiting(service: Service, deadline_us: int, longer: int) -> list[tuple[int, str]]:
    """Number and future of waiting jobs, made as records: what running each would leave.

    Args:
        service: whose store they are made in.
        deadline_us: when the futures of all but ``longer`` of them expire, microseconds UTC.
        longer: how many of them wait a day.
    """
    jobs, records = service._jobs, service._board.records
    template = await service._store.read(lambda: jobs.get(1).definition)
    made: list[tuple[int, str]] = []

    def page(start: int) -> None:
        for index in range(start, start + PAGE):
            job = jobs.create(
                tenant="default", role="helper", principal="", definition=template, grants=None, now_us=now_us()
            )
            jobs.add_step(job, kind="reply", text="", code="", begun=False, usage={}, now_us=now_us())
            future = records.create(
                id_=future_id(records.secret(), secrets.token_hex(16)),
                job=job.number,
                what="an answer",
                details=None,
                deadline_us=deadline_us if index >= longer else now_us() + 86_400_000_000,
                now_us=now_us(),
            )
            job.awaited = Awaited("all", (future.number,)).packed()
            jobs.set_status(job, JobStatus.SUSPENDED, now_us(), "waits for an answer")
            made.append((job.number, future.id))

    for start in range(0, COUNT, PAGE):
        await service._store.commit(lambda start=start: page(start))  # type: ignore[misc]
    return made


async def test_a_thousand_jobs_wait_over_restarts_and_cost_nothing(open_with: Open) -> None:
    office = Office()
    options: dict[str, Any] = {"tools": office.tools, "idle_hold_seconds": 0.02}
    async with open_with([code("exit(ask('q'))")], **options) as service:
        first = await service.submit("helper")
        await suspended(service, first)
        made = await make_waiting(service, now_us() + 86_400_000_000, 0)
        await crash(service)
    async with open_with([], **options) as service:
        while service.statistics()["futures"]["deadlines"] < COUNT:
            await asyncio.sleep(0.01)
        before = service._store.guard_statistics()
        await asyncio.sleep(0.5)
        assert service._store.guard_statistics() == before
        assert (service._drivers, service._pool.statistics().claimed) == ({}, 0)
        assert service.statistics()["futures"] == {"held": 0, "deadlines": COUNT, "watched": 0}
        assert len(await service.futures()) == COUNT + 1
        # Each answer wakes its own job and no other.
        await service.settle_future(office.ids[0], resolved("yes"))
        assert (await service.wait(first)).exit_status == "yes"
        still = [(await service.job(f"j{number}")).summary.status for number, _ in made[:: COUNT // 10]]
        assert still == ["SUSPENDED"] * 10


async def test_deadlines_that_pass_while_no_service_runs_are_all_met_at_the_next_start(open_with: Open) -> None:
    office, longer = Office(), 3
    async with open_with([code("exit(1)")], tools=office.tools) as service:
        await service.wait(await service.submit("helper"))
        await service._board.stop()  # no timer: as if the deadlines passed after the end of this process
        made = await make_waiting(service, now_us(), longer)
        await crash(service)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Service, "notice", lambda *_: None)  # the woken jobs have no code to go on with
        async with open_with([], tools=office.tools) as service:
            while len(await service.futures()) > longer:
                await asyncio.sleep(0.2)
            states = [(await service.future(id_)).state for _, id_ in made]
            assert states == ["pending"] * longer + ["expired"] * (COUNT - longer)
            assert service.statistics()["futures"]["deadlines"] == longer
