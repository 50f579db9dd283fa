"""Messages that are no text."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from statek.agents import Agent
from statek.exceptions import InvalidRequest, NotFound
from statek.message_text import message_text


def agent(**context: Any) -> Agent:
    made = Agent("desk", _metadata={"MODEL": "m"})
    made.context.update(context)
    return made


def nobody() -> NoReturn:
    raise NotFound("no such agent")


def broken(_message: object) -> NoReturn:
    raise NotFound("the adapter's own error")


@pytest.mark.parametrize("key", ["message_adapter", "_message_adapter", "__message_adapter"])
def test_the_agents_adapter_makes_the_text(key: str) -> None:
    assert message_text({"n": 1}, lambda: agent(**{key: lambda message: f"number {message['n']}"})) == "number 1"


def test_a_text_is_nobodys_to_change() -> None:
    assert message_text("hello", nobody) == "hello"


def test_without_an_adapter_or_an_agent_it_is_shown() -> None:
    assert [message_text(5, agent), message_text(["a"], nobody)] == ["5", "['a']"]


@pytest.mark.parametrize(
    ("adapter", "error", "text"),
    [
        ("no function", InvalidRequest, "message_adapter of agent 'desk' is a str, not a callable"),
        (lambda _: b"x", InvalidRequest, "message_adapter of agent 'desk' gave a bytes, not a text"),
        (broken, NotFound, "the adapter's own error"),
    ],
)
def test_an_adapter_that_makes_no_text_is_named(adapter: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as raised:
        message_text(5, lambda: agent(message_adapter=adapter))
    assert str(raised.value) == text
