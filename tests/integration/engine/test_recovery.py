"""Restarts, calls in doubt, quarantine and cancellation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestrator.engine.operator_calls import Resolution, Verdict
from orchestrator.engine.service import Service
from orchestrator.sandboxes.sandbox import Sandbox
from orchestrator.sandboxes.step import Death, DeathCause, StepInput
from statek import tool
from statek.exceptions import InvalidRequest

from .conftest import Open, code, console, crash, steps


class Gate:
    """A tool whose call hangs until the test lets it go; records keys and calls."""

    def __init__(self, **options: Any) -> None:
        self.keys: list[str] = []
        self.entered = asyncio.Event()
        self.hang = True

        @tool(**options)
        async def pay(amount: int, ctx: Any = None, **kwargs: object) -> str:
            """Pay an amount."""
            self.keys.append(ctx.idempotency_key)
            self.entered.set()
            if self.hang:
                await asyncio.Event().wait()
            return f"paid {amount}"

        self.tool = pay


REPLIES = [code("before = 1"), code("print(pay(5))"), code("exit(before)")]


async def crash_in_call(open_with: Open, gate: Gate) -> str:
    """Run a job until its call hangs, then crash."""
    async with open_with(REPLIES, tools=[gate.tool]) as service:
        id_ = await service.submit("helper")
        await gate.entered.wait()
        await crash(service)
    gate.hang = False
    return str(id_)


async def test_idempotent_call_is_made_again_with_the_same_key(open_with: Open) -> None:
    gate = Gate(idempotent=True)
    id_ = await crash_in_call(open_with, gate)
    async with open_with(REPLIES, tools=[gate.tool]) as service:
        summary = await service.wait(id_)
        step = steps(await service.job(id_))[1]
    assert (summary.status, summary.exit_status) == ("DONE", "1")
    assert console(step) == ["paid 5"]
    assert (len(gate.keys), len(set(gate.keys))) == (2, 1)


async def test_tool_that_reconciles_is_asked_what_became_of_the_call(open_with: Open) -> None:
    asked: list[str] = []

    def what_became(key: str) -> str:
        asked.append(key)
        return "paid 5 (found)"

    gate = Gate(reconcile=what_became)
    id_ = await crash_in_call(open_with, gate)
    async with open_with(REPLIES, tools=[gate.tool]) as service:
        await service.wait(id_)
        step = steps(await service.job(id_))[1]
    assert console(step) == ["paid 5 (found)"]
    assert (asked, len(gate.keys)) == (gate.keys, 1)


@pytest.mark.parametrize(
    ("resolution", "shown", "calls"),
    [
        (Resolution(Verdict.HAPPENED, "paid 5, says the bank"), "paid 5, says the bank", 1),
        (Resolution(Verdict.FAILED, message="no money"), "ToolError: no money", 1),
        (Resolution(Verdict.RETRY), "paid 5", 2),
    ],
)
async def test_call_in_doubt_waits_for_an_operator(
    open_with: Open, resolution: Resolution, shown: str, calls: int
) -> None:
    gate = Gate()
    id_ = await crash_in_call(open_with, gate)
    async with open_with(REPLIES, tools=[gate.tool]) as service:
        waiting = await service.wait(id_)
        assert waiting.status == "SUSPENDED"
        assert waiting.reason.startswith("in doubt: pay, call 1, key ")
        [call] = await service.calls()
        assert (call.job, call.step, call.name, call.state) == (id_, 2, "pay", "in doubt")
        with pytest.raises(InvalidRequest, match="call 7 of job j1 is not in doubt; in doubt: 1"):
            await service.resolve(id_, 7, resolution)
        await service.resolve(id_, call.number, resolution)
        summary = await service.wait(id_)
        step = steps(await service.job(id_))[1]
        assert await service.calls() == []
    assert (summary.status, summary.exit_status) == ("DONE", "1")
    assert console(step)[0] == shown
    assert len(gate.keys) == calls
    assert len(set(gate.keys)) == calls


@pytest.fixture
def dies_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The executor of the next step that is run dies before its code reaches its call."""
    real, deaths = Sandbox.run_step, [Death(DeathCause.CRASHED, "signal 9")]

    async def run_step(self: Sandbox, step: StepInput, handler: Any) -> Any:
        return deaths.pop() if deaths and "pay" in step.code else await real(self, step, handler)

    monkeypatch.setattr(Sandbox, "run_step", run_step)


async def test_a_step_that_dies_with_a_call_in_doubt_settles_it_first(open_with: Open, request: Any) -> None:
    gate = Gate(idempotent=True)
    id_ = await crash_in_call(open_with, gate)
    request.getfixturevalue("dies_once")
    async with open_with(REPLIES, tools=[gate.tool]) as service:
        await service.wait(id_)
        step = steps(await service.job(id_))[1]
    assert (step.state, len(gate.keys), len(set(gate.keys))) == ("died", 2, 1)
    assert console(step)[1:] == ["calls of this step that took effect: pay(...) succeeded"]


async def test_a_step_that_dies_with_a_call_in_doubt_waits_for_an_operator(open_with: Open, request: Any) -> None:
    gate = Gate()
    id_ = await crash_in_call(open_with, gate)
    request.getfixturevalue("dies_once")
    async with open_with(REPLIES, tools=[gate.tool]) as service:
        waiting = await service.wait(id_)
        assert (waiting.status, waiting.reason.partition(", key")[0]) == ("SUSPENDED", "in doubt: pay, call 1")
        await service.resolve(id_, 1, Resolution(Verdict.HAPPENED, "paid 5, says the bank"))
        summary = await service.wait(id_)
        step = steps(await service.job(id_))[1]
    assert (summary.status, summary.exit_status, len(gate.keys)) == ("DONE", "1", 1)
    assert (step.state, console(step)) == ("committed", ["paid 5, says the bank"])


