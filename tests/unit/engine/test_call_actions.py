"""Formal calls as models write them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.engine.provider_calls import (
    MAX_ARGUMENT_CHARS,
    MAX_CALLS,
    accept_calls,
    call_action,
    calls_from_data,
    calls_to_data,
    framework_calls,
    legal_arguments,
    legal_name,
    refused_action,
)
from orchestrator.sandboxes.outbound import run_frame
from orchestrator.sandboxes.step import Action, ActionKind, StepInput
from sandbox_runner.wire import values
from statek.model import ProviderToolCall
from statek.warmup import WarmupCall

NO_OBJECT = "the arguments must be a JSON object with one entry per parameter"


def call(arguments: str, name: str = "add") -> ProviderToolCall:
    return ProviderToolCall("c1", name, arguments)


def action(arguments: str, name: str = "add") -> Action:
    return call_action(call(arguments, name), {"add", "python_cli"}, {"hidden"})


def test_a_call_becomes_a_tool_call_with_keywords() -> None:
    made = action('{"a": 1, "b": [null, "x", 1.5, {"k": true}]}')
    assert (made.kind, made.tool) == (ActionKind.TOOL, "add")
    assert values.decode(made.args) == [[], {"a": 1, "b": [None, "x", 1.5, {"k": True}]}]
    assert values.decode(action("").args) == values.decode(action(" {} ").args) == [[], {}]


def test_python_cli_becomes_code() -> None:
    assert action('{"code": "x = 1"}', "python_cli") == Action(ActionKind.CODE, code="x = 1")
    assert action(json.dumps({"code": "```python\nx = 1\n```"}), "python_cli").code == "x = 1"
    assert action('{"code": "\\ud800"}', "python_cli").code == "\\ud800"


@pytest.mark.parametrize(
    ("arguments", "name", "error"),
    [
        ("{}", "nope", "NameError: tool 'nope' not found"),
        ("{}", "hidden", "NameError: tool 'hidden' is not exposed to this job"),
        (
            "[1]",
            "add",
            "ValueError: add: the arguments must be a JSON object with one entry per parameter, not an array",
        ),
        ("7", "add", "ValueError: add: the arguments must be a JSON object with one entry per parameter, not a number"),
        ('{"a": NaN}', "add", "ValueError: add: the arguments are no JSON: NaN is no JSON value"),
        ("[" * 100_000, "add", "ValueError: add: the arguments are nested too deeply"),
        ('{"code": 1}', "python_cli", "TypeError: python_cli() takes one argument: code, a string"),
        ("{}", "python_cli", "TypeError: python_cli() takes one argument: code, a string"),
        (
            "x" * (MAX_ARGUMENT_CHARS + 1),
            "add",
            "ValueError: add: limit call_arguments is 200000 characters, these are 200001",
        ),
    ],
)
def test_what_cannot_be_made_says_why(arguments: str, name: str, error: str) -> None:
    made = action(arguments, name)
    assert (made.kind, f"{made.error_type}: {made.error_message}") == (ActionKind.REFUSED, error)


@settings(max_examples=300)
@given(st.text(max_size=80) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps), st.text())
def test_any_arguments_make_an_action_that_crosses(arguments: str, name: str) -> None:
    for chosen in (name, "add", "python_cli"):
        run_frame(StepInput(1, "", 0, 0, actions=(action(arguments, chosen),)))
        assert isinstance(json.loads(legal_arguments(arguments)), dict)
        assert legal_name(chosen)


def test_a_long_error_is_cut() -> None:
    assert len(refused_action("E", "x" * 10_000).error_message) == 2003


def test_ids_are_unique_and_printable() -> None:
    calls = [ProviderToolCall(id_, "f", "{}") for id_ in ("a", "a", "", "b c", "old", "call-3-2", "thought+/=.|x")]
    kept, left_out = accept_calls(calls, {"old"}, 3)
    assert [one.id for one in kept] == [
        "a",
        "call-3-2",
        "call-3-3",
        "call-3-4",
        "call-3-5",
        "call-3-6",
        "thought+/=.|x",
    ]
    assert left_out == 0
    assert calls_from_data(calls_to_data(kept)) == kept


def test_calls_of_one_reply_are_bounded() -> None:
    kept, left_out = accept_calls([call("{}")] * (MAX_CALLS + 5), set(), 0)
    assert (len(kept), left_out, len({one.id for one in kept})) == (MAX_CALLS, 5, MAX_CALLS)


def test_framework_calls_show_positional_arguments_by_name() -> None:
    made = framework_calls(
        [WarmupCall("STATEK-001", "add", (1, 2), {"c": 3}), WarmupCall("STATEK-002", "unknown", (1,))],
        lambda name: ["a", "b", "c"] if name == "add" else [],
    )
    assert [one.arguments for one in made] == ['{"a": 1, "b": 2, "c": 3}', '{"argument_1": 1}']
