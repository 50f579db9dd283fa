"""Tools that act on the job that called them: they end it, and raise its difficulty."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from statek import tool
from statek.difficulty import TaskDifficulty
from statek.exceptions import JobExit
from statek.model import ModelRequest

from .conftest import Open, code, console, crash, steps


@pytest.mark.parametrize("effect", ["external", "none", "store"])
async def test_tool_that_exits_ends_the_step_and_the_job(open_with: Open, effect: Any) -> None:
    @tool(effect=effect)
    def finish(status: str, **kwargs: object) -> None:
        """End the job."""
        raise JobExit({"status": status, "of": effect})

    script = code(
        "try:\n    finish('fine')\nexcept Exception as error:\n    print('swallowed', error)\nprint('not here')"
    )
    async with open_with([script], tools=[finish]) as service:
        id_ = await service.submit("helper")
        summary = await service.wait(id_)
        [step] = steps(await service.job(id_))
    assert (summary.status, summary.failure) == ("DONE", None)
    assert summary.exit_status == f'{{"status":"fine","of":"{effect}"}}'
    assert console(step) == []
    assert [(call.name, call.state) for call in step.calls] == [("finish", "done")]


async def test_exit_of_a_tool_survives_a_crash_and_is_not_asked_for_again(open_with: Open) -> None:
    calls: list[str] = []
    entered = asyncio.Event()

    @tool(idempotent=True)
    async def finish(ctx: Any = None, **kwargs: object) -> None:
        """End the job."""
        calls.append(ctx.idempotency_key)
        raise JobExit("done")

    @tool(idempotent=True)
    async def hang(**kwargs: object) -> None:
        """Hang the first time."""
        entered.set()
        if len(calls) < 2:
            calls.append("hung")
            await asyncio.Event().wait()

    script = [code("try:\n    finish()\nfinally:\n    hang()")]
    async with open_with(script, tools=[finish, hang]) as service:
        id_ = await service.submit("helper")
        await entered.wait()
        await crash(service)
    async with open_with(script, tools=[finish, hang]) as service:
        summary = await service.wait(id_)
    assert (summary.status, summary.exit_status) == ("DONE", "done")
    assert [call for call in calls if call != "hung"] == calls[:1]


def seen_by(request: ModelRequest) -> tuple[str, str]:
    """The model and the system prompt of a request."""
    return request.model, str(request.messages[0]["content"])


async def test_raised_difficulty_selects_model_and_prompt_of_the_next_request(open_with: Open) -> None:
    requests: list[ModelRequest] = []

    def reply(source: str) -> Any:
        def make(request: ModelRequest) -> str:
            requests.append(request)
            return code(source)

        return make

    @tool(effect="store")
    def harder(ctx: Any = None, **kwargs: object) -> str:
        """Raise the difficulty."""
        return str(ctx.job.raise_difficulty().name)

    @tool(effect="none")
    def at_least_low(ctx: Any = None, **kwargs: object) -> str:
        """Ask for less than there is."""
        return str(ctx.job.raise_difficulty(TaskDifficulty.LOW).name)

    script = [reply("print(harder())"), reply("print(at_least_low())"), reply("harder()"), reply("exit('x')")]
    options = {
        "tools": [harder, at_least_low],
        "metadata": {"MODEL": "L:scripted/low,M:scripted/mid,H:scripted/high:free"},
        "prompt": "Work.\n\n--- L: EASY ---\ncalm\n\n--- MH: HARD ---\ncareful\n\n--- H: VERY HARD ---\nslow",
    }
    middle = "Work.\n\n--- HARD ---\ncareful"
    high = "Work.\n\n--- HARD ---\ncareful\n\n--- VERY HARD ---\nslow"
    async with open_with(script, **options) as service:
        id_ = await service.submit("helper")
        await service.wait(id_)
        ran = steps(await service.job(id_))
    assert [seen_by(request) for request in requests] == [
        ("scripted/mid", middle),
        ("scripted/high:free", high),
        ("scripted/high:free", high),
        ("scripted/high:free", high),
    ]
    assert [console(step) for step in ran[:3]] == [
        ["HIGH"],
        ["HIGH"],
        ["RuntimeError: Job is already at high difficulty: high", "(line 1: harder())"],
    ]


async def test_difficulty_survives_a_restart(open_with: Open) -> None:
    entered = asyncio.Event()
    models: list[str] = []

    @tool(effect="store")
    def harder(ctx: Any = None, **kwargs: object) -> None:
        """Raise the difficulty."""
        ctx.job.raise_difficulty()

    @tool(effect="none")
    async def hang(**kwargs: object) -> None:
        """Hang until the crash."""
        if not entered.is_set():
            entered.set()
            await asyncio.Event().wait()

    def last(request: ModelRequest) -> str:
        models.append(request.model)
        return code("exit('x')")

    script = [code("harder()"), code("hang()"), last]
    options = {"tools": [harder, hang], "metadata": {"MODEL": "LM:scripted/mid,H:scripted/high"}}
    async with open_with(script, **options) as service:
        id_ = await service.submit("helper")
        await entered.wait()
        await crash(service)
    async with open_with(script, **options) as service:
        await service.wait(id_)
    assert models == ["scripted/high"]


async def test_panic_raises_the_difficulty_until_it_is_the_highest(open_with: Open) -> None:
    models: list[str] = []

    def reply(source: str) -> Any:
        def make(request: ModelRequest) -> str:
            models.append(request.model)
            return code(source)

        return make

    script = [reply("panic()"), reply("panic()"), reply("exit('x')")]
    async with open_with(script, metadata={"MODEL": "LM:scripted/mid,H:scripted/high"}) as service:
        id_ = await service.submit("helper")
        summary = await service.wait(id_)
        first, second, _ = steps(await service.job(id_))
    assert models == ["scripted/mid", "scripted/high", "scripted/high"]
    assert console(first)[0] == "# Difficulty increased to high. Continue with the harder task."
    assert console(second)[0] == "RuntimeError: Job is already at high difficulty: high"
    assert (summary.status, second.outcome["outcome"]) == ("DONE", "error")
