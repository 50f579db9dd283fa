"""What the core asks of a language model: one request, one reply.

The orchestrator's gateway (litellm) and ``statek.testing.ScriptedModel`` both satisfy ``Model``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["Model", "ModelReply", "ModelRequest", "ModelUsage", "ProviderToolCall"]


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One completion request, in OpenAI message form.

    Attributes:
        model: model string as litellm takes it, for example ``openai/gpt-5-mini``.
        messages: OpenAI-form messages, the system message first.
        temperature: 0..1, or None for the provider's default.
        tools: OpenAI-form tool specifications; empty for none.
        job_id: for logs and metering; never sent to the provider.
        turn: index of the model turn within the job, from 0.
        options: further provider parameters from the job's metadata (for example ``api_base``).
    """

    model: str
    messages: tuple[Mapping[str, Any], ...]
    temperature: float | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    job_id: str = ""
    turn: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """What one reply took.

    Attributes:
        input_tokens: prompt tokens, cached ones included.
        output_tokens: completion tokens.
        cached_tokens: prompt tokens that the provider served from its cache.
        cost_microusd: price in millionths of a US dollar; None when no price is known.
        attempts: requests made until this reply came, at least 1.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_microusd: int | None = None
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class ProviderToolCall:
    """A formal tool call that the provider returned.

    Attributes:
        id: the provider's id of the call.
        name: tool name.
        arguments: JSON text as the provider sent it, not yet checked.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ModelReply:
    """One completion.

    Attributes:
        text: the assistant's text; empty when there are only tool calls.
        tool_calls: formal tool calls in the provider's order.
        usage: tokens and cost.
    """

    text: str
    tool_calls: tuple[ProviderToolCall, ...] = ()
    usage: ModelUsage = ModelUsage()


class Model(Protocol):
    """Something that answers a ``ModelRequest``."""

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Answer one request.

        Raises:
            ModelError: the provider failed after the gateway's own retries, or refused.
        """
        ...
