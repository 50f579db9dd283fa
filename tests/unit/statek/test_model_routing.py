from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.agents import Agent
from statek.difficulty import TaskDifficulty
from statek.exceptions import ConfigurationError, InvalidRequest
from statek.job_definition import JobDefinition
from statek.model_routing import ModelRoute, ProviderConfig, resolve_provider_config, route_model
from statek.settings import StatekSettings, set_statek_settings

CONFIG = {
    "OpenRouter": {
        "reasoning": {
            "reasoning_level": [{"range": {"from": 0, "to": 100}, "payload": {"reasoning": {"effort": "low"}}}]
        },
        "deepseek": {
            "R1": {
                "reasoning": {
                    "reasoning_level": [
                        {"range": {"from": 1, "to": 50}, "payload": {"reasoning_effort": "low"}},
                        {"range": {"from": 51, "to": 100}, "payload": {"reasoning": {"max_tokens": 9}, "top_p": 1}},
                    ],
                    "ignore_parameters": ["temperature", "top_k"],
                }
            }
        },
    },
    "CLAUDE": {"sonnet": {"reasoning": {"reasoning_level": []}}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "provider", "model"),
    [
        ("gpt-5-mini", "", "gpt-5-mini"),
        ("gpt-5-mini", "OPENAI", "openai/gpt-5-mini"),
        ("openai/gpt-5-mini", "", "openai/gpt-5-mini"),
        ("openai/gpt-5-mini", "AZURE", "openai/gpt-5-mini"),
        ("openai/gpt-5-mini", "OPENROUTER", "openrouter/openai/gpt-5-mini"),
        ("OPENROUTER/x/m:free", "", "openrouter/x/m:free"),
        ("openrouter/auto", "OPENROUTER", "openrouter/auto"),
        ("x/y/m:free", "OPENAI", "x/y/m:free"),
        ("CLAUDE/sonnet", "", "anthropic/sonnet"),
        ("m", "GROK", "xai/m"),
        (" openai / m ", "", "openai/m"),
    ],
)
def test_provider_is_that_of_the_string_else_the_given_one(text: str, provider: str, model: str) -> None:
    assert route_model(text, provider) == ModelRoute(model)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("openai/m/max_tokens=800&TOP_P=0.5", {"max_tokens": "800", "top_p": "0.5"}),
        ("openai/m/rl=0", {}),
        ("openai/m/rl=33", {"reasoning_effort": "low"}),
        ("openai/m/reasoning_level=34", {"reasoning_effort": "medium"}),
        ("openai/m/rl=100&seed=1", {"reasoning_effort": "high", "seed": "1"}),
    ],
)
def test_parameters_become_options(text: str, options: dict[str, Any]) -> None:
    assert route_model(text) == ModelRoute("openai/m", options)


@pytest.mark.parametrize(
    ("text", "options", "ignored"),
    [
        ("openrouter/any/m/rl=5", {"extra_body": {"reasoning": {"effort": "low"}}}, set()),
        ("OPENROUTER/DeepSeek/r1/rl=50", {"reasoning_effort": "low"}, {"temperature", "top_k"}),
        (
            "openrouter/deepseek/r1/rl=51&top_k=3",
            {"extra_body": {"reasoning": {"max_tokens": 9}}, "top_p": 1},
            {"temperature", "top_k"},
        ),
        ("anthropic/sonnet/rl=0", {}, set()),
        ("openrouter/deepseek/r1", {}, set()),
    ],
)
def test_provider_config_says_how_reasoning_is_asked_for(text: str, options: Any, ignored: set[str]) -> None:
    route = route_model(text, config=ProviderConfig(CONFIG))
    assert (dict(route.options), set(route.ignored)) == (options, ignored)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("openai//m", "model 'openai//m': a part of it is empty"),
        ("openai/m/rl=101", "model 'openai/m/rl=101': reasoning level '101' must be a whole number from 0 to 100"),
        ("openai/m/rl=x", "model 'openai/m/rl=x': reasoning level 'x' must be a whole number from 0 to 100"),
        ("openai/m/rl=1&", "model 'openai/m/rl=1&': parameters must look like /rl=50&max_tokens=800"),
        ("claude/sonnet/rl=7", "provider_config says nothing of reasoning level 7 for anthropic/sonnet"),
        ("groq/m/rl=7", "provider_config says nothing of reasoning level 7 for groq/m"),
    ],
)
def test_what_cannot_be_routed_is_named(text: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        route_model(text, config=ProviderConfig(CONFIG))
    assert str(error.value) == message


@given(
    st.text(max_size=30) | st.from_regex(r"\A[a-z/]{0,8}(/[a-z=&0-9]{0,10})?\Z"), st.sampled_from(["", "OPENROUTER"])
)
def test_any_text_is_a_route_or_a_named_error(text: str, provider: str) -> None:
    try:
        route = route_model(text, provider)
    except InvalidRequest as error:
        assert repr(text) in str(error)  # noqa: PT017
    else:
        assert route.model


@given(
    st.recursive(
        st.none() | st.integers(-1, 101) | st.sampled_from(["reasoning", "x"]),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["openai", "m", "reasoning", "reasoning_level", "range", "from", "to", "payload"]),
                inner,
            )
        ),
        max_leaves=12,
    )
)
def test_any_provider_config_answers_or_is_named(tree: Any) -> None:
    try:
        route_model("openai/m/rl=9", config=ProviderConfig({"openai": {"m": {"reasoning": tree}}}))
    except InvalidRequest as error:
        assert "provider_config" in str(error)  # noqa: PT017


