"""Delegated work that speaks to its giver alone: kept once, heard once, whatever dies."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

import statek
from orchestrator.engine.job_driver import JobDriver
from orchestrator.engine.service import Service
from orchestrator.engine.step_run import StepRunner
from statek import task, tool
from statek.agents.dialog_agent import DialogAgent
from statek.dialog import DialogItem, dialog_items
from statek.executors.views import JobView
from statek.model import ModelReply
from statek.testing import scripted_call, scripted_reply

from .conftest import Open, RoleModel, agent, code, console, crash, steps

pytestmark = pytest.mark.timeout(90)

DIRECT = {"CHAT_STYLE": "DIRECT", "LLM_TOOLS_SCOPE": "SYSTEM"}


class Talker:
    """A dialog agent of role talker, and what its user hears."""

    def __init__(self, **metadata: str) -> None:
        self.heard: list[str] = []

        async def send_message(body: str, media: str | None = None, **kwargs: object) -> None:
            self.heard.append(body)

        values = {"MODEL": "scripted/test", **metadata}
        self.agent = DialogAgent(send_message, role="talker", _system_prompt="I am talker.", _metadata=values)


@tool(effect="store")
def ask(question: str, **kwargs: Any) -> Any:
    """Ask the talker."""
    return task.delegate_mute_dialog("talker", question)


@tool(effect="store")
def work(question: str, **kwargs: Any) -> Any:
    """Give the worker a task."""
    return task.delegate_mute_task("worker", {"question": question})


@tool(effect="store")
def report(result: Any = None, error: str | None = None, **kwargs: Any) -> None:
    """Hand in the result."""
    statek.complete_sub_task(result, error)


async def ended(service: Service, id_: str) -> JobView:
    await service.wait_idle()
    return await service.job(id_)


ANSWERS: dict[str, tuple[Sequence[Any], str]] = {
    "prose": (["I look.\n```python\nx = 40 + 2\nprint(x)\n```", "It is\n42."], '"I look.\\nIt is\\n42."'),
    "answer": (["```python\nanswer('It is 42.', media='docs/a/plan.pdf')\n```"], '"It is 42."'),
    "prose and answer": (["One moment.\n```python\nanswer('42')\n```"], '"One moment.\\n42"'),
    "media in prose": (["See docs/files/report.pdf attached."], '"See docs/files/report.pdf attached."'),
    "nothing said": (["```python\nexit({'n': 42})\n```"], "{'n': 42}"),
    "failure": ([], "'Error: model: talker has no reply for turn 0'"),
}


@pytest.mark.parametrize("case", ANSWERS)
@pytest.mark.parametrize("hold", [30.0, 0.0])
async def test_a_mute_dialog_answers_its_giver_alone(open_agents: Open, case: str, hold: float) -> None:
    replies, expected = ANSWERS[case]
    talker = Talker()
    model = RoleModel(boss=[code(f"exit(ask('what is x?') == {expected})")], talker=replies)
    async with open_agents([agent("boss", tools=[ask]), talker.agent], model, idle_hold_seconds=hold) as service:
        job = await ended(service, await service.submit("boss"))
        child = await service.job("j2")
    assert (job.summary.exit_status, talker.heard) == ("True", [])
    assert child.items[0].text == "what is x?"
    assert [item.text for item in job.items if item.kind == "notification"] == []
    if case == "prose and answer":
        said = [DialogItem("user", "what is x?"), DialogItem("assistant", "One moment."), DialogItem("assistant", "42")]
        assert dialog_items(child.items) == said


async def test_a_mute_task_of_any_agent(open_agents: Open) -> None:
    direct = statek.SupervisedAgent(
        "worker", "I am worker.", [report], _metadata={"MODEL": "scripted/test", **DIRECT, "LLM_TOOLS_SCOPE": "ALL"}
    )

    def reply(request: Any) -> Any:
        return {
            "j2": scripted_reply("Looking.", scripted_call("python_cli", "c1", code="print(question)")),
            "j3": scripted_reply("", scripted_call("report", "c1", result="handed in")),
            "j4": scripted_reply("", scripted_call("report", "c1", error="no idea")),
            "j5": scripted_reply("", scripted_call("python_cli", "c1", code="exit(5)")),
        }[request.job_id]

    class Model(RoleModel):
        async def complete(self, request: Any) -> ModelReply:
            if request.job_id == "j1":
                return await super().complete(request)
            return reply(request) if request.turn == 0 else ModelReply("Done.")

    model = Model(boss=[code("exit([work(q) + '' if q != 'd' else work(q) + 0 for q in 'abcd'])")])
    async with open_agents([agent("boss", tools=[work]), direct], model) as service:
        job = await ended(service, await service.submit("boss"))
    assert job.summary.exit_status == '["Looking.\\nDone.","handed in","Error: no idea",5]'.replace("\\n", "\n")


async def test_a_dialog_is_started_and_goes_on_with_its_user(open_agents: Open) -> None:
    talker = Talker()
    gate = asyncio.Event()

    @tool(effect="none")
    async def pause(**kwargs: object) -> None:
        """Wait."""
        await gate.wait()

    @tool(effect="store")
    def begin(words: str, **kwargs: Any) -> str:
        """Begin a dialog."""
        return task.start_dialog("talker", words, {"topic": "lamps"}).id

    model = RoleModel(
        boss=[code("print(begin('Good morning.'))\npause()")], talker=["Good morning!", "We have `lamps`."]
    )
    agents = [agent("boss", tools=[begin, pause]), talker.agent]
    async with open_agents(agents, model) as service:
        id_ = await service.submit("boss")
        while not talker.heard:
            await asyncio.sleep(0)
        await service.wait("j2")
        await service.cancel(id_, "enough")
        await service.push("j2", "What do you sell?")
        await service.wait_idle()
        child = await service.job("j2")
        names = {view.name for view in await service.variables("j2")}
    assert talker.heard == ["Good morning!", "We have `lamps`."]
    assert (child.summary.failure, names) == (None, {"topic"})
    assert [item.text for item in child.items if item.kind == "user"] == ["Good morning.", "What do you sell?"]


async def test_what_cannot_be_a_dialog_is_refused(open_agents: Open) -> None:
    @tool(effect="store")
    def wrong(which: int, **kwargs: Any) -> Any:
        """Ask whom nobody can ask."""
        return [
            lambda: task.delegate_mute_dialog("boss", "hi"),
            lambda: task.start_dialog("boss", "hi"),
            lambda: task.delegate_mute_dialog("talker", " "),
            lambda: task.start_dialog("talker", 7),  # type: ignore[arg-type]
            lambda: task.delegate_mute_task("talker", id=""),
        ][which]()

    lines = [code(f"wrong({which})") for which in range(5)]
    agents = [agent("boss", tools=[wrong]), Talker().agent]
    async with open_agents(agents, RoleModel(boss=[*lines, code("exit()")])) as service:
        job = await ended(service, await service.submit("boss"))
        listed = [summary.id for summary in await service.jobs()]
    talks = "InvalidRequest: agent 'boss' is no DialogAgent: it talks with nobody; give it a task"
    first = "InvalidRequest: a dialog begins with what its user says, a text, not with"
    assert [console(step)[0] for step in steps(job)[:5]] == [
        talks,
        talks,
        f"{first} ' '",
        f"{first} 7",
        "InvalidRequest: a sub-task id is a printable text of 1 to 200 characters, not ''",
    ]
    assert listed == ["j1"]


async def test_more_than_can_be_kept_is_an_error_of_who_says_it(open_agents: Open) -> None:
    talker = Talker()
    long = "x" * 150_000
    model = RoleModel(
        boss=[code("exit(ask('talk').count('x'))")],
        talker=[*(f"{long}\n```python\ny = {n}\n```" for n in range(4)), "That is all."],
    )
    async with open_agents([agent("boss", tools=[ask]), talker.agent], model) as service:
        job = await ended(service, await service.submit("boss"))
        child = await service.job("j2")
    assert (job.summary.exit_status, talker.heard) == ("450000", [])
    assert console(steps(child)[3]) == [
        "LimitExceeded: limit said_bytes is 491520, this needs 600008; say less, or give a durable object as the result"
    ]


CRASHES = [
    (StepRunner, "_commit", "j2"),
    (StepRunner, "_write_end", "j2"),
    (JobDriver, "_finish", "j2"),
    (StepRunner, "_commit", "j1"),
]


@pytest.mark.parametrize(("owner", "name", "victim"), CRASHES, ids=[f"{v}{n}" for _, n, v in CRASHES])
@pytest.mark.parametrize("effect", ["store", "external"])
async def test_a_crash_keeps_what_was_said_once(
    open_agents: Open, owner: Any, name: str, victim: str, effect: Any
) -> None:
    talker = Talker()

    @tool(effect=effect, idempotent=effect == "external")
    def ask_once(question: str, **kwargs: Any) -> Any:
        """Ask the talker."""
        return task.delegate_mute_dialog("talker", question)

    model = RoleModel(
        boss=[code("exit(ask_once('x?'))")],
        talker=["One.\n```python\nx = 1\n```", "Two.\n```python\nanswer('Three.')\n```"],
    )
    agents = [agent("boss", tools=[ask_once]), talker.agent]
    reached = asyncio.Event()
    original = getattr(owner, name)

    def number_of(arguments: tuple[Any, ...]) -> int:
        job = arguments[1] if len(arguments) > 1 and hasattr(arguments[1], "number") else arguments[0].job
        return int(job.number)

    if asyncio.iscoroutinefunction(original):

        async def stop(*args: Any) -> Any:
            if f"j{number_of(args)}" == victim:
                reached.set()
                await asyncio.Event().wait()
            return await original(*args)

    else:

        def stop(*args: Any) -> Any:  # type: ignore[misc]
            if f"j{number_of(args)}" == victim:
                loop.call_soon_threadsafe(reached.set)
                raise RuntimeError("killed here")
            return original(*args)

    loop = asyncio.get_running_loop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, stop)
        async with open_agents(agents, model) as service:
            id_ = await service.submit("boss")
            await asyncio.wait_for(reached.wait(), 30)
            await crash(service)
    async with open_agents(agents, model) as service:
        job = await ended(service, id_)
        listed = [summary.id for summary in await service.jobs()]
    assert (job.summary.exit_status, listed, talker.heard) == ("One.\nTwo.\nThree.", ["j1", "j2"], [])


async def test_a_fork_of_a_muted_job_stays_mute(open_agents: Open) -> None:
    talker = Talker()
    model = RoleModel(boss=[code("exit(ask('x?'))")], talker=["One.\n```python\nx = 1\n```", "Two.", "Three.", "Four."])
    async with open_agents([agent("boss", tools=[ask]), talker.agent], model) as service:
        await ended(service, await service.submit("boss"))
        id_ = await service.access.past.fork("j2", 1, message="Once more?")
        fork = await ended(service, id_)
    assert (fork.summary.status, fork.summary.failure, talker.heard) == ("DONE", None, [])
    assert fork.items[-1].text == "Two."
