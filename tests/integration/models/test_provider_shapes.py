"""Whole jobs of every chat style against a local server that speaks OpenAI's, Anthropic's and Gemini's form."""

from __future__ import annotations

from typing import Any

import pytest

import statek
from statek import tool
from statek.agents.agent import Agent, SupervisedAgent
from statek.agents.dialog_agent import DialogAgent
from statek.model import ModelReply
from statek.testing import scripted_call, scripted_reply
from tests.integration.models.conftest import Ask
from tests.integration.models.shapes import SHAPES, said

pytestmark = pytest.mark.timeout(90)


@tool(effect="none")
def add(a: int, b: int = 1, **kwargs: object) -> int:
    """Add two numbers."""
    return a + b


async def send_message(body: str, media: object = None, **kwargs: object) -> None:
    """Send."""


def supervised(style: str, scope: str = "", warmup: str | None = None) -> Agent:
    metadata = {"MODEL": "set later", "CHAT_STYLE": style, **({"LLM_TOOLS_SCOPE": scope} if scope else {})}
    return SupervisedAgent("helper", "Work.", [add], _metadata=metadata, warmup_def=warmup)


def reply(text: str) -> ModelReply:
    return ModelReply(text)


def opening(shape: str) -> list[tuple[str, str]]:
    # litellm puts the system prompt of a Gemini model that it does not know as text before the first message.
    return [("user" if shape == "gemini" else "system", "Work."), ("user", "hi")]


def model_side(shape: str) -> str:
    return "model" if shape == "gemini" else "assistant"


@pytest.mark.parametrize("shape", SHAPES)
async def test_markdown(ask: Ask, shape: str) -> None:
    replies = ["```python\nprint(1)\n```", "```python\nx = 2\n```", "```python\nexit(x)\n```"]
    bodies, _ = await ask(shape, supervised("MARKDOWN"), list(map(reply, replies)))
    silent = [] if shape == "openai" else [("user", "(no output)")]
    side = model_side(shape)
    assert said(shape, bodies[2]) == [
        *opening(shape),
        (side, "```python\nprint(1)\n```"),
        ("user", "1"),
        (side, "```python\nx = 2\n```"),
        *silent,
    ]
    assert "tools" not in bodies[0]


@pytest.mark.parametrize("shape", SHAPES)
async def test_console(ask: Ask, shape: str) -> None:
    bodies, _ = await ask(shape, supervised("CONSOLE"), [reply("print(1)"), reply("exit()")])
    assert said(shape, bodies[1]) == [*opening(shape), (model_side(shape), "print(1)"), ("user", "> 1")]


@pytest.mark.parametrize("shape", SHAPES)
async def test_markdown_with_a_tool_call(ask: Ask, shape: str) -> None:
    both = scripted_reply("```python\nprint('z')\n```", scripted_call("add", "c1", a=1, b=2))
    bodies, _ = await ask(shape, supervised("MARKDOWN", "APPLICATION"), [both, reply("```python\nexit()\n```")])
    assert said(shape, bodies[1]) == [
        *opening(shape),
        (model_side(shape), "print('z')"),
        (model_side(shape), 'add({"a": 1, "b": 2})'),
        ("user", "-> 3"),
        ("user", "z"),
    ]
    assert len(bodies[0]["tools"]) == 1


@pytest.mark.parametrize("shape", SHAPES)
async def test_direct_with_warmup(ask: Ask, shape: str) -> None:
    warmup = "w = 1\nprint('w', w)\n# ----------\nadd(1) #STATEK: as tool"
    replies = [
        scripted_reply(
            "Checking", scripted_call("python_cli", "c1", code="w += 1\nw"), scripted_call("add", "c2", a=5)
        ),
        scripted_reply("", scripted_call("python_cli", "c3", code="1/0")),
        reply("Done."),
    ]
    bodies, job = await ask(shape, supervised("DIRECT", "SYSTEM +add", warmup), replies)
    side = model_side(shape)
    assert said(shape, bodies[2]) == [
        *opening(shape),
        (side, 'python_cli({"code": "w = 1\\nprint(\'w\', w)"})'),
        ("user", "-> w 1"),
        (side, 'add({"a": 1})'),
        ("user", "-> 2"),
        (side, "Checking"),
        (side, 'python_cli({"code": "w += 1\\nw"})'),
        (side, 'add({"a": 5})'),
        ("user", "-> 2"),
        ("user", "-> 6"),
        (side, 'python_cli({"code": "1/0"})'),
        ("user", "-> ZeroDivisionError: division by zero\n(line 1: 1/0)"),
    ]
    assert job.items[-1].text == "Done."


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_warmup_call_reaches_a_model_without_tools(ask: Ask, shape: str) -> None:
    bodies, _ = await ask(
        shape, supervised("MARKDOWN", "", "add(1) #STATEK: as tool"), [reply("```python\nexit()\n```")]
    )
    shown = said(shape, bodies[0])
    assert "tools" not in bodies[0]
    if shape == "openai":
        assert shown[-2:] == [("assistant", 'add({"a": 1})'), ("user", "-> 2")]
    else:
        assert shown[-2:] == [(model_side(shape), 'add({"a": 1})'), ("user", "add: 2")]


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_reminder_reaches_the_model_where_it_belongs(ask: Ask, shape: str) -> None:
    agent = DialogAgent(send_message, role="talker", _metadata={"MODEL": "set later"})
    agent.update_system_prompt("Work.")
    agent.set_new_reminder("Call answer() when you are done.")
    replies = ["I look.\n```python\nprint(2)\n```", "It is 2.", "```python\nanswer('2')\n```"]
    bodies, _ = await ask(shape, agent, list(map(reply, replies)))
    side = model_side(shape)
    reminder = ("system", "Call answer() when you are done.")
    assert said(shape, bodies[2])[2:] == [
        (side, "```python\n# I look.\nprint(2)\n```"),
        ("user", "<CONSOLE>\n2\n</CONSOLE>"),
        (side, "```python\n# It is 2.\n```"),
        reminder if shape == "openai" else ("user", f"[System] {reminder[1]}"),
    ]


