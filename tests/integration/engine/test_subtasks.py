"""Work that one job gives to another: made once, ended once, and the parent always hears of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import statek
from orchestrator.engine.job_driver import JobDriver
from orchestrator.engine.service import Service
from orchestrator.engine.step_run import StepRunner
from statek import durable, task, tool
from statek.executors.views import JobView
from tests.integration.embedded.model import Pad

from .conftest import Open, RoleModel, agent, code, console, crash, steps

pytestmark = pytest.mark.timeout(60)


@statek.subtask
def research(question: str, **kwargs: Any) -> statek.SubTaskHandler:
    """Let a researcher find something out.

    Args:
        question: what to find out
    """
    return statek.create_new_job("worker", {"question": question})  # type: ignore[return-value]


@tool(effect="store")
def report(result: Any = None, error: str | None = None, **kwargs: Any) -> None:
    """Hand in the result."""
    statek.complete_sub_task(result, error)


BOSS = agent("boss", tools=[research])
WORKER = agent("worker", tools=[report])


async def end(service: Service, id_: str) -> JobView:
    await service.wait(id_)
    return await service.job(id_)


def told(job: JobView) -> list[str]:
    return [item.text for item in job.items if item.kind == "notification"]


async def test_parent_hears_of_the_result_and_uses_it(open_agents: Open) -> None:
    model = RoleModel(
        boss=[
            code(
                "task = research('capital of France', id='t1')\nprint(task.id, task.state, task.is_completed)\nexit()"
            ),
            code("print(task.state, task.result['city'])\nexit(find_sub_task_handler('t1').result)"),
        ],
        worker=[code("report({'city': 'Paris', 'asked': question})"), code("exit()")],
    )
    async with open_agents([BOSS, WORKER], model) as service:
        id_ = await service.submit("boss")
        await service.wait(id_)
        await service.wait("j2")
        job = await end(service, id_)
        child = await service.job("j2")
    assert console(steps(job)[0]) == ["t1 waiting False"]
    assert told(job) == ["[Notification] sub-task id=t1 completed successfully."]
    assert console(steps(job)[1]) == ["completed Paris"]
    assert job.summary.exit_status == '{"city":"Paris","asked":"capital of France"}'
    assert (job.summary.num_completions, child.summary.status) == (0, "DONE")
    assert model.asked(id_)[1].messages[-3:] == (
        {"role": "system", "content": "[Notification] sub-task id=t1 completed successfully."},
        {"role": "assistant", "content": "```python\nprint(find_sub_task_handler(id='t1'))\n```"},
        {"role": "user", "content": '{"city":"Paris","asked":"capital of France"}'},
    )


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ("report(error='no such place')", "[Error] sub-task id=t1 failed with no such place"),
        ("exit('Paris')", "[Notification] sub-task id=t1 completed successfully."),
        (None, "[Error] sub-task id=t1 failed with model: worker has no reply for turn 0"),
    ],
)
async def test_every_end_of_a_child_reaches_its_parent(open_agents: Open, reply: str | None, text: str) -> None:
    model = RoleModel(
        boss=[code("task = research('x', id='t1')\nexit()"), code("exit([task.state, task.result, task.error])")],
        worker=[code(f"{reply}\nexit()")] if reply else [],
    )
    async with open_agents([BOSS, WORKER], model) as service:
        id_ = await service.submit("boss")
        await service.wait(id_)
        await service.wait("j2")
        job = await end(service, id_)
    assert told(job) == [text]
    if reply == "exit('Paris')":
        assert job.summary.exit_status == '["completed","Paris",None]'


async def test_durable_objects_go_down_and_come_back_as_handles(open_agents: Open) -> None:
    @statek.subtask
    def fill(pad: Any, **kwargs: Any) -> Any:
        """Let somebody write."""
        return statek.create_new_job("worker", {"pad": pad})

    model = RoleModel(
        boss=[code("task = fill(pad)\nexit()"), code("note = task.result['note']\nexit([note.text, len(pad.notes)])")],
        worker=[code("report({'note': pad.add('milk')})\nexit()")],
    )

    def make() -> Pad:
        pad = Pad()
        durable.tag(pad, "keep")
        return pad

    async with open_agents([agent("boss", tools=[fill]), WORKER], model) as service:
        id_ = await service.submit("boss", shared_vars={"pad": await service._store.commit(make)})
        await service.wait(id_)
        await service.wait("j2")
        job = await end(service, id_)
        child = {view.name for view in await service.variables("j2")}
    assert job.summary.exit_status == '["milk",1]'
    assert child == {"pad", "sub_task_handler"}


@pytest.mark.parametrize("owner", ["_commit", "_finish"])
async def test_crash_at_the_parents_end_of_step_makes_no_second_child(open_agents: Open, owner: str) -> None:
    model = RoleModel(
        boss=[code("task = research('x', id='t1')\nexit()"), code("exit(task.result)")],
        worker=[code("report(question)\nexit()")],
    )
    reached = asyncio.Event()

    async def stop(self: Any, *args: Any) -> Any:
        job = args[0] if owner == "_commit" else self.job
        if job.number == 1:
            reached.set()
        await asyncio.Event().wait()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(StepRunner if owner == "_commit" else JobDriver, owner, stop)
        async with open_agents([BOSS, WORKER], model) as service:
            id_ = await service.submit("boss")
            await reached.wait()
            await crash(service)
    async with open_agents([BOSS, WORKER], model) as service:
        await service.wait(id_)
        await service.wait("j2")
        job = await end(service, id_)
        listed = [summary.id for summary in await service.jobs()]
    assert listed == ["j1", "j2"]
    assert (told(job), job.summary.exit_status) == (["[Notification] sub-task id=t1 completed successfully."], "x")


async def test_crash_between_the_childs_result_and_its_end_tells_the_parent_once(open_agents: Open) -> None:
    model = RoleModel(
        boss=[code("task = research('x', id='t1')\nexit()"), code("exit(task.result)")],
        worker=[code("report(question)\nexit()")],
    )
    reached, finish = asyncio.Event(), JobDriver._finish

    async def stop(self: JobDriver, command: Any) -> bool:
        if self.job.number == 2:
            reached.set()
            await asyncio.Event().wait()
        return await finish(self, command)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(JobDriver, "_finish", stop)
        async with open_agents([BOSS, WORKER], model) as service:
            id_ = await service.submit("boss")
            await reached.wait()
            await crash(service)
    async with open_agents([BOSS, WORKER], model) as service:
        await service.wait("j2")
        job = await end(service, id_)
    assert (told(job), job.summary.exit_status) == (["[Notification] sub-task id=t1 completed successfully."], "x")


@pytest.mark.parametrize("effect", ["store", "external"])
@pytest.mark.parametrize("hold", [30.0, 0.0])
async def test_delegated_work_is_waited_for(open_agents: Open, effect: Any, hold: float) -> None:
    @tool(effect=effect)
    def delegate(question: str, **kwargs: Any) -> Any:
        """Let somebody work and wait for it."""
        return task.delegate_task("worker", {"question": question})

    model = RoleModel(
        boss=[code("status, job = delegate('good')\nother, _ = delegate('bad')\nexit([status, job.state, other])")],
        worker=[code("if question == 'bad':\n    report(error='no')\nelse:\n    report({'found': question})\nexit()")],
    )
    agents = [agent("boss", tools=[delegate]), WORKER]
    async with open_agents(agents, model, idle_hold_seconds=hold) as service:
        id_ = await service.submit("boss")
        await service.wait_idle()
        job = await service.job(id_)
        listed = [summary.id for summary in await service.jobs()]
    assert job.summary.exit_status == '[{"found":"good"},"completed","Error: no"]'
    assert (listed, told(job)) == (["j1", "j2", "j3"], [])


async def test_limits_of_depth_and_number_are_named(open_agents: Open) -> None:
    again = agent("worker", tools=[research])
    model = RoleModel(
        boss=[code("research('a')\nresearch('b')"), code("exit('done')")],
        worker=[code("research('deeper')"), code("exit(1)")],
    )
    async with open_agents([BOSS, again], model, max_open_subtasks=1, max_subtask_depth=1) as service:
        job = await end(service, await service.submit("boss"))
        child = await end(service, "j2")
    text = "LimitExceeded: limit max_open_subtasks is 1, this needs 2; wait until some have ended"
    assert console(steps(job)[0])[1] == text
    deep = "LimitExceeded: limit max_subtask_depth is 1, this needs 2; let a job further up give out the work"
    assert console(steps(child)[0])[0] == deep


async def test_cancelled_parent_takes_its_children_with_it_but_not_detached_ones(open_agents: Open) -> None:
    gate = asyncio.Event()

    @tool(effect="none")
    async def pause(**kwargs: object) -> None:
        """Wait."""
        await gate.wait()

    @tool(effect="store")
    def both(**kwargs: object) -> None:
        """Make two children."""
        statek.create_new_job("worker")
        statek.create_new_job("worker", detached=True)

    model = RoleModel(boss=[code("both()\npause()")], worker=[code("pause()\nexit('ran on')")])
    agents = [agent("boss", tools=[both, pause]), agent("worker", tools=[pause])]
    async with open_agents(agents, model, max_runners=4) as service:
        id_ = await service.submit("boss")
        while (await service.jobs())[-1].id != "j3":
            await asyncio.sleep(0)
        await service.cancel(id_, "enough")
        first = await service.wait("j2")
        gate.set()
        second = await service.wait("j3")
    assert first.failure == {"kind": "cancelled", "message": "its parent j1 was cancelled: enough"}
    assert (second.failure, second.exit_status) == (None, "ran on")


async def test_misuse_is_answered_clearly(open_agents: Open) -> None:
    @tool(effect="store")
    def twice(**kwargs: object) -> None:
        """Link a job twice."""
        job = statek.create_new_job("worker")
        statek.create_sub_task(job)
        statek.create_sub_task(job)

    source = "report(1)\nfind_sub_task_handler('t9')\ntwice()\nresearch('x', id='')"
    lines = source.split("\n")
    model = RoleModel(boss=[*map(code, lines), code("exit(find_sub_task_handler())")], worker=[code("exit()")] * 9)
    async with open_agents([agent("boss", tools=[report, twice, research]), WORKER], model) as service:
        job = await end(service, await service.submit("boss"))
    assert [console(step)[0] for step in steps(job)[:4]] == [
        "RuntimeError: job j1 is no sub-task",
        "RuntimeError: this job has no sub-task with id=t9",
        "InvalidRequest: job j2 is a sub-task already, id=j2",
        "InvalidRequest: a sub-task id is a printable text of 1 to 200 characters, not ''",
    ]


def test_declarations_that_cannot_work_are_refused() -> None:
    with pytest.raises(TypeError, match="must not declare 'id'"):

        @statek.subtask
        def named(id: str, **kwargs: Any) -> None:  # noqa: A002
            """Take an id."""

    with pytest.raises(TypeError, match="must accept \\*\\*kwargs"):

        @statek.subtask
        def closed() -> None:
            """Take nothing."""


async def test_an_exit_value_that_is_long_to_read_is_not_handed_on(open_agents: Open) -> None:
    model = RoleModel(
        boss=[code("task = research('x', id='t1')\nexit()"), code("exit(task.error)")],
        worker=[code("exit([[] for _ in range(200_000)])")],
    )
    async with open_agents([BOSS, WORKER], model) as service:
        id_ = await service.submit("boss")
        await service.wait(id_)
        worker = await service.wait("j2")
        boss = await end(service, id_)
    reason = "its exit status cannot be handed on: the graph has more than 20000 nodes"
    assert boss.summary.exit_status == reason
    assert worker.exit_status.startswith("<400005 bytes: ")


async def test_handler_gives_its_job_to_tools_and_not_to_code(open_agents: Open) -> None:
    def seen(handler: Any) -> list[str]:
        return [handler.job.id, handler.job.status.value, handler.job.agent_role]

    @tool(effect="store")
    def inside(handler: statek.SubTaskHandler, **kwargs: Any) -> list[str]:
        """Look from the store thread."""
        return seen(handler)

    @tool
    def outside(handler: statek.SubTaskHandler, **kwargs: Any) -> list[str]:
        """Look from elsewhere."""
        return seen(handler)

    boss = agent("boss", tools=[research, inside, outside])
    refused = "try:\n    task.job\nexcept Exception as error:\n    print(type(error).__name__, 'job' in dir(task))"
    model = RoleModel(
        boss=[
            code("task = research('x', id='t1')\nexit()"),
            code(f"{refused}\nexit([inside(task), outside(task)])"),
        ],
        worker=[code("exit()")],
    )
    async with open_agents([boss, WORKER], model) as service:
        id_ = await service.submit("boss")
        await service.wait(id_)
        await service.wait("j2")
        job = await end(service, id_)
    assert console(steps(job)[1]) == ["AttributeError False"]
    assert job.summary.exit_status == '[["j2","DONE","worker"],["j2","DONE","worker"]]'
