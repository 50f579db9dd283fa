"""Every way in which a child can end without a result is heard by its parent, once, whatever dies on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

import statek
from orchestrator.engine.job_driver import JobDriver
from orchestrator.engine.service import Service
from orchestrator.engine.step_run import StepRunner
from statek import task, tool
from statek.executors.views import JobView

from .conftest import Open, RoleModel, agent, code, crash

pytestmark = pytest.mark.timeout(90)


@statek.subtask
def research(**kwargs: Any) -> Any:
    """Let somebody find something out."""
    return statek.create_new_job("worker")


@tool(effect="store")
def await_work(**kwargs: Any) -> Any:
    """Let somebody find something out, and wait for it."""
    return task.delegate_task("worker", id="t1")


@tool(effect="none")
async def pause(**kwargs: object) -> None:
    """Wait for ever."""
    await asyncio.Event().wait()


@dataclass(frozen=True)
class End:
    """A way for a child to end.

    Attributes:
        reason: what its parent hears.
        replies: the child's.
        worker: what its agent has.
        cancels: whether somebody cancels it.
    """

    reason: str
    replies: Sequence[str] = ()
    worker: dict[str, Any] = field(default_factory=dict)
    cancels: bool = False


ENDS = {
    "cancelled": End("cancelled: not needed any more", [code("pause()")], {"tools": [pause]}, cancels=True),
    "limit": End("limit: limit max_turns is 1, the job has used 1", [code("x = 1")], {"MAX_TURNS": "1"}),
    "warmup": End("warmup: ZeroDivisionError: division by zero", (), {"warmup": "1 / 0"}),
    "warmup that dies": End("warmup: crashed: ", (), {"warmup": "import os\nos._exit(3)"}),
    "model": End("model: worker has no reply for turn 0"),
}
BOSSES = {
    "told": [code("task = research(id='t1')\nexit()"), code("exit([task.state, task.error])")],
    "waits": [code("words, task = await_work()\nexit([task.state, words])")],
}


def agents(case: End) -> list[statek.SupervisedAgent]:
    return [agent("boss", tools=[research, await_work]), agent("worker", **case.worker)]


async def cancel_if_asked(service: Service, case: End, child: str = "j2") -> None:
    """Cancel the child as soon as it runs its step."""
    while case.cancels:
        drivers = [driver for driver in service._drivers.values() if driver.job.number == int(child[1:])]
        if drivers and drivers[0].job.current is not None:
            await service.cancel(child, "not needed any more")
            return
        await asyncio.sleep(0)


async def check(service: Service, id_: str, reason: str, boss: str) -> JobView:
    """The parent has heard of the failure, exactly once."""
    await service.wait_idle()
    job, child = await service.job(id_), await service.job("j2")
    told = [item.text for item in job.items if item.kind == "notification"]
    assert child.summary.status == "DONE"
    assert job.summary.failure is None
    if boss == "told":
        assert len(told) == 1
        assert told[0].startswith(f"[Error] sub-task id=t1 failed with {reason}")
        assert job.summary.exit_status.startswith(f'["failed","{reason}')
    else:
        assert told == []
        assert job.summary.exit_status.startswith(f'["failed","Error: {reason}')
    return child


@pytest.mark.parametrize("boss", BOSSES)
@pytest.mark.parametrize("name", ENDS)
async def test_parent_hears_how_its_child_ended(open_agents: Open, name: str, boss: str) -> None:
    case = ENDS[name]
    model = RoleModel(boss=BOSSES[boss], worker=case.replies)
    async with open_agents(agents(case), model, idle_hold_seconds=0.05, max_runners=3) as service:
        id_ = await service.submit("boss")
        await cancel_if_asked(service, case)
        await check(service, id_, case.reason, boss)


async def test_children_of_a_parent_that_its_limit_ended_do_not_end_it_again(open_agents: Open) -> None:
    over = asyncio.Event()

    @tool(effect="none")
    async def hold(**kwargs: object) -> None:
        await over.wait()

    boss = agent("boss", tools=[research], MAX_TURNS="1")
    worker = agent("worker", tools=[hold])
    model = RoleModel(boss=[code("tasks = [research() for _ in range(3)]")], worker=[code("hold()\nexit(5)")] * 3)
    async with open_agents([boss, worker], model, max_runners=4) as service:
        id_ = await service.submit("boss")
        ended = await service.wait(id_)
        over.set()
        await service.wait_idle()
        job = await service.job(id_)
        children = [child.status for child in await service.jobs() if child.id != id_]
        await service.push(id_, "Go on.")
        revived = await service.wait(id_)
    assert "max_turns" in str(ended.failure)
    assert children == ["DONE"] * 3
    assert [item.kind for item in job.items].count("notification") == 0
    assert job.summary.changed_us == ended.changed_us
    assert revived.changed_us > ended.changed_us


async def killed_at(
    open_agents: Open, owner: type, name: str, stops: Callable[[Any], bool], case: End, boss: str
) -> None:
    """Run parent and child until the child is about to do ``name``, then crash."""
    reached, original = asyncio.Event(), getattr(owner, name)

    async def stop(*arguments: Any) -> Any:
        if stops(arguments):
            reached.set()
            await asyncio.Event().wait()
        return await original(*arguments)

    model = RoleModel(boss=BOSSES[boss], worker=case.replies)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(owner, name, stop)
        # Nobody holds a runner while it waits.
        async with open_agents(agents(case), model, idle_hold_seconds=0, max_runners=3) as service:
            if not await service.jobs():
                await service.submit("boss")
            cancelling = asyncio.ensure_future(cancel_if_asked(service, case))
            await asyncio.wait_for(reached.wait(), 30)
            await crash(service)
            cancelling.cancel()


def finishes_child(arguments: Any) -> bool:
    return bool(arguments[0].job.number == 2)


@pytest.mark.parametrize("boss", BOSSES)
@pytest.mark.parametrize("name", ENDS)
async def test_parent_hears_of_it_after_a_crash_before_the_end_is_written(
    open_agents: Open, name: str, boss: str
) -> None:
    case = ENDS[name]
    await killed_at(open_agents, JobDriver, "_finish", finishes_child, case, boss)
    model = RoleModel(boss=BOSSES[boss], worker=case.replies)
    async with open_agents(agents(case), model, idle_hold_seconds=0.05, max_runners=3) as service:
        await check(service, "j1", case.reason, boss)


@pytest.fixture
def child_waits_for_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the child (job 2) run its step only when its parent is put down: else it may end while that still runs."""
    put_down, suspend, run = asyncio.Event(), JobDriver._suspend, StepRunner.run

    async def suspending(driver: JobDriver, *arguments: Any) -> Any:
        result = await suspend(driver, *arguments)
        if driver.job.number == 1:
            put_down.set()
        return result

    async def running(steps: StepRunner, job: Any, *arguments: Any) -> Any:
        if job.number == 2:
            await put_down.wait()
        return await run(steps, job, *arguments)

    monkeypatch.setattr(JobDriver, "_suspend", suspending)
    monkeypatch.setattr(StepRunner, "run", running)