def is_told(shape: str, body: Any, text: str) -> bool:
    """Whether a system message reaches the model; other forms than OpenAI's join it to what the user said before."""
    if shape == "openai":
        return ("system", text) in said(shape, body)
    return any(side == "user" and shown.endswith(f"[System] {text}") for side, shown in said(shape, body))


@pytest.mark.parametrize("shape", SHAPES)
async def test_what_a_post_processor_says_reaches_the_model(ask: Ask, shape: str) -> None:
    metadata = {"MODEL": "set later", "POST_PROCESSORS": "FinalCheck()"}
    agent = DialogAgent(send_message, role="talker", _metadata=metadata)
    bodies, job = await ask(shape, agent, [reply("It is 2."), reply("It is 3.")])
    [said_by] = [item for item in job.items if item.kind == "post_processed"]
    assert not is_told(shape, bodies[0], said_by.text)
    assert is_told(shape, bodies[1], said_by.text)


def runs(style: str, source: str) -> ModelReply:
    """A reply that runs code, as a model writes it in a style."""
    if style == "DIRECT":
        return scripted_reply("", scripted_call("python_cli", "c1", code=source))
    return reply(source if style == "CONSOLE" else f"```python\n{source}\n```")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("style", ["MARKDOWN", "CONSOLE", "MD_DIALOG", "DIRECT"])
async def test_the_end_of_a_sub_task_reaches_the_model(ask: Ask, style: str, shape: str) -> None:
    @statek.subtask
    def ask_another(**kwargs: Any) -> Any:
        """Give work to another job."""
        return statek.create_new_job("child")

    child = SupervisedAgent("child", "Work.", _metadata={"MODEL": "never/asked"}, warmup_def="exit(7)")
    metadata = {"MODEL": "set later", "CHAT_STYLE": style, "LLM_TOOLS_SCOPE": "SYSTEM"}
    agent = SupervisedAgent("helper", "Work.", [ask_another], _metadata=metadata)
    replies = [runs(style, "ask_another(id='t1')\nexit()"), runs(style, "exit()")]
    bodies, _ = await ask(shape, agent, replies, others=[child])
    assert is_told(shape, bodies[1], "[Notification] sub-task id=t1 completed successfully.")
    # What the framework looks up about it follows, in the form of the style.
    lookup = "print(find_sub_task_handler(id='t1'))"
    shown, result = {
        "MARKDOWN": (f"```python\n{lookup}\n```", "7"),
        "CONSOLE": (lookup, "> 7"),
        "MD_DIALOG": (f"```python\n{lookup}\n```", "<CONSOLE>\n7\n</CONSOLE>"),
        "DIRECT": (f'python_cli({{"code": "{lookup}"}})', "-> 7"),
    }[style]
    assert said(shape, bodies[1])[-2:] == [(model_side(shape), shown), ("user", result)]


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_reminder_reaches_the_model_in_direct(ask: Ask, shape: str) -> None:
    metadata = {"MODEL": "set later", "CHAT_STYLE": "DIRECT", "LLM_TOOLS_SCOPE": "SYSTEM"}
    agent = DialogAgent(send_message, role="talker", _metadata=metadata)
    agent.update_system_prompt("Work.")
    agent.set_new_reminder("Call answer() when you are done.")
    replies = [runs("DIRECT", "x = 1"), reply("It is 1."), runs("DIRECT", "answer('1')")]
    bodies, _ = await ask(shape, agent, replies)
    side = model_side(shape)
    reminder = ("system", "Call answer() when you are done.")
    assert said(shape, bodies[2])[2:] == [
        (side, 'python_cli({"code": "x = 1"})'),
        ("user", "-> "),
        (side, "It is 1."),
        reminder if shape == "openai" else ("user", f"[System] {reminder[1]}"),
    ]
