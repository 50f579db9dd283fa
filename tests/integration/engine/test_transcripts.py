"""Whole conversations in each chat style, as the model sees them (behaviour reference, Appendix A and B)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from orchestrator.engine.job_driver import JobDriver
from orchestrator.engine.service import Service
from statek import create_new_job, subtask, tool
from statek.agents.agent import SupervisedAgent
from statek.agents.dialog_agent import DialogAgent
from statek.dialog import DialogItem, dialog_items
from statek.model import ProviderToolCall
from statek.testing import ScriptedModel, scripted_call, scripted_reply
from tests.integration.engine.conftest import Open, code, console, crash, steps
from tests.integration.engine.test_crash_points import crash_before

pytestmark = pytest.mark.timeout(60)


@tool(effect="none")
def add(a: int, b: int, **kwargs: object) -> int:
    """Add two numbers."""
    print("adding", a, b)
    return a + b


@tool(effect="none")
def fail(**kwargs: object) -> None:
    """Fail."""
    raise ValueError("kaput")


async def finish(service: Service, **submitted: Any) -> Any:
    id_ = await service.submit("helper", **submitted)
    await service.wait(id_)
    return await service.job(id_)


def shown(service: Service) -> list[Any]:
    """The messages of the newest request behind the system message and the opening."""
    return list(service._model.requests[-1].messages[2:])  # type: ignore[attr-defined]


def call(id_: str, name: str, arguments: Any) -> dict[str, Any]:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": text}}


def asked(content: str | None, *calls: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def result(id_: str, content: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": content}


async def test_a1_markdown_keeps_prose_as_comments(open_with: Open) -> None:
    replies = ["Let me look\n```python\nx=1\n```\nand then\n```python\nprint(x)\n```\ndone", code("exit('k')")]
    async with open_with(replies) as service:
        job = await finish(service)
        assert shown(service) == [
            {"role": "assistant", "content": "```python\n# Let me look\nx=1\n# and then\nprint(x)\n# done\n```"},
            {"role": "user", "content": "1"},
        ]
    # Appendix B 1: exit stops at the call, there is no further line "None".
    assert (console(steps(job)[1]), job.summary.exit_status) == ([], "k")


async def test_a2_an_error_is_a_plain_line(open_with: Open) -> None:
    async with open_with([code("math.pi"), code("exit()")]) as service:
        await finish(service)
        # The published implementation has no second line.
        assert shown(service)[1:] == [
            {"role": "user", "content": "NameError: name 'math' is not defined\n(line 1: math.pi)"}
        ]


async def test_a3_calls_run_before_the_code_and_both_are_shown(open_with: Open) -> None:
    reply = scripted_reply("pre\n```python\nz=1\nprint('z')\n```\npost", scripted_call("add", "c1", a=1, b=2))
    async with open_with([reply, code("exit()")], tools=[add], metadata={"LLM_TOOLS_SCOPE": "APPLICATION"}) as service:
        await finish(service)
        assert shown(service) == [
            asked("# pre\nz=1\nprint('z')\n# post", call("c1", "add", {"a": 1, "b": 2})),
            result("c1", "adding 1 2\n3"),
            {"role": "user", "content": "z"},
        ]
        (spec,) = service._model.requests[0].tools  # type: ignore[attr-defined]
    assert spec["function"] == {
        "name": "add",
        "description": "Add two numbers.",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    }


async def test_a4_console_shows_code_unfenced(open_with: Open) -> None:
    async with open_with(["print(1)", "exit()"], metadata={"CHAT_STYLE": "CONSOLE"}) as service:
        await finish(service)
        assert shown(service) == [{"role": "assistant", "content": "print(1)"}, {"role": "user", "content": "> 1"}]


BROKEN = "Expecting property name enclosed in double quotes: line 1 column 10 (char 9)"
DIRECT = {"CHAT_STYLE": "DIRECT", "LLM_TOOLS_SCOPE": "SYSTEM +add"}
DIRECT_SYSTEM = {"CHAT_STYLE": "DIRECT", "LLM_TOOLS_SCOPE": "SYSTEM"}


class Listener:
    """Whom a dialog agent writes to."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def agent(self, prompt: str, *, tools: Sequence[Any] = (), **metadata: str) -> DialogAgent:
        """A dialog agent of role helper."""

        async def send_message(body: str, **kwargs: object) -> None:
            print("sending", body)  # for the operator: no code asked for it
            self.heard.append(body)

        metadata = {"MODEL": "scripted/test", **metadata}
        return DialogAgent(send_message, tools, "helper", _system_prompt=prompt, _metadata=metadata)


