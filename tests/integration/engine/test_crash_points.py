"""Crashes at the instants between two durable writes: the next start goes on from the facts alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestrator.engine.job_driver import JobDriver
from orchestrator.engine.step_run import StepRunner
from statek import tool

from .conftest import Open, RunnerLoss, code, console, crash, steps

pytestmark = pytest.mark.timeout(60)


async def crash_before(open_with: Open, owner: type, name: str, replies: list[str], **options: Any) -> str:
    """Run a job until it is about to do ``name``, then crash."""
    reached = asyncio.Event()

    async def stop(*args: object, **kwargs: object) -> None:
        reached.set()
        await asyncio.Event().wait()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(owner, name, stop)
        async with open_with(replies, **options) as service:
            id_: str = await service.submit("helper")
            await reached.wait()
            await crash(service)
    return id_


async def test_exit_whose_end_of_the_job_was_not_written_is_not_followed_by_another_turn(open_with: Open) -> None:
    id_ = await crash_before(open_with, JobDriver, "_finish", [code("exit('done')")])
    async with open_with([]) as service:
        summary = await service.wait(id_)
    assert (summary.status, summary.failure, summary.exit_status, summary.turns) == ("DONE", None, "done", 1)


@pytest.mark.parametrize(
    ("warmup", "message"),
    [
        ("raise ValueError('no')", "ValueError: no"),
        ("import os; os._exit(3)", "crashed: "),
    ],
)
async def test_failed_warmup_fails_its_job_after_a_crash_too(open_with: Open, warmup: str, message: str) -> None:
    id_ = await crash_before(open_with, JobDriver, "_finish", [], warmup=warmup)
    async with open_with([], warmup=warmup) as service:
        summary = await service.wait(id_)
        ran = steps(await service.job(id_))
        errors = await asyncio.to_thread(lambda: service.access.definition_sync(id_)[0].get_errors())
    assert summary.failure is not None
    assert [(error.job, error.error_message) for error in errors] == [(id_, summary.failure["message"])]
    assert summary.failure["kind"] == "warmup"
    assert summary.failure["message"].startswith(message)
    assert [step.attempts for step in ran] == [1]


async def test_reply_without_code_is_written_with_its_end_or_not_at_all(open_with: Open) -> None:
    replies = ["I do not know.", code("exit('on')")]
    id_ = await crash_before(open_with, StepRunner, "commit_refused", replies)
    async with open_with(replies) as service:
        summary = await service.wait(id_)
        refused = steps(await service.job(id_))[0]
    assert (refused.state, refused.attempts, refused.outcome["outcome"]) == ("committed", 0, "error")
    assert summary.exit_status == "on"


async def test_planned_stops_do_not_use_up_the_reruns_of_a_step(open_with: Open, runner_loss: RunnerLoss) -> None:
    entered, hang = asyncio.Event(), True

    @tool(effect="none")
    async def pause(**kwargs: object) -> None:
        """Wait until the service stops."""
        entered.set()
        if hang:
            await asyncio.Event().wait()

    replies = [code("pause(); lose_runner(); exit('survived')")]
    tools = [pause, runner_loss.tool]
    async with open_with(replies, tools=tools) as service:
        id_ = await service.submit("helper")
        await entered.wait()
    for _ in range(3):
        entered.clear()
        async with open_with([], tools=tools) as service:
            await entered.wait()
    hang = False
    async with open_with([], tools=tools) as service:
        runner_loss.service = service
        summary = await service.wait(id_)
        step = steps(await service.job(id_))[0]
    assert (summary.exit_status, step.attempts) == ("survived", 6)


async def test_crash_while_a_lost_step_waits_for_a_sandbox_is_not_counted_against_it(
    open_with: Open, runner_loss: RunnerLoss
) -> None:
    replies = [code("lose_runner(); exit('survived')")]
    waiting = asyncio.Event()
    ready = JobDriver._ready_sandbox

    async def first_only(self: JobDriver) -> Any:
        if self.job.view.attempts:
            waiting.set()
            await asyncio.Event().wait()
        return await ready(self)

    for attempt in range(2):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(JobDriver, "_ready_sandbox", first_only)
            waiting.clear()
            async with open_with(replies, tools=[runner_loss.tool]) as service:
                runner_loss.service = service
                if not attempt:
                    id_ = await service.submit("helper")
                await waiting.wait()
                await crash(service)
    async with open_with(replies, tools=[runner_loss.tool]) as service:
        summary = await service.wait(id_)
        step = steps(await service.job(id_))[0]
    assert (summary.failure, summary.exit_status, console(step)) == (None, "survived", ["None"])
