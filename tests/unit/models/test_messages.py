"""Messages made legal for providers that know less than OpenAI's form."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.models.messages import provider_messages

SYSTEM = {"role": "system", "content": "be brief"}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def said(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
ASKED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "3"}


def test_openai_gets_them_as_they_are() -> None:
    messages = [SYSTEM, user("hi"), said("x = 1"), said("y"), {"role": "system", "content": "remember"}, ASKED, RESULT]
    assert provider_messages("openai", messages, has_tools=False) == messages


def test_a_late_system_message_stays_in_its_place() -> None:
    found = provider_messages(
        "anthropic", [SYSTEM, user("hi"), said("yes"), {**SYSTEM, "content": "r"}], has_tools=True
    )
    assert found == [SYSTEM, user("hi"), said("yes"), user("[System] r")]


def test_messages_of_one_side_are_joined() -> None:
    found = provider_messages("gemini", [SYSTEM, user("a"), user("b"), SYSTEM], has_tools=True)
    assert found == [SYSTEM, user("a\n\nb\n\n[System] be brief")]


def test_code_without_output_is_answered() -> None:
    found = provider_messages("anthropic", [SYSTEM, user("hi"), said("x = 1"), said("y = 2")], has_tools=True)
    assert found == [SYSTEM, user("hi"), said("x = 1"), user("(no output)"), said("y = 2"), user("(no output)")]


def test_calls_stay_calls_where_tools_are_offered_and_become_text_elsewhere() -> None:
    messages = [SYSTEM, user("hi"), ASKED, RESULT, user("z")]
    assert provider_messages("anthropic", messages, has_tools=True) == messages
    assert provider_messages("anthropic", messages, has_tools=False) == [
        SYSTEM,
        user("hi"),
        said('add({"a": 1})'),
        user("add: 3\n\nz"),
    ]


ROLES = st.lists(st.sampled_from([user("u"), said("a"), SYSTEM, "call"]), max_size=12)


@given(ROLES, st.booleans())
def test_any_history_becomes_legal(roles: list[Any], has_tools: bool) -> None:
    messages: list[dict[str, Any]] = [SYSTEM, user("first")]
    for role in roles:
        messages += [ASKED, RESULT] if role == "call" else [role]
    found = provider_messages("anthropic", messages, has_tools=has_tools)
    sides = ["model" if message["role"] == "assistant" else "user" for message in found[1:]]
    assert [message for message in found[1:] if message["role"] == "system"] == []
    assert sides[0] == "user"
    assert sides[-1] == "user"
    assert all(not (a["role"] == b["role"] != "tool") for a, b in itertools.pairwise(found))