async def test_a5_direct(open_agents: Open) -> None:
    replies = [
        scripted_reply("Checking", scripted_call("python_cli", "c1", code="x=5\nprint(x)\nx+1")),
        scripted_reply("", scripted_call("python_cli", "c2", code="print(x)\n1/0")),
        "Done: all",
    ]
    listener = Listener()
    agents = [listener.agent("Work.", tools=[add], **DIRECT)]
    async with open_agents(agents, ScriptedModel(replies)) as service:
        job = await finish(service, message="hi")
        assert service._model.requests[0].messages[1] == {"role": "user", "content": "hi"}  # type: ignore[attr-defined]
        assert shown(service) == [
            asked("Checking", call("c1", "python_cli", {"code": "x=5\nprint(x)\nx+1"})),
            result("c1", "5\n6"),
            asked(None, call("c2", "python_cli", {"code": "print(x)\n1/0"})),
            # Appendix B 10: what was printed before the error is kept.
            result("c2", "5\nZeroDivisionError: division by zero\n(line 2: 1/0)"),
        ]
    summary = job.summary
    assert (summary.status, summary.exit_status, summary.failure, summary.turns) == ("DONE", "", None, 3)
    assert [item.text for item in job.items] == ["hi", "Checking", "", "Done: all"]
    assert listener.heard == ["Checking", "Done: all"]
    assert dialog_items(job.items) == [
        DialogItem("user", "hi"),
        DialogItem("assistant", "Checking"),
        DialogItem("assistant", "Done: all"),
    ]


async def test_a6_md_dialog(open_agents: Open) -> None:
    replies = ["I will check.\n```python\nx=2\nprint(x)\n```", "The answer is 2.", "Welcome."]
    listener = Listener()
    async with open_agents([listener.agent("Talk.")], ScriptedModel(replies)) as service:
        job = await finish(service, message="what is x?")
        assert service._model.requests[0].messages[1]["content"] == "what is x?"  # type: ignore[attr-defined]
        assert shown(service) == [
            {"role": "assistant", "content": "```python\n# I will check.\nx=2\nprint(x)\n```"},
            {"role": "user", "content": "<CONSOLE>\n2\n</CONSOLE>"},
        ]
        assert (job.summary.status, job.summary.exit_status, listener.heard) == (
            "DONE",
            "",
            ["I will check.", "The answer is 2."],
        )
        # What ended the job is shown to it when it goes on.
        await service.push(job.summary.id, "thanks")
        await service.wait(job.summary.id)
        assert shown(service)[2:] == [
            {"role": "assistant", "content": "```python\n# The answer is 2.\n```"},
            {"role": "user", "content": "thanks"},
        ]


async def test_a7_direct_warmup(open_with: Open) -> None:
    warmup = (
        "w = 1\nprint('w', w)\n# ----------\nadd(1, 2) #STATEK: as tool\n# ----------\n#STATEK: hidden = True\nh = 2"
    )
    async with open_with(["ready"], tools=[add], warmup=warmup, metadata=DIRECT) as service:
        job = await finish(service)
        assert shown(service) == [
            asked(None, call("STATEK-WARMUP-000", "python_cli", '{"code":"w = 1\\nprint(\'w\', w)"}')),
            result("STATEK-WARMUP-000", "w 1"),
            # Arguments by name, where the published implementation shows none.
            asked(None, call("STATEK-001", "add", {"a": 1, "b": 2})),
            result("STATEK-001", "adding 1 2\n3"),
        ]
        assert {view.name: view.value for view in await service.variables(job.summary.id)} == {"w": 1, "h": 2}


async def test_a8_the_end_of_a_sub_task(open_agents: Open) -> None:
    @subtask
    def count(**kwargs: Any) -> Any:
        """Let somebody count."""
        return create_new_job("counter")

    replies = [
        scripted_reply("", scripted_call("python_cli", "c1", code="task = count(id='t1')")),
        "I wait.",
        "Three it is.",
    ]
    helper = SupervisedAgent("helper", "Work.", [count], _metadata={"MODEL": "scripted/test", **DIRECT_SYSTEM})
    counter = SupervisedAgent("counter", "Count.", _metadata={"MODEL": "never/asked"}, warmup_def="exit({'n': 3})")
    async with open_agents([helper, counter], ScriptedModel(replies)) as service:
        job = await finish(service)
        await service.wait_idle()
        lookup = '{"code":"print(find_sub_task_handler(id=\'t1\'))"}'
        messages = shown(service)
    told = {"role": "system", "content": "[Notification] sub-task id=t1 completed successfully."}
    at = messages.index(told)
    # The number counts what the job was told, so that it stays whatever else is in the log.
    assert messages[at : at + 3] == [
        told,
        asked(None, call("STATEK-SUBTASK-000", "python_cli", lookup)),
        result("STATEK-SUBTASK-000", '{"n":3}'),
    ]
    assert job.summary.id == "j1"


