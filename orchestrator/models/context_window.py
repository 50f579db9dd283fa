"""How many tokens a request may have."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from statek.model import Model

__all__ = ["KnowsWindows", "request_window"]

REPLY_TOKENS = 8192
"""Room that is left for the reply, where the request does not bound it; at most a quarter of the window."""


@runtime_checkable
class KnowsWindows(Protocol):
    """A model gateway that can tell the context window of a model."""

    async def context_tokens(self, model: str) -> int | None:
        """Tokens that a request to the model may have; None where nobody knows."""
        ...


async def request_window(model: Model, name: str, *, default_tokens: int, reply_tokens: int | None = None) -> int:
    """Tokens that the messages and tools of a request may have.

    Args:
        model: the gateway.
        name: model string of the job.
        default_tokens: window of a model that the gateway does not know.
        reply_tokens: what the request lets the reply have.
    """
    known = await model.context_tokens(name) if isinstance(model, KnowsWindows) else None
    window = known or default_tokens
    reserved = REPLY_TOKENS if reply_tokens is None else reply_tokens
    return window - min(reserved, window // 4)
