"""Blocks of the styles that speak to a user: DIRECT with formal tool calls, MD_DIALOG."""

from __future__ import annotations

import ast
from typing import Any

import pytest

import statek
from statek.agents.dialog_agent import DialogAgent
from statek.testing import scripted_call, scripted_reply
from tests.documents.printed.application import on_the_day
from tests.documents.printed.conftest import Application
from tests.documents.printed.printed import block, covers

pytestmark = pytest.mark.timeout(120)


def as_call(name: str) -> Any:
    """The formal tool call that a printed call is equivalent to."""
    expression = ast.parse(block(name), mode="eval").body
    assert isinstance(expression, ast.Call)
    assert isinstance(expression.func, ast.Name)
    arguments = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in expression.keywords}
    return scripted_call(expression.func.id, f"call-{name[-1]}", **arguments)


@covers("chat-styles 7", "chat-styles 8")
def test_code_runs_by_python_cli(application: Application) -> None:
    metadata = {"MODEL": "scripted/test", "CHAT_STYLE": "DIRECT", "LLM_TOOLS_SCOPE": "SYSTEM"}
    agent = statek.SupervisedAgent("calendar_assistant", "Work.", _metadata=metadata)
    fence = "Not run:\n```python\nprint('fenced')\n```"
    results: list[str] = []

    def answer(request: Any) -> str:
        results.extend(message["content"] for message in request.messages if message["role"] == "tool")
        return "Here you are."

    replies = [
        scripted_reply("", as_call("chat-styles 7")),
        scripted_reply(fence, as_call("chat-styles 8")),
        scripted_reply("", scripted_call("python_cli", "call-9", code="print(len(events), meeting.title)")),
        answer,
    ]
    job = application.work(agent, replies)
    assert job.py_env.exceptions == {}
    assert results == [
        "[Weekly planning at 10:00,Lunch at 11:00]",
        "Weekly planning at 10:00",
        "2 Weekly planning",
    ]


@covers("chat-styles 9")
def test_prose_is_said_and_code_runs_behind_it(application: Application) -> None:
    said: list[str] = []

    def send_message(body: str, **kwargs: Any) -> None:
        said.append(body)

    agent = DialogAgent(send_message, _metadata={"MODEL": "scripted/test"})
    job = application.work(agent, [block("chat-styles 9"), "There is a slot at half past eleven."])
    assert job.py_env.exceptions == {}
    assert job.py_env.console == ['datetime("2026-03-16 11:30")']
    assert job.py_env.local_state["candidate"] == on_the_day(11, 30)
    assert said == ["I will check that before changing anything.", "There is a slot at half past eleven."]