async def test_a_parent_that_is_told_hears_of_it_after_a_crash_behind_the_end(open_agents: Open) -> None:
    await crash_behind_the_end(open_agents, "told")


@pytest.mark.usefixtures("child_waits_for_its_parent")
async def test_a_parent_that_waits_hears_of_it_after_a_crash_behind_the_end(open_agents: Open) -> None:
    await crash_behind_the_end(open_agents, "waits")


async def crash_behind_the_end(open_agents: Open, boss: str) -> None:
    case = ENDS["limit"]

    def delivers(arguments: Any) -> bool:
        return bool(arguments[0].job.number == 1)

    # The end of the child is durable; its parent was about to take it up.
    owner, name = (JobDriver, "_deliver") if boss == "told" else (JobDriver, "_run_again")
    await killed_at(open_agents, owner, name, delivers, case, boss)
    model = RoleModel(boss=BOSSES[boss], worker=case.replies)
    async with open_agents(agents(case), model, idle_hold_seconds=0.05, max_runners=3) as service:
        await check(service, "j1", case.reason, boss)


@pytest.mark.parametrize("boss", BOSSES)
async def test_parent_hears_of_a_quarantined_child(open_agents: Open, boss: str) -> None:
    case = End("quarantine: ", [code("x = 1")])

    def commits(arguments: Any) -> bool:
        return bool(arguments[1].number == 2)

    for _ in range(2):
        await killed_at(open_agents, StepRunner, "_commit", commits, case, boss)
    model = RoleModel(boss=BOSSES[boss], worker=case.replies)
    async with open_agents(agents(case), model, idle_hold_seconds=0.05, max_runners=3) as service:
        child = await check(service, "j1", case.reason, boss)
    assert child.summary.failure is not None
    assert child.summary.failure["kind"] == "quarantine"


async def test_a_child_without_its_agent_is_cancelled_by_its_parent_s_end(open_agents: Open) -> None:
    """Nobody drives it: it ends where it is, and the handler says why."""
    case = End("", [code("pause()")], {"tools": [pause]})
    await killed_at(open_agents, StepRunner, "run", lambda arguments: arguments[1].number == 2, case, "waits")
    boss, _ = agents(case)
    async with open_agents([boss], RoleModel(boss=BOSSES["waits"]), idle_hold_seconds=0.05) as service:
        await service.wait("j2")
        cancelled = await service.cancel("j2", "its agent is gone")
        await check(service, "j1", "cancelled: its agent is gone", "waits")
    assert cancelled.failure == {"kind": "cancelled", "message": "its agent is gone"}
