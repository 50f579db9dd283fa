"""A model whose replies are written down beforehand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from statek.exceptions import ModelError
from statek.model import ModelReply, ModelRequest, ModelUsage

__all__ = ["ScriptedModel"]

Reply = str | Callable[[ModelRequest], str]


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
            replies: per turn a text, or a function that makes the text from the request.
            delay_seconds: time that each reply takes; 0 answers without giving up the event loop.

        Raises:
            TypeError: ``replies`` is a single string, or one of them is neither text nor callable.
            ValueError: the delay is negative.
        """
        if isinstance(replies, str):
            raise TypeError("replies must be a sequence of replies, got a single str")
        for position, reply in enumerate(replies):
            if not isinstance(reply, str) and not callable(reply):
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
        text = reply if isinstance(reply, str) else reply(request)
        sent = sum(len(str(message.get("content") or "")) for message in request.messages)
        return ModelReply(text, usage=ModelUsage(input_tokens=(sent + 3) // 4, output_tokens=(len(text) + 3) // 4))
