from __future__ import annotations

import pytest

from orchestrator.models.options import request_options
from statek.exceptions import ModelError


def test_texts_become_what_the_provider_expects():
    assert request_options(
        {
            "max_tokens": "100",
            "top_p": "0.5",
            "parallel_tool_calls": "False",
            "response_format": '{"type": "json_object"}',
            "stop": '["a", "b"]',
            "tool_choice": "auto",
            "reasoning_effort": "low",
        }
    ) == {
        "max_tokens": 100,
        "top_p": 0.5,
        "parallel_tool_calls": False,
        "response_format": {"type": "json_object"},
        "stop": ["a", "b"],
        "tool_choice": "auto",
        "reasoning_effort": "low",
    }


def test_typed_values_stay():
    options = {"max_tokens": 100, "top_p": 1, "stop": ["x"]}
    assert request_options(options) == options


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("max_tokens", "many", "a whole number"),
        ("top_p", "nan", "a number"),
        ("parallel_tool_calls", "yes", "true or false"),
        ("response_format", "{", "a JSON object"),
        ("stop", "[", "text or a JSON list"),
    ],
)
def test_a_text_that_is_no_value_is_named(name, value, kind):
    with pytest.raises(ModelError) as caught:
        request_options({name: value})
    assert str(caught.value) == f"model option {name} must be {kind}, got {value!r}"