async def test_warmup_calls_in_markdown(open_with: Open) -> None:
    warmup = "add(1, b=2) #STATEK: as tool\nprint('own')"
    async with open_with([code("exit()")], tools=[add], warmup=warmup) as service:
        await finish(service)
        assert shown(service) == [
            asked("print('own')", call("STATEK-001", "add", {"a": 1, "b": 2})),
            result("STATEK-001", "adding 1 2\n3"),
            {"role": "user", "content": "own"},
        ]


async def test_a_reply_of_text_ends_a_dialog(open_with: Open) -> None:
    replies = ["I will check.\n```python\nx=2\nprint(x)\n```", "The answer is 2."]
    async with open_with(replies, metadata={"CHAT_STYLE": "MD_DIALOG"}) as service:
        job = await finish(service, message="what is x?")
        assert shown(service) == [
            {"role": "assistant", "content": "```python\n# I will check.\nx=2\nprint(x)\n```"},
            {"role": "user", "content": "<CONSOLE>\n2\n</CONSOLE>"},
        ]
    assert (job.summary.status, job.summary.exit_status, job.summary.failure) == ("DONE", "", None)
    assert [item.outcome["outcome"] for item in steps(job)] == ["ok", "ok"]


async def test_an_empty_reply_is_no_answer(open_with: Open) -> None:
    async with open_with(["", "```python\nx\n```", "yes"], tools=[add], metadata=DIRECT) as service:
        job = await finish(service)
        assert shown(service) == [{"role": "user", "content": "Error: the reply was empty."}] * 2
    assert (job.summary.status, job.summary.turns) == ("DONE", 3)


async def test_six_calls_of_one_reply(open_with: Open) -> None:
    calls = [
        scripted_call("add", "c1", a=1, b=2),
        scripted_call("fail", "c2"),
        scripted_call("add", "c3", a=3, b="x"),
        scripted_call("nope", "c4"),
        scripted_call("_secret", "c5"),
        ProviderToolCall("c6", "add", '{"a": 1, '),
        ProviderToolCall("c7", "add", "[1]"),
        scripted_call("python_cli", "c8", code="```python\nprint('fenced')\n```"),
        scripted_call("python_cli", "c9", source="1"),
    ]

    def _secret(**kwargs: object) -> None:
        """Nobody's."""

    async with open_with(
        [scripted_reply("", *calls), "ok"],
        tools=[add, fail, _secret],
        metadata={"CHAT_STYLE": "DIRECT", "LLM_TOOLS_SCOPE": "ALL"},
    ) as service:
        job = await finish(service)
        first, *results = shown(service)
    assert [message["content"] for message in results] == [
        "adding 1 2\n3",
        "ValueError: kaput",
        "TypeError: add() argument 'b' must be int, not str",
        "NameError: tool 'nope' not found",
        "NameError: tool '_secret' is not exposed to this job",
        f"ValueError: add: the arguments are no JSON: {BROKEN}",
        "ValueError: add: the arguments must be a JSON object with one entry per parameter, not an array",
        "fenced",
        "TypeError: python_cli() takes one argument: code, a string",
    ]
    # What is sent back is what every provider takes back.
    assert [one["function"]["arguments"] for one in first["tool_calls"]][5:7] == ["{}", "{}"]
    assert job.summary.status == "DONE"


async def test_ids_of_calls_are_made_unique(open_with: Open) -> None:
    again = scripted_reply("", scripted_call("add", "call_0", a=1, b=1), scripted_call("add", "", a=2, b=2))
    replies = [again, again, scripted_reply("", scripted_call("add", "call_0", a=1, b=1)), "end"]
    async with open_with(replies, tools=[add], metadata=DIRECT) as service:
        await finish(service)
        ids = [one["id"] for message in shown(service) for one in message.get("tool_calls", ())]
        assert ids == ["call_0", "call-0-2", "call-1-1", "call-1-2", "call-2-1"]
        assert ids == [message["tool_call_id"] for message in shown(service) if message["role"] == "tool"]


