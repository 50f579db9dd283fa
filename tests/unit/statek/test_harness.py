from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.agents import Agent
from statek.exceptions import InvalidRequest
from statek.harness import HARNESS_KEYS, LLM_Harness, get_llm_harness, harness_from_metadata, parse_harness_value
from statek.settings import StatekSettings


def test_settings_give_the_limits() -> None:
    settings = StatekSettings(max_turns=7, max_exceptions=None, limit_extension_per_completion=0.5)
    assert get_llm_harness(settings) == LLM_Harness(7, None, 10, 5_000_000, 0.5)


def test_every_limit_is_finite_unless_the_application_says_otherwise() -> None:
    assert get_llm_harness(StatekSettings()) == LLM_Harness() == LLM_Harness(100, 50, 10, 5_000_000, 1.0)
    assert LLM_Harness().after(2).max_token_usage == 15_000_000


def test_extension_is_a_share_of_the_base_per_completion() -> None:
    harness = LLM_Harness(10, 3, 2, None, 0.5)
    assert [harness.after(n).max_turns for n in (0, 1, 3)] == [10, 15, 25]
    assert harness.after(1) == LLM_Harness(10 + 5, 4, 2, None, 0.5)
    assert LLM_Harness(10, limit_extension_per_completion=0.0).after(9).max_turns == 10


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_turns": 0}, "harness limit max_turns is 0, must be None or at least 1"),
        ({"max_exceptions": -1}, "harness limit max_exceptions is -1, must be None or at least 0"),
        ({"max_token_usage": 1.5}, "harness limit max_token_usage is 1.5, must be None or at least 1"),
        ({"limit_extension_per_completion": -0.1}, "limit_extension_per_completion is -0.1, must be a number from 0"),
    ],
)
def test_limits_that_make_no_sense_are_refused_by_name(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        LLM_Harness(**values)
    assert str(error.value) == message


def test_metadata_goes_before_the_base() -> None:
    metadata = {"MODEL": "a/b", "MAX_TURNS": "7", "MAX_TOKEN_USAGE": "None", "LIMIT_EXTENSION_PER_COMPLETION": "0.25"}
    assert harness_from_metadata(LLM_Harness(max_token_usage=5), metadata) == LLM_Harness(7, 50, 10, None, 0.25)


def test_metadata_is_checked_when_the_job_is_made_and_is_no_model_option() -> None:
    agent = Agent("a", _metadata={"MODEL": "x/y", "max_turns": "3"})
    assert agent.create_job_def().model_options == {}
    broken = Agent("a", _metadata={"MODEL": "x/y", "max_turns": "few"})
    with pytest.raises(InvalidRequest) as error:
        broken.create_job_def()
    assert str(error.value) == "agent 'a': MAX_TURNS 'few' must be a number or none"


@given(st.sampled_from(HARNESS_KEYS), st.text(max_size=20))
def test_any_text_is_a_limit_or_a_named_error(key: str, text: str) -> None:
    try:
        value = parse_harness_value(key, text)
    except InvalidRequest as error:
        assert key in str(error)  # noqa: PT017
    else:
        assert value is None or value >= 0
