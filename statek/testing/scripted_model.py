"""A model whose replies are written down beforehand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from statek.exceptions import ModelError
from statek.model import ModelReply, ModelRequest, ModelUsage, ProviderToolCall

__all__ = ["ScriptedModel", "scripted_call", "scripted_reply"]

Reply = str | ModelReply | Callable[[ModelRequest], str | ModelReply]


class ScriptedModel:
    """Answers turn ``n`` of every job with reply ``n`` of the script.

    It chooses by ``request.turn`` and keeps no position of its own, so a fresh instance in a restarted process goes on
    where the job is, and several jobs can share one instance.

    Attributes:
        requests: every request in the order of arrival, also those that ended in an error.
    """

    def __init__(self, replies: Sequence[Reply], delay_seconds: float = 0) -> None:
        """Keep the script.

        Args:
            replies: per turn a text, a ``ModelReply`` (see ``scripted_reply``), or a function that makes one of them
                from the request.
            delay_seconds: time that each reply takes; 0 answers without giving up the event loop.

        Raises:
            TypeError: ``replies`` is a single string, or one of them is neither text nor callable.
            ValueError: the delay is negative.
        """
        if isinstance(replies, str):
            raise TypeError("replies must be a sequence of replies, got a single str")
        for position, reply in enumerate(replies):
            if not isinstance(reply, str | ModelReply) and not callable(reply):
                raise TypeError(f"reply {position} must be a str or a callable, got {type(reply).__name__}")
        if delay_seconds < 0:
            raise ValueError(f"delay_seconds must not be negative, got {delay_seconds}")
        self._replies = tuple(replies)
        self._delay_seconds = delay_seconds
        self.requests: list[ModelRequest] = []

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Answer with the reply of the request's turn; tokens are counted as one per four characters.

        Raises:
            ModelError: the script has no reply for this turn.
        """
        self.requests.append(request)
        if self._delay_seconds:
            await asyncio.sleep(self._delay_seconds)
        if not 0 <= request.turn < len(self._replies):
            job = f" of job {request.job_id}" if request.job_id else ""
            raise ModelError(
                f"the script has {len(self._replies)} replies (turns 0 to {len(self._replies) - 1}), "
                f"turn {request.turn}{job} needs another one"
            )
        reply = self._replies[request.turn]
        made = reply if isinstance(reply, str | ModelReply) else reply(request)
        answer = ModelReply(made) if isinstance(made, str) else made
        if answer.usage != ModelUsage():
            return answer
        sent = sum(len(str(message.get("content") or "")) for message in request.messages)
        said = len(answer.text) + sum(len(call.arguments) for call in answer.tool_calls)
        return replace(answer, usage=ModelUsage(input_tokens=(sent + 3) // 4, output_tokens=(said + 3) // 4))


def scripted_reply(text: str = "", *calls: ProviderToolCall) -> ModelReply:
    """A reply with formal tool calls, for a script."""
    return ModelReply(text, calls)


def scripted_call(name: str, call_id: str = "", /, **arguments: Any) -> ProviderToolCall:
    """A formal tool call with arguments that JSON can hold; without an id the job makes one."""
    return ProviderToolCall(call_id, name, json.dumps(arguments))