async def test_a_tool_that_is_not_in_the_scope_is_not_called(open_with: Open) -> None:
    reply = scripted_reply("", scripted_call("add", "c1", a=1, b=2), scripted_call("python_cli", "c2", code="1"))
    async with open_with(
        [reply, "end"], tools=[add, fail], metadata={"CHAT_STYLE": "DIRECT", "LLM_TOOLS_SCOPE": "+fail"}
    ) as service:
        await finish(service)
        assert [message["content"] for message in shown(service)[1:]] == [
            "NameError: tool 'add' is not exposed to this job",
            "NameError: tool 'python_cli' is not exposed to this job",
        ]


async def test_more_calls_than_one_reply_may_have(open_with: Open) -> None:
    calls = [scripted_call("add", f"c{n}", a=n, b=0) for n in range(40)]
    async with open_with([scripted_reply("", *calls), "end"], tools=[add], metadata=DIRECT) as service:
        await finish(service)
        messages = shown(service)
        assert [message["content"] for message in messages[1:-1]] == [f"adding {n} 0\n{n}" for n in range(32)]
        assert messages[-1] == {"role": "user", "content": "8 more calls were not made: limit calls_per_reply is 32"}


async def test_exit_in_a_call_ends_the_job(open_with: Open) -> None:
    reply = scripted_reply(
        "Bye", scripted_call("python_cli", "a", code="exit(7)"), scripted_call("python_cli", "b", code="x = 1")
    )
    async with open_with([reply], metadata=DIRECT, tools=[add]) as service:
        job = await finish(service)
        assert (job.summary.status, job.summary.exit_status) == ("DONE", "7")
        assert await service.variables(job.summary.id) == []


async def test_the_same_messages_after_a_restart(open_with: Open) -> None:
    replies = [
        scripted_reply("One", scripted_call("python_cli", "c1", code="x = 1\nprint(x)"), scripted_call("nope", "c1")),
        scripted_reply("", scripted_call("add", "c1", a=1, b=2)),
    ]
    warmup = "add(1, 2) #STATEK: as tool\nprint('w')"
    seen: list[Any] = []
    asked_again = asyncio.Event()

    async def silent(request: Any) -> Any:
        if request.turn < 2:
            return await scripted(request)
        seen.append(request.messages)
        asked_again.set()
        return await asyncio.Event().wait()

    async with open_with(replies, tools=[add], warmup=warmup, metadata=DIRECT) as service:
        scripted = service._model.complete
        service._model.complete = silent  # type: ignore[method-assign]
        id_ = await service.submit("helper")
        await asyncio.wait_for(asked_again.wait(), 20)
        await crash(service)
    async with open_with([*replies, "end"], tools=[add], warmup=warmup, metadata=DIRECT) as service:
        await service.wait(id_)
        assert service._model.requests[-1].messages == seen[0]  # type: ignore[attr-defined]


@pytest.mark.parametrize("style", ["DIRECT", "MD_DIALOG"])
async def test_an_answer_that_was_written_ends_the_job_after_a_crash(open_with: Open, style: str) -> None:
    id_ = await crash_before(open_with, JobDriver, "_finish", ["done"], metadata={"CHAT_STYLE": style})
    async with open_with([], metadata={"CHAT_STYLE": style}) as service:
        summary = await service.wait(id_)
    assert (summary.status, summary.failure, summary.turns) == ("DONE", None, 1)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("python_cli", json.dumps({"code": "print(len('" + "\U0001f600" * 190_000 + "'))"}, ensure_ascii=False)),
        ("python_cli", '{"code": "' + "\ud800" * 190_000 + '"}'),
        ("add", '{"a": [' + "1e9," * 49_000 + '1], "b": 1}'),
        ("add", '{"a": "' + "\ud800" * 190_000 + '", "b": 1}'),
    ],
    ids=["wide code", "surrogates in code", "numbers", "surrogates"],
)
async def test_calls_that_are_too_large_are_their_own_error(open_with: Open, name: str, arguments: str) -> None:
    calls = (ProviderToolCall("c1", name, arguments), scripted_call("python_cli", "c2", code="print('fine')"))
    replies = [scripted_reply("", *calls[1:], calls[0]), "Done."]
    async with open_with(replies, tools=[add], metadata={"CHAT_STYLE": "DIRECT", "LLM_TOOLS_SCOPE": "ALL"}) as service:
        job = await finish(service)
    fine, refused = steps(job)[0].usage["tool_log"]
    assert (job.summary.status, job.summary.failure) == ("DONE", None)
    assert [text for _, text in fine] == ["fine"]
    [(kind, text)] = refused
    assert kind == "error"
    assert (
        text == "LimitExceeded: limit actions_bytes is 262144, the calls of this reply are longer together; make fewer"
    )
