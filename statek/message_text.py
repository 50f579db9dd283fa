"""What a user's message that is no text is told to a job as.

The documents' rule: the adapter ``message_adapter`` in the context of the agent makes the text, else ``str`` does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from statek.exceptions import InvalidRequest, NotFound

if TYPE_CHECKING:
    from statek.agents.agent import Agent

__all__ = ["message_text"]

MESSAGE_ADAPTER = "message_adapter"
"""Under this name ``Agent.get_adapter`` finds a callable from a message to its text."""


def message_text(message: object, find_agent: Callable[[], Agent]) -> str:
    """The text of a message. The adapter is the application's own code and runs on the thread that calls.

    Args:
        message: a text, which stays as it is, or anything else.
        find_agent: gives the agent of the job, asked only for what is no text; where this process knows no such job or
            agent (NotFound), ``str`` makes the text.

    Raises:
        InvalidRequest: the adapter cannot be called, or gives no text; names the agent. What it raises passes.
    """
    if isinstance(message, str):
        return message
    try:
        agent = find_agent()
    except NotFound:
        return str(message)
    adapter = agent.get_adapter(MESSAGE_ADAPTER)
    if adapter is None:
        return str(message)
    if not callable(adapter):
        raise InvalidRequest(f"{MESSAGE_ADAPTER} of agent {agent.role!r} is a {type(adapter).__name__}, not a callable")
    text = adapter(message)
    if not isinstance(text, str):
        raise InvalidRequest(f"{MESSAGE_ADAPTER} of agent {agent.role!r} gave a {type(text).__name__}, not a text")
    return text
