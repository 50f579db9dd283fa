"""Formal tool calls as a hostile or broken provider sends them."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.engine import step_actions
from orchestrator.engine.provider_calls import (
    MAX_CALLS,
    accept_calls,
    call_action,
    calls_from_data,
    calls_to_data,
    legal_arguments,
    legal_name,
)
from orchestrator.sandboxes.outbound import run_frame
from orchestrator.sandboxes.step import Action, ActionKind, StepInput
from sandbox_runner.wire import values
from statek.model import ProviderToolCall

OFFERED = frozenset({"add", "python_cli"})
KNOWN = frozenset({"add", "python_cli", "_secret"})
TEXT = st.text(st.characters(), max_size=60)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def refusal(arguments: str, name: str = "add") -> tuple[ActionKind, str, str]:
    action = call_action(ProviderToolCall("c", name, arguments), OFFERED, KNOWN)
    return action.kind, action.error_type, action.error_message


@given(TEXT | st.sampled_from(sorted(KNOWN)), TEXT | JSON.map(json.dumps))
def test_whatever_is_called_becomes_an_action_that_can_be_sent(name: str, arguments: str) -> None:
    action = call_action(ProviderToolCall("c", name, arguments), OFFERED, KNOWN)
    assert action.kind in ActionKind
    run_frame(StepInput(step=1, code="", time_us=0, seed=0, actions=(action,)))
    assert isinstance(json.loads(legal_arguments(arguments)), dict)
    assert 1 <= len(legal_name(name)) <= 64
    assert legal_name(name).encode("ascii")


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=40), st.frozensets(TEXT, max_size=5), st.integers(0, 100))
def test_ids_of_a_history_are_never_there_twice(
    calls: list[tuple[str, str, str]], taken: frozenset[str], turn: int
) -> None:
    kept, left_out = accept_calls([ProviderToolCall(*call) for call in calls], taken, turn)
    ids = [call.id for call in kept]
    assert len(set(ids)) == len(ids)
    assert set(ids).isdisjoint(taken)
    assert (len(kept), left_out) == (min(len(calls), MAX_CALLS), max(0, len(calls) - MAX_CALLS))
    assert calls_from_data(json.loads(json.dumps(calls_to_data(kept)))) == kept


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("[1]", "add: the arguments must be a JSON object with one entry per parameter, not an array"),
        ('{"a": NaN}', "add: the arguments are no JSON: NaN is no JSON value"),
        ('{"a":' + "[" * 90_000 + "]" * 90_000 + "}", "add: the arguments are nested too deeply"),
        ("{" * 300_000, "add: limit call_arguments is 200000 characters, these are 300000"),
    ],
)
def test_arguments_that_are_none(arguments: str, message: str) -> None:
    assert refusal(arguments) == (ActionKind.REFUSED, "ValueError", message)


def test_a_number_of_too_many_digits_is_refused() -> None:
    kind, error, message = refusal('{"a":' + "1" * 190_000 + "}")
    assert (kind, error) == (ActionKind.REFUSED, "ValueError")
    assert message.startswith("add: the arguments are no JSON: Exceeds the limit (4300 digits)")


@pytest.mark.parametrize("name", ["_secret", "eval", "add ", "аdd", "__import__", "add\0", ""])
def test_only_names_that_were_offered_are_called(name: str) -> None:
    assert refusal("{}", name)[:2] == (ActionKind.REFUSED, "NameError")


@pytest.mark.parametrize("arguments", ['{"code": 1}', "{}", '{"code": "x", "more": 1}', '{"Code": "x"}'])
def test_python_cli_takes_code_alone(arguments: str) -> None:
    expected = (ActionKind.REFUSED, "TypeError", "python_cli() takes one argument: code, a string")
    assert refusal(arguments, "python_cli") == expected


def test_lone_surrogates_stay_what_they_are_in_values() -> None:
    action = call_action(ProviderToolCall("c", "add", '{"a": "\\ud800"}'), OFFERED, KNOWN)
    assert values.decode(action.args) == [[], {"a": "\ud800"}]


async def test_long_arguments_are_not_read_on_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    read_in: list[bool] = []
    main = threading.get_ident()

    def noting(*args: Any) -> Action:
        read_in.append(threading.get_ident() == main)
        return call_action(*args)

    class Job:
        provider_tools = OFFERED
        tools = dict.fromkeys(KNOWN)

    class Source:
        kind = "reply"
        calls = (ProviderToolCall("1", "add", "{}"), ProviderToolCall("2", "add", '{"a":[' + "[]," * 60_000 + "1]}"))

    async def allow(code: str) -> str | None:
        return None

    monkeypatch.setattr(step_actions, "call_action", noting)
    actions = await asyncio.wait_for(step_actions.actions_of(Job(), Source(), allow), 30)  # type: ignore[arg-type]
    assert [action.kind for action in actions] == [ActionKind.TOOL, ActionKind.TOOL]
    assert read_in == [True, False]


async def test_calls_too_long_together_are_refused_one_by_one() -> None:
    class Job:
        provider_tools = OFFERED
        tools = dict.fromkeys(KNOWN)

    class Source:
        kind = "reply"
        calls = tuple(ProviderToolCall(str(n), "add", '{"a":"' + "x" * 150_000 + '"}') for n in range(4))

    async def allow(code: str) -> str | None:
        return None

    actions = await step_actions.actions_of(Job(), Source(), allow)  # type: ignore[arg-type]
    assert [action.error_type for action in actions] == ["", *["LimitExceeded"] * 3]
