"""Which model the calendar example asks."""

from __future__ import annotations

import pytest

from examples.calendar_assistant.options import RECORDED_MODEL, choose_model, parse_options, recorded_provider
from orchestrator.models import LiteLLMModel
from statek.model import ModelRequest

pytestmark = pytest.mark.timeout(60)


KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY")


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)


async def test_without_a_key_the_recording_answers():
    with recorded_provider() as provider:
        chosen = await choose_model("openai/gpt-5-mini", provider)
        assert (chosen.name, chosen.recorded) == (RECORDED_MODEL, True)
        assert chosen.gateway.model_bases == {RECORDED_MODEL: provider.api_base}
        reason = "no provider key is set: OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY"
        assert chosen.lines == (
            f"Model: RECORDED replies, no language model ({reason}).",
            f"       They come over HTTP from {provider.api_base}, out of examples/calendar_assistant/transcript.md.",
        )


async def test_a_wanted_model_without_its_key_is_named(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    with recorded_provider() as provider:
        chosen = await choose_model("anthropic/claude-sonnet-4-5", provider)
    assert chosen.recorded
    reason = "ANTHROPIC_API_KEY is not set, so anthropic/claude-sonnet-4-5 cannot be asked"
    assert chosen.lines[0] == f"Model: RECORDED replies, no language model ({reason})."


@pytest.mark.parametrize(
    ("keys", "model"),
    [
        (KEYS[:3], "openai/gpt-5-mini"),
        (KEYS[1:3], "anthropic/claude-sonnet-4-5"),
        (KEYS[2:3], "gemini/gemini-2.5-flash"),
    ],
)
async def test_any_provider_key_takes_a_real_model(monkeypatch, keys, model):
    for name in keys:
        monkeypatch.setenv(name, "x")
    with recorded_provider() as provider:
        chosen = await choose_model(parse_options([]).model, provider)
    assert (chosen.name, chosen.recorded) == (model, False)
    assert chosen.lines == (f"Model: {model}, asked at its provider.",)


async def test_with_a_key_the_model_answers(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    with recorded_provider() as provider:
        chosen = await choose_model("openai/gpt-5-mini", provider)
        asked_for = await choose_model(RECORDED_MODEL, provider)
    assert (chosen.name, chosen.recorded) == ("openai/gpt-5-mini", False)
    assert chosen.lines == ("Model: openai/gpt-5-mini, asked at its provider.",)
    assert asked_for.recorded


async def test_the_recorded_model_is_answered_by_the_recording():
    with recorded_provider() as provider:
        chosen = await choose_model("openai/gpt-5-mini", provider)
        model = LiteLLMModel(chosen.gateway)
        try:
            messages = ({"role": "user", "content": "hi"}, {"role": "assistant", "content": "warm-up"})
            reply = await model.complete(ModelRequest(chosen.name, messages))
        finally:
            await model.aclose()
    assert reply.text.startswith("I look at today first.")
    assert reply.usage.cost_microusd is None
