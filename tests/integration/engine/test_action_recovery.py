"""Formal calls over losses and crashes; names in their arguments; a conversation within its window."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.cli.present import item_lines
from orchestrator.engine.step_run import StepRunner
from statek import tool
from statek.testing import scripted_call, scripted_reply
from tests.integration.engine.conftest import Open, RunnerLoss, code, steps
from tests.integration.engine.test_crash_points import crash_before

pytestmark = pytest.mark.timeout(60)

DIRECT = {"CHAT_STYLE": "DIRECT", "LLM_TOOLS_SCOPE": "ALL"}


class Counter:
    """Effects that nobody deduplicates, counted."""

    def __init__(self) -> None:
        self.made: list[str] = []

        @tool(timeout=10)
        def effect(name: str, **kwargs: object) -> int:
            """Have an effect."""
            self.made.append(name)
            return len(self.made)

        @tool(effect="store")
        def note(name: str, **kwargs: object) -> str:
            """Note something."""
            return name.upper()

        self.tools = [effect, note]


CALLS = [
    scripted_call("effect", "c1", name="first"),
    scripted_call("python_cli", "c2", code="n = effect('from code')\nprint(n)"),
    scripted_call("note", "c3", name="stored"),
    scripted_call("effect", "c4", name="last"),
]


def outputs(job: Any) -> list[str]:
    return [call.output for call in steps(job)[0].tool_log]


async def test_calls_made_before_a_loss_are_not_made_again(open_with: Open, runner_loss: RunnerLoss) -> None:
    counter = Counter()
    lost = scripted_call("lose_runner", "c5")
    reply = scripted_reply("On it.", *CALLS, lost, scripted_call("python_cli", "c6", code="n"))
    async with open_with([reply, "Done."], tools=[*counter.tools, runner_loss.tool], metadata=DIRECT) as service:
        runner_loss.service = service
        id_ = await service.submit("helper")
        await service.wait(id_)
        job = await service.job(id_)
    assert counter.made == ["first", "from code", "last"]
    assert outputs(job) == ["1", "2", "STORED", "3", "", "2"]
    assert (steps(job)[0].attempts, job.summary.status, job.summary.failure) == (2, "DONE", None)


@pytest.mark.parametrize("name", ["run", "_commit"], ids=["before the run", "before the commit"])
async def test_a_crash_loses_nothing_and_repeats_nothing(open_with: Open, name: str) -> None:
    counter = Counter()
    replies = [scripted_reply("", *CALLS), "Done."]
    id_ = await crash_before(open_with, StepRunner, name, replies, tools=counter.tools, metadata=DIRECT)  # type: ignore[arg-type]
    async with open_with(replies, tools=counter.tools, metadata=DIRECT) as service:
        await service.wait(id_)
        job = await service.job(id_)
    assert counter.made == ["first", "from code", "last"]
    assert outputs(job) == ["1", "2", "STORED", "3"]
    assert (job.summary.status, job.summary.failure) == ("DONE", None)


async def test_a_death_keeps_what_the_calls_before_it_showed(open_with: Open) -> None:
    counter = Counter()
    dies = scripted_call("python_cli", "c9", code="import os\nprint('going')\nos._exit(3)")
    async with open_with(
        [scripted_reply("", *CALLS[:2], dies, CALLS[3]), "Sorry."], tools=counter.tools, metadata=DIRECT
    ) as service:
        id_ = await service.submit("helper")
        await service.wait(id_)
        job = await service.job(id_)
        shown = service._model.requests[1].messages  # type: ignore[attr-defined]
    assert outputs(job) == ["1", "2", "going", ""]
    assert counter.made == ["first", "from code"]
    assert [message["content"] for message in shown if message["role"] == "tool"] == ["1", "2", "going", ""]
    assert shown[-1]["content"].startswith("StepDied: crashed: ")
    assert "effect(...) succeeded; effect(...) succeeded" in shown[-1]["content"]


async def test_names_stand_for_variables_classes_and_tools(open_with: Open) -> None:
    seen: list[Any] = []

    class Calendar:
        """A class that the agent knows."""

    @tool(effect="none")
    def look(what: type | list | None, **kwargs: object) -> str:
        """Look at something."""
        seen.append(what)
        return type(what).__name__

    calls = [scripted_call("look", f"c{n}", what=what) for n, what in enumerate(["tasks", "Calendar", "secret"])]
    own = scripted_call("python_cli", "c9", code="look('tasks')")
    async with open_with([scripted_reply("", *calls, own), "ok"], tools=[look], metadata=DIRECT) as service:
        service._agents["helper"].context["Calendar"] = Calendar
        service._agents["helper"].context["secret"] = object()
        id_ = await service.submit("helper", shared_vars={"tasks": [1, 2]})
        await service.wait(id_)
        job = await service.job(id_)
    # What the agent's context holds besides classes has no name for a job.
    assert seen == [[1, 2], Calendar, "secret", [1, 2]]
    assert outputs(job) == ["list", "type", "str", "list"]


async def test_a_long_job_fits_a_small_window(open_with: Open) -> None:
    replies = [code(f"print('{number} ' + 'x' * 1500)") for number in range(30)]
    async with open_with([*replies, code("exit()")], context_tokens=4000, max_turns=100) as service:
        id_ = await service.submit("helper", message="begin")
        await service.wait(id_)
        requests = service._model.requests  # type: ignore[attr-defined]
        job = await service.job(id_)
    sizes = [sum(len(message["content"]) for message in request.messages) // 3 for request in requests]
    assert max(sizes) <= 3000
    assert [message["content"] for message in requests[-1].messages[:2]] == ["Work.", "begin"]
    assert "earlier entries of this conversation are left out here" in requests[-1].messages[2]["content"]
    assert requests[-1].messages[-1]["content"] == "29 " + "x" * 1500
    # The log keeps everything.
    assert [len(item.console[0][1]) for item in steps(job)[:30]] == [1502] * 10 + [1503] * 20


async def test_a_job_is_shown_with_its_calls(open_with: Open) -> None:
    counter = Counter()
    reply = scripted_reply("On it.", CALLS[0], scripted_call("nope", "c7"))
    async with open_with([reply, "Done."], tools=counter.tools, metadata=DIRECT) as service:
        id_ = await service.submit("helper")
        await service.wait(id_)
        job = await service.job(id_)
    lines = list(item_lines(0, job.items[0]))
    assert lines[1:6] == [
        '  " On it.',
        '  asked c1: effect({"name": "first"})',
        "    | 1",
        "  asked c7: nope({})",
        "    ! NameError: tool 'nope' not found",
    ]
