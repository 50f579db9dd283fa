"""The models of the three agents: one wanted model if its provider's key is set, else a recording for each role."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from examples.dispatcher.agents import ROLES
from orchestrator.models import GatewaySettings, LiteLLMModel
from statek.testing import RecordedProvider, load_transcript

__all__ = ["RoleModels", "role_models"]

_TRANSCRIPTS = Path(__file__).with_name("transcripts")
_WARMUP_MESSAGES = {"dispatcher": 1}
"""Visible warmup blocks by role: each is an assistant message before the first reply."""


@dataclass(frozen=True, slots=True)
class RoleModels:
    """What answers the requests.

    Attributes:
        names: model string by role.
        reason: one line for the user that says which models these are, and why.
        gateway: answers the requests.
    """

    names: Mapping[str, str]
    reason: str
    gateway: LiteLLMModel


@asynccontextmanager
async def role_models(wanted: str) -> AsyncIterator[RoleModels]:
    """Choose the models and have them ready until the block is left.

    Args:
        wanted: model string for every role, ``provider/model``.
    """
    async with AsyncExitStack() as stack:
        recorded: dict[str, str] = {}
        bases: dict[str, str] = {}
        for role in ROLES:
            transcript = load_transcript(_TRANSCRIPTS / f"{role}.md")
            provider = RecordedProvider(transcript, warmup_messages=_WARMUP_MESSAGES.get(role, 0))
            recorded[role] = f"openai/recorded-{role.replace('_', '-')}"
            bases[recorded[role]] = stack.enter_context(provider).api_base
        # The recordings stay reachable whatever keys are set: a job that was begun with one is finished with it.
        gateway = LiteLLMModel(GatewaySettings(model_bases=bases))
        stack.push_async_callback(gateway.aclose)
        missing = await gateway.missing_keys(wanted)
        if missing:
            reason = f"RECORDED replies, no language model ({' and '.join(missing)} is not set for {wanted})"
            yield RoleModels(recorded, reason, gateway)
        else:
            yield RoleModels(dict.fromkeys(ROLES, wanted), f"{wanted}, asked at its provider", gateway)
