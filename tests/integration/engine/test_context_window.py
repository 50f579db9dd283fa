"""Requests that would be above the model's context window, through the whole service."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.engine.conversation import estimate_tokens
from orchestrator.engine.service import Service
from statek import tool
from statek.model import ModelRequest
from statek.testing import scripted_call, scripted_reply

from .conftest import Open, code, steps

pytestmark = pytest.mark.timeout(60)

WINDOW = 3000
"""What a model with 4000 tokens leaves when a quarter is kept for the reply."""

NOTE = "characters are left out here to fit the model's window]"


def tokens(request: ModelRequest) -> int:
    texts = [str(message["content"] or "") for message in request.messages]
    calls = [call for message in request.messages for call in message.get("tool_calls", ())]
    return sum(map(estimate_tokens, [*texts, *(call["function"]["arguments"] for call in calls)]))


def requests(service: Service) -> list[Any]:
    return service._model.requests  # type: ignore[attr-defined]


async def test_a_long_message_and_a_long_reply_are_shown_shortened_and_kept_whole(open_with: Open) -> None:
    said, program = "m" * 100_000, "\n".join(f"x{number} = {number}" for number in range(8000))

    @tool(effect="none")
    async def tell(**kwargs: object) -> None:
        """Push a message into the job."""
        await service.push(id_, said)

    async with open_with([code("tell()"), code(program), code("exit()")], tools=[tell], context_tokens=4000) as service:
        id_ = await service.submit("helper", message=said)
        summary = await service.wait(id_)
        job = await service.job(id_)
        asked = requests(service)
    assert summary.failure is None
    assert len(asked) == 3
    assert max(map(tokens, asked)) <= WINDOW
    assert [sum(NOTE in str(message["content"]) for message in request.messages) for request in asked] == [1, 2, 3]
    # The log keeps everything.
    assert [item.text for item in job.items if item.kind == "user"] == [said, said]
    assert steps(job)[1].code == program


async def test_long_arguments_of_calls_are_shown_shortened(open_with: Open) -> None:
    @tool(effect="none")
    def look(what: str, **kwargs: object) -> int:
        """Look at something."""
        return len(what)

    metadata = {"CHAT_STYLE": "DIRECT", "LLM_TOOLS_SCOPE": "ALL"}
    calls = [scripted_call("look", f"c{number}", what="w" * 60_000) for number in range(3)]
    replies = [scripted_reply("", *calls), "Done."]
    async with open_with(replies, tools=[look], metadata=metadata, context_tokens=4000) as service:
        id_ = await service.submit("helper", message="go")
        summary = await service.wait(id_)
        job = await service.job(id_)
        asked = requests(service)
    assert summary.failure is None
    assert max(map(tokens, asked)) <= WINDOW
    shown = [call["function"]["arguments"] for call in asked[1].messages[2]["tool_calls"]]
    assert [NOTE in arguments for arguments in shown] == [True] * 3
    assert [call.output for call in steps(job)[0].tool_log] == ["60000"] * 3


async def test_a_system_prompt_beyond_the_window_fails_before_anything_is_sent(open_with: Open) -> None:
    async with open_with([code("exit()")], prompt="p" * 30_000, context_tokens=4000) as service:
        id_ = await service.submit("helper", message="go")
        summary = await service.wait(id_)
        asked = requests(service)
    assert asked == []
    assert summary.failure is not None
    assert summary.failure["kind"] == "model"
    assert summary.failure["message"].startswith(
        "the request does not fit the model's context window: the system prompt"
    )
