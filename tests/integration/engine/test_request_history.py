"""What a model is asked with, read back from the chat log: the same messages as those that were sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from orchestrator.engine.service import Service
from statek import PostProcessor, tool
from statek.chat_history import ChatHistoryItem, ChatRole, ContentSource, format_chat_history_item
from statek.chat_style import ChatStyle
from statek.executors.job import Job
from statek.model import ProviderToolCall
from statek.settings import StatekSettings
from statek.testing import scripted_call, scripted_reply

from .conftest import Open, code

pytestmark = pytest.mark.timeout(60)

CLI = scripted_call("python_cli", "c1", code="x = 5\nprint(x)")
WARMUP = "w = 1\n# ----------\n#STATEK: hidden = True\nprint('hidden')\n# ----------\nadd(1, 2) #STATEK: as tool"


class TellOfReplies(PostProcessor):
    """Tells the model something of each reply, and suppresses what says secret."""

    def process(self, llm_step: Any, job: Job) -> Any:
        """Look at it."""
        return "no secrets" if "secret" in llm_step.text else (llm_step, "well said")


@tool(effect="none")
def add(a: int, b: int, **kwargs: object) -> int:
    """Add two numbers."""
    return a + b


def told(job: Job, turns: int) -> tuple[list[Any], list[str]]:
    """The messages and the model of each request, as the job tells them."""
    requests = [job.get_request_data(turn) for turn in range(turns)]
    messages = [
        [{"role": "system", "content": request["system_prompt"]}]
        + [format_chat_history_item(item, request["chat_style"]) for item in request["chat_history"]]
        for request in requests
    ]
    return messages, [request["model"] for request in requests]


@pytest.mark.parametrize(
    ("style", "scope", "replies"),
    [
        (
            "MARKDOWN",
            "APPLICATION",
            [code("secret = 1"), code("a = 1"), code("1 / 0"), code("panic()"), code("exit()")],
        ),
        (
            "MARKDOWN",
            "APPLICATION",
            [scripted_reply(code("print('z')"), scripted_call("add", "c1", a=1, b=2)), "no code", code("exit()")],
        ),
        ("CONSOLE", "SYSTEM", ["a = 1\nprint(a)", "exit()"]),
        ("DIRECT", "SYSTEM", [scripted_reply("Checking", CLI), scripted_reply("", CLI), scripted_reply("", CLI)]),
    ],
)
async def test_requests_are_told_as_they_were_sent(
    open_with: Open, style: str, scope: str, replies: Sequence[Any]
) -> None:
    metadata = {
        "MODEL": "LM:scripted/easy,H:scripted/hard", "CHAT_STYLE": style, "LLM_TOOLS_SCOPE": scope,
        "POST_PROCESSORS": "TellOfReplies()", "MAX_TURNS": str(len(replies)),
    }  # fmt: skip
    options: dict[str, Any] = {"tools": [add], "warmup": WARMUP, "metadata": metadata}
    async with open_with(replies, prompt="Work.\n\n--- H: HARD ---\nTake care.", **options) as service:
        id_ = await service.submit("helper", message="Begin.")
        await service.wait(id_)
        job = service.access.job(1)
        messages, models = await asyncio.to_thread(told, job, len(replies))
        with pytest.raises(IndexError, match=f"the job made {len(replies)} model requests, there is none of number 9"):
            await asyncio.to_thread(job.get_request_data, 9)
        sent = service._model.requests  # type: ignore[attr-defined]
    assert messages == [list(request.messages) for request in sent]
    assert models == [request.model for request in sent]


async def next_request(service: Service) -> dict[str, Any]:
    return await asyncio.to_thread(service.access.job(1).get_next_request)


async def test_next_request_has_what_waits_in_the_inbox(open_with: Open) -> None:
    async with open_with([code("x = 1\nprint(x)"), code("exit(x)")]) as service:
        id_ = await service.submit("helper", message="Begin.")
        await service.wait(id_)
        request = await next_request(service)
        job = service.access.job(1)
        assert await asyncio.to_thread(job.get_chat_history) == request["chat_history"]
        assert await asyncio.to_thread(job.get_next_prompt) == ""
        await service.stop()
        await service.push(id_, "And now?")
        assert await asyncio.to_thread(job.get_next_prompt) == "And now?"
    assert [(item.role, item.content) for item in request["chat_history"]] == [
        (ChatRole.USER, "Begin."),
        (ChatRole.ASSISTANT, "x = 1\nprint(x)"),
        (ChatRole.USER, "1"),
        (ChatRole.ASSISTANT, "exit(x)"),
    ]
    assert (request["model"], request["chat_style"], request["available_tools"]) == (
        "scripted/test",
        ChatStyle.MARKDOWN,
        [],
    )


def test_entries_get_the_form_of_a_style() -> None:
    call = ProviderToolCall("c1", "add", "{}")
    said = ChatHistoryItem(ChatRole.ASSISTANT, "x = 1", ContentSource.ASSISTANT)
    called = ChatHistoryItem(ChatRole.ASSISTANT, "", ContentSource.ASSISTANT, (call,))
    shown = ChatHistoryItem(ChatRole.USER, "1", ContentSource.CONSOLE)
    gave = ChatHistoryItem(ChatRole.TOOL, "3", ContentSource.CONSOLE, tool_call_id="c1")
    boxed = StatekSettings(xml_box_console="out")
    contents = [format_chat_history_item(said, style)["content"] for style in (ChatStyle.MARKDOWN, ChatStyle.CONSOLE)]
    assert contents == ["```python\nx = 1\n```", "x = 1"]
    assert format_chat_history_item(shown, ChatStyle.CONSOLE, boxed)["content"] == "<out>\n> 1\n</out>"
    assert format_chat_history_item(gave, ChatStyle.DIRECT, boxed) == {
        "role": "tool",
        "tool_call_id": "c1",
        "content": "<out>\n3\n</out>",
    }
    assert format_chat_history_item(called, ChatStyle.DIRECT) == {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}],
    }
