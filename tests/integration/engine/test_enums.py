"""Enums of the application in a sandbox that does not have its modules: kept, shown, compared and taken by tools."""

from __future__ import annotations

import asyncio
import enum
import http
import sys
import types
from typing import Any

import pytest

from orchestrator.engine.job_tasks import JobTasks
from sandbox_runner.wire.values import EnumValue
from statek import tool
from statek.agents.agent import SupervisedAgent
from statek.statek_push_queue import StatekPushQueue

from .conftest import Open, RoleModel, agent, code, console, steps

pytestmark = pytest.mark.timeout(60)

Priority = enum.Enum("Priority", {"LOW": 1, "HIGH": 2}, module="application_of_test_enums")
HIGH = EnumValue("application_of_test_enums", "Priority", "HIGH")
LOOK = "print(level, [level], f'{level}', level.name)"
SHOWN = "Priority.HIGH [Priority.HIGH] Priority.HIGH HIGH"


@pytest.fixture(autouse=True)
def application(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that this process has and no runner."""
    module: Any = types.ModuleType("application_of_test_enums")
    module.Priority = Priority
    monkeypatch.setitem(sys.modules, module.__name__, module)


@tool(effect="none")
def urgent(**kwargs: object) -> list[Any]:
    """What is urgent."""
    return [Priority.HIGH, Priority.LOW]


@tool(effect="none")
def weigh(level: Priority, **kwargs: object) -> int:  # type: ignore[valid-type]
    """Weigh a priority."""
    return level.value  # type: ignore[attr-defined, no-any-return]


async def test_startup_variable_is_kept_over_a_new_runner(open_with: Open) -> None:
    replies = [
        code(f"{LOOK}\nother = level\nexit()"),
        code(f"{LOOK}\nprint(other is level, weigh(other))\nexit(level)"),
    ]
    async with open_with(replies, tools=[weigh]) as service:
        id_ = await service.submit("helper", shared_vars={"level": Priority.HIGH})
        await service.wait(id_)
    async with open_with(replies, tools=[weigh]) as service:
        await service.push(id_, "go on")
        summary = await service.wait(id_)
        job = await service.job(id_)
        variables = {view.name: view for view in await service.variables(id_)}
    assert [console(item) for item in steps(job)] == [[SHOWN], [SHOWN, "True 2"]]
    assert (summary.failure, summary.exit_status) == (None, "Priority.HIGH")
    assert {name: (view.value, view.preview) for name, view in variables.items()} == {
        "level": (HIGH, "enum Priority.HIGH"),
        "other": (HIGH, "enum Priority.HIGH"),
    }


async def test_tool_result_is_kept_over_a_new_runner_with_all_of_its_component(open_with: Open) -> None:
    replies = [
        code("found = urgent()\nlevel = found[0]\nbeside = {'levels': found, 'of': lambda: found}\nexit()"),
        code(f"{LOOK}\nprint(found, beside['levels'] is found, beside['of']()[0] == level, level in found)\nexit()"),
    ]
    async with open_with(replies, tools=[urgent]) as service:
        id_ = await service.submit("helper")
        await service.wait(id_)
    async with open_with(replies, tools=[urgent]) as service:
        await service.push(id_, "go on")
        await service.wait(id_)
        job = await service.job(id_)
    assert [console(item) for item in steps(job)] == [[], [SHOWN, "[Priority.HIGH,Priority.LOW] True True True"]]


async def test_event_is_an_enum_in_the_warmup_of_its_job_and_later(
    open_agents: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    clerk = agent("clerk", warmup="level = event")
    model = RoleModel(clerk=[code(f"{LOOK}\nexit()"), code(f"{LOOK}\nexit()")])
    async with open_agents([clerk], model) as service:
        monkeypatch.setattr("statek.statek_push_queue.task_door", lambda: JobTasks(service.access))
        await asyncio.to_thread(StatekPushQueue().push_to_agent_queue, clerk, Priority.HIGH)
        await service.wait_idle()
        [summary] = await service.jobs()
    async with open_agents([clerk], model) as service:
        await service.push(summary.id, "go on")
        await service.wait(summary.id)
        job = await service.job(summary.id)
    assert [console(item) for item in steps(job)] == [[], [SHOWN], [SHOWN]]
    assert job.summary.failure is None


async def test_enum_that_the_sandbox_has_is_itself_from_the_first_step_on(open_with: Open) -> None:
    @tool(effect="none")
    def status(**kwargs: object) -> Any:
        """A status of HTTP."""
        return http.HTTPStatus.OK

    replies = [code("found = status()\nprint(found + 1)\nexit()"), code("print(found + 1, found.phrase)\nexit()")]
    async with open_with(replies, tools=[status]) as service:
        id_ = await service.submit("helper")
        await service.wait(id_)
    async with open_with(replies, tools=[status]) as service:
        await service.push(id_, "go on")
        await service.wait(id_)
        job = await service.job(id_)
    assert [console(item) for item in steps(job)] == [["201"], ["201 OK"]]


class Prioritised(SupervisedAgent):
    """An agent whose context has an enum."""

    def init_context(self) -> dict[str, Any]:
        return {"Priority": Priority, "_Hidden": Priority, "Status": http.HTTPStatus, "Adapter": object()}


def prioritised(warmup: str) -> Prioritised:
    metadata = {"MODEL": "scripted/test"}
    return Prioritised("clerk", "I am clerk.", _tools=[weigh], _metadata=metadata, warmup_def=warmup)


async def test_enums_of_the_context_are_names_of_warmup_and_code(open_agents: Open) -> None:
    model = RoleModel(
        clerk=[
            code(
                "print(x, x == Priority.HIGH, Priority['LOW'], list(Priority), len(Priority), x in Priority)\n"
                "print(isinstance(x, Priority), isinstance('HIGH', Priority), weigh(Priority.LOW), Priority(x) is x)\n"
                "def is_high(level): return level == Priority.HIGH\nkind = Priority\nexit()"
            ),
            code(
                "print(is_high(x), kind.LOW, kind, Status.OK + 1, isinstance(Status.OK, Status))\n"
                "try:\n    Priority.MEDIUM\nexcept AttributeError as error:\n    print(error)\n"
                "try:\n    Priority('HIGH')\nexcept ValueError as error:\n    print(error)\n"
                "print([name in globals() or name in dir(__builtins__) for name in ('_Hidden', 'Adapter')])\n"
                "Priority = 3\nprint(Priority)\ndel Priority\nprint(Priority.LOW)\nexit()"
            ),
        ]
    )
    for turn in range(2):
        async with open_agents([prioritised("x = Priority.HIGH\nprint(x)")], model) as service:
            if turn:
                await service.push("j1", "go on")
            else:
                await service.submit("clerk")
            await service.wait("j1")
            job = await service.job("j1")
            names = {view.name for view in await service.variables("j1")}
    assert [console(item) for item in steps(job)] == [
        ["Priority.HIGH"],
        ["Priority.HIGH True Priority.LOW [Priority.LOW,Priority.HIGH] 2 True", "True False 1 True"],
        [
            "True Priority.LOW <enum 'Priority'> 201 True",
            "Priority has no member 'MEDIUM'; it has LOW, HIGH",
            "'HIGH' is no member of Priority; its members are known here by name: Priority[...]",
            "[False,False]",
            "3",
            "Priority.LOW",
        ],
    ]
    assert names == {"x", "kind", "is_high"}
