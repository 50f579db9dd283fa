"""The model of an example: the wanted one if its provider's key is set, else recorded replies.

The recording is served over HTTP on loopback in the protocol of a provider, so that everything else is as with one.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.models import GatewaySettings, LiteLLMModel
from statek.testing import RecordedProvider, load_transcript

__all__ = ["DEFAULT_MODELS", "ExampleModel", "default_model", "example_model", "has_provider_key"]

DEFAULT_MODELS: Mapping[str, str] = {
    "OPENAI_API_KEY": "openai/gpt-5-mini",
    "ANTHROPIC_API_KEY": "anthropic/claude-sonnet-4-5",
    "GEMINI_API_KEY": "gemini/gemini-2.5-flash",
}
"""What an example asks for unless it is told otherwise, by the environment variable of the provider's key."""


def has_provider_key(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the key of a default model is set."""
    return any(environ.get(name) for name in DEFAULT_MODELS)


def default_model(environ: Mapping[str, str] = os.environ) -> str:
    """The model of the first provider whose key is set, else the first of all.

    Args:
        environ: the environment, this process's own unless told otherwise.
    """
    found = [model for name, model in DEFAULT_MODELS.items() if environ.get(name)]
    return found[0] if found else next(iter(DEFAULT_MODELS.values()))


@dataclass(frozen=True, slots=True)
class ExampleModel:
    """What answers the requests of an example.

    Attributes:
        name: model string for the agent's MODEL.
        recorded: whether it is the recording.
        reason: one line for the user that says which model it is, and why.
        gateway: answers the requests.
    """

    name: str
    recorded: bool
    reason: str
    gateway: LiteLLMModel


@asynccontextmanager
async def example_model(transcript: Path, wanted: str, *, warmup_messages: int = 0) -> AsyncIterator[ExampleModel]:
    """Choose the model and have it ready until the block is left.

    Args:
        transcript: the recorded replies.
        wanted: model string, ``provider/model``.
        warmup_messages: assistant messages that the agent's warmup puts before the first reply.

    Raises:
        TranscriptError: the transcript is broken.
        ModelError: the model string names no known provider.
    """
    recorded = f"openai/recorded-{transcript.parent.name.replace('_', '-')}"
    with RecordedProvider(load_transcript(transcript), warmup_messages=warmup_messages) as provider:
        # The recording stays reachable whatever keys are set: a job that was begun with it is finished with it.
        gateway = LiteLLMModel(GatewaySettings(model_bases={recorded: provider.api_base}))
        try:
            missing = await gateway.missing_keys(wanted)
            if missing:
                reason = f"RECORDED replies, no language model ({' and '.join(missing)} is not set for {wanted})"
                yield ExampleModel(recorded, True, reason, gateway)
            else:
                yield ExampleModel(wanted, False, f"{wanted}, asked at its provider", gateway)
        finally:
            await gateway.aclose()