def test_unreadable_provider_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        resolve_provider_config(tmp_path / "no.json")
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(ConfigurationError, match="is no JSON"):
        resolve_provider_config(tmp_path / "x.json")
    (tmp_path / "y.json").write_text("[]")
    with pytest.raises(ConfigurationError, match="must be an object of providers"):
        resolve_provider_config(tmp_path / "y.json")


def test_job_keeps_the_provider_config_that_it_was_made_with(tmp_path: Path) -> None:
    path = tmp_path / "providers.json"
    path.write_text(json.dumps(CONFIG))
    set_statek_settings(StatekSettings(provider_config=path, default_llm_api_provider="OPENROUTER"))
    try:
        metadata = {"MODEL": "LM:deepseek/r1/rl=9,H:deepseek/r1/rl=99", "TEMPERATURE": "0.5", "TOP_K": "3"}
        definition = Agent("a", _metadata=metadata).create_job_def()
    finally:
        set_statek_settings(None)
    path.unlink()
    again = JobDefinition.from_json(definition.to_json())
    assert again == definition
    assert again.model == "openrouter/deepseek/r1"
    assert again.model_options_for(TaskDifficulty.LOW) == {"reasoning_effort": "low"}
    assert again.model_options_for(TaskDifficulty.HIGH)["extra_body"] == {"reasoning": {"max_tokens": 9}}
    assert again.temperature_for(TaskDifficulty.HIGH) is None


def test_level_that_a_config_does_not_know_is_refused_when_the_job_is_made() -> None:
    agent = Agent("a", _metadata={"MODEL": "LM:groq/m,H:groq/m/rl=9"})
    with pytest.raises(InvalidRequest) as error:
        agent.create_job_def(provider_config=CONFIG)
    assert str(error.value) == "agent 'a': provider_config says nothing of reasoning level 9 for groq/m"


def test_temperature_of_the_model_string_goes_before_metadata() -> None:
    definition = Agent("a", _metadata={"MODEL": "x/m/temperature=0.25", "TEMPERATURE": "0.5"}).create_job_def()
    assert (definition.temperature, definition.model_options) == (0.25, {})
    with pytest.raises(InvalidRequest, match="agent 'a': TEMPERATURE '7' must be a number from 0 to 1"):
        Agent("a", _metadata={"MODEL": "x/m/temperature=7"}).create_job_def()


@pytest.mark.parametrize("level", ["9" * 5000, "101", "0101", "-1", "\u00b2", "1.5", ""])
def test_a_reasoning_level_of_any_length_is_refused_by_name(level: str) -> None:
    with pytest.raises(InvalidRequest, match=r"must be a whole number from 0 to 100$"):
        route_model(f"openai/m/rl={level}")


@pytest.mark.parametrize("source", [3, [], b"file"])
def test_a_provider_configuration_of_another_type_is_refused(source: object) -> None:
    with pytest.raises(ConfigurationError, match=rf"^provider_config is given .*, not as {type(source).__name__}$"):
        resolve_provider_config(source)  # type: ignore[arg-type]
