"""Which model the calendar example asks."""

from __future__ import annotations

import pytest

from examples.calendar_assistant.options import RECORDED_MODEL, choose_model, recorded_provider
from orchestrator.models import LiteLLMModel
from statek.model import ModelRequest

pytestmark = pytest.mark.timeout(60)


async def test_without_a_key_the_recording_answers(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with recorded_provider() as provider:
        chosen = await choose_model("openai/gpt-5-mini", provider)
        assert (chosen.name, chosen.recorded) == (RECORDED_MODEL, True)
        assert chosen.gateway.model_bases == {RECORDED_MODEL: provider.api_base}
        reason = "OPENAI_API_KEY is not set, so openai/gpt-5-mini cannot be asked"
        assert chosen.lines == (
            f"Model: RECORDED replies, no language model ({reason}).",
            f"       They come over HTTP from {provider.api_base}, out of examples/calendar_assistant/transcript.md.",
        )


async def test_with_a_key_the_model_answers(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    with recorded_provider() as provider:
        chosen = await choose_model("openai/gpt-5-mini", provider)
        asked_for = await choose_model(RECORDED_MODEL, provider)
    assert (chosen.name, chosen.recorded) == ("openai/gpt-5-mini", False)
    assert chosen.lines == ("Model: openai/gpt-5-mini, asked at its provider.",)
    assert asked_for.recorded


async def test_the_recorded_model_is_answered_by_the_recording(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
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