async def test_suspended_job_stays_suspended_over_a_restart(open_with: Open) -> None:
    gate = Gate()
    id_ = await crash_in_call(open_with, gate)
    for _ in range(3):
        async with open_with(REPLIES, tools=[gate.tool]) as service:
            assert (await service.wait(id_)).status == "SUSPENDED"
    assert len(gate.keys) == 1


async def started(service: Service, gate: Gate) -> None:
    await gate.entered.wait()
    gate.entered.clear()


async def test_step_in_flight_at_two_crashes_is_quarantined_and_other_jobs_go_on(open_with: Open) -> None:
    gate = Gate(idempotent=True)
    async with open_with(REPLIES, tools=[gate.tool]) as service:
        bad = await service.submit("helper")
        await started(service, gate)
        await crash(service)
    async with open_with(REPLIES, tools=[gate.tool]) as service:
        await started(service, gate)
        await crash(service)
    gate.hang = False
    async with open_with(REPLIES, tools=[gate.tool]) as service:
        good = await service.submit("helper")
        quarantined = await service.wait(bad)
        fine = await service.wait(good)
    assert quarantined.status == "DONE"
    assert quarantined.failure == {
        "kind": "quarantine",
        "message": "the service went down twice while this step was running; it is not run a third time",
    }
    assert (fine.failure, fine.exit_status) == (None, "1")
    assert len(gate.keys) == 3


async def test_planned_stops_are_no_crashes(open_with: Open) -> None:
    gate = Gate(idempotent=True)
    async with open_with(REPLIES, tools=[gate.tool]) as service:
        id_ = await service.submit("helper")
        await started(service, gate)
    for _ in range(3):
        async with open_with(REPLIES, tools=[gate.tool]) as service:
            await started(service, gate)
    gate.hang = False
    async with open_with(REPLIES, tools=[gate.tool]) as service:
        summary = await service.wait(id_)
    assert (summary.failure, summary.exit_status) == (None, "1")


async def test_cancel_ends_a_running_step_and_says_so(open_with: Open) -> None:
    gate = Gate()
    async with open_with(REPLIES, tools=[gate.tool]) as service:
        id_ = await service.submit("helper")
        await gate.entered.wait()
        summary = await service.cancel(id_, "not needed any more")
        died = steps(await service.job(id_))[1]
        with pytest.raises(InvalidRequest, match="job j1 is done already"):
            await service.cancel(id_, "again")
    assert (summary.status, summary.failure) == ("DONE", {"kind": "cancelled", "message": "not needed any more"})
    assert died.state == "died"


async def test_job_of_an_agent_that_is_not_registered_waits_with_the_reason(open_with: Open) -> None:
    async with open_with(REPLIES) as service:
        id_ = await service.submit("helper")
        await crash(service)
    async with open_with(REPLIES) as service:
        service._agents._live.clear()
        await crash(service)
        service._scheduler._stopping = False
        service._scheduler.add(1, "default")
        summary = await service.wait(id_)
    assert summary.reason == "agent 'helper' is not registered here; registered: none"


async def test_fault_of_the_service_ends_the_job_with_a_name_and_no_other(
    open_with: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestrator.engine.step_run import StepRunner

    run = StepRunner.run

    async def broken(self: StepRunner, job: Any, sandbox: Any) -> Any:
        if job.number == 1:
            raise KeyError("a bug of ours")
        return await run(self, job, sandbox)

    monkeypatch.setattr(StepRunner, "run", broken)
    async with open_with([code("exit(1)")]) as service:
        bad = await service.wait(await service.submit("helper"))
        good = await service.wait(await service.submit("helper"))
    assert (bad.status, bad.failure) == ("DONE", {"kind": "internal", "message": "KeyError: 'a bug of ours'"})
    assert (good.status, good.failure) == ("DONE", None)


async def test_journal_of_a_step_is_bounded(open_with: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.engine.gateway.MAX_JOURNAL_BYTES", 100_000)

    @tool(effect="none")
    def big(**kwargs: object) -> str:
        """Give a long text."""
        return "x" * 60_000

    replies = [code("for i in range(9): big()"), code("exit('on')")]
    async with open_with(replies, tools=[big]) as service:
        id_ = await service.submit("helper")
        summary = await service.wait(id_)
        step = steps(await service.job(id_))[0]
    assert summary.exit_status == "on"
    assert console(step)[0].startswith("LimitExceeded: limit journal_bytes is 100000, this needs 120")
    assert len(step.calls) == 2


async def test_recovery_goes_through_the_jobs_in_pages(open_with: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.engine.recovery._AT_ONCE", 2)
    waiting: list[str] = []
    all_wait, silent = asyncio.Event(), asyncio.Event()
    replies = [code("x = 1"), code("exit(x)")]
    async with open_with(replies) as service:
        complete = service._model.complete

        async def silent_after_the_first(request: Any) -> Any:
            if not request.turn:
                return await complete(request)
            waiting.append(request.job_id)
            if len(waiting) == 5:
                all_wait.set()
            return await silent.wait()

        monkeypatch.setattr(service._model, "complete", silent_after_the_first)
        ids = [await service.submit("helper") for _ in range(5)]
        await all_wait.wait()
        await crash(service)
    async with open_with(replies) as service:
        ended = [await service.wait(id_) for id_ in ids]
        assert await service._store.read(lambda: service._jobs.active_page(0, 2)) == []
    assert [(summary.exit_status, summary.repeated_replies) for summary in ended] == [("1", 1)] * 5
