"""What the program is told on the command line, and which model that comes down to."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from examples.calendar_assistant.agent import TRANSCRIPT, WARMUP_MESSAGES
from examples.recorded import DEFAULT_MODELS, default_model, has_provider_key
from orchestrator.models import GatewaySettings, LiteLLMModel
from statek.testing import RecordedProvider, load_transcript

__all__ = [
    "RECORDED_MODEL",
    "ChosenModel",
    "Options",
    "choose_model",
    "parse_options",
    "recorded_provider",
]

RECORDED_MODEL = "openai/recorded-calendar-assistant"
"""Not a model of the provider: the recorded transcript, served on loopback in its protocol."""


@dataclass(frozen=True, slots=True)
class Options:
    """The command line.

    Attributes:
        ics: calendar file to import; None for the default calendar.
        model: model string, ``provider/model``.
        data_dir: folder of the store and the outbox.
    """

    ics: Path | None
    model: str
    data_dir: Path

    @property
    def outbox(self) -> Path:
        """The file that messages are sent to."""
        return self.data_dir / "outbox.jsonl"


def parse_options(arguments: Sequence[str]) -> Options:
    """Read the command line; empty values count as not given, as ``make run ICS= MODEL=`` passes them.

    Raises:
        SystemExit: a wrong argument (2), or help was asked for (0).
    """
    parser = argparse.ArgumentParser(
        prog="python -m examples.calendar_assistant",
        description="Let an agent in a sandbox move a meeting in a durable calendar.",
        allow_abbrev=False,
    )
    parser.add_argument("--ics", metavar="FILE", default="", help="iCalendar file to import (default: a made-up year)")
    parser.add_argument("--model", default="", help=f"provider/model (default: {default_model()})")
    parser.add_argument("--data-dir", metavar="DIR", default="", help="where state is kept (default: .statek)")
    given = parser.parse_args(arguments)
    model = given.model.strip() or default_model()
    if any(c.isspace() or not c.isprintable() for c in model):
        parser.error(f"argument --model: {model!r} is no model string; expected provider/model")
    return Options(
        ics=Path(given.ics) if given.ics else None,
        model=model,
        data_dir=Path(given.data_dir or ".statek"),
    )


@dataclass(frozen=True, slots=True)
class ChosenModel:
    """What answers the requests.

    Attributes:
        name: model string for the agent's MODEL.
        recorded: it is the recorded transcript.
        lines: what to tell the user first.
        gateway: settings for ``LiteLLMModel``; they always lead RECORDED_MODEL to the provider, so that a job that
            was begun with the recording can be finished with it whatever keys are set by then.
    """

    name: str
    recorded: bool
    lines: tuple[str, ...]
    gateway: GatewaySettings


def recorded_provider() -> RecordedProvider:
    """The server for the example's transcript, not yet listening.

    Raises:
        TranscriptError: the transcript is broken.
    """
    return RecordedProvider(load_transcript(TRANSCRIPT), warmup_messages=WARMUP_MESSAGES)


async def choose_model(wanted: str, provider: RecordedProvider) -> ChosenModel:
    """The wanted model if its keys are set, else the recording.

    Args:
        wanted: model string, ``provider/model``.
        provider: the recorded provider, listening.

    Raises:
        ModelError: the model string names no known provider.
    """
    settings = GatewaySettings(model_bases={RECORDED_MODEL: provider.api_base})
    if wanted == RECORDED_MODEL:
        return ChosenModel(RECORDED_MODEL, True, _recorded_lines("the recording was asked for", provider), settings)
    gateway = LiteLLMModel(settings)
    try:
        missing = await gateway.missing_keys(wanted)
    finally:
        await gateway.aclose()
    if not missing:
        return ChosenModel(wanted, False, (f"Model: {wanted}, asked at its provider.",), settings)
    if wanted == default_model() and not has_provider_key():
        *others, last = DEFAULT_MODELS
        reason = f"no provider key is set: {', '.join(others)} or {last}"
    else:
        reason = f"{' and '.join(missing)} is not set, so {wanted} cannot be asked"
    return ChosenModel(RECORDED_MODEL, True, _recorded_lines(reason, provider), settings)


def _recorded_lines(reason: str, provider: RecordedProvider) -> tuple[str, ...]:
    return (
        f"Model: RECORDED replies, no language model ({reason}).",
        f"       They come over HTTP from {provider.api_base}, out of examples/calendar_assistant/{TRANSCRIPT.name}.",
    )
