"""Messages as providers take them that know less than OpenAI's form.

The engine writes one form for all: system messages anywhere, several messages of one side in a row, formal tool
calls in the history of a job that offers no tools now. OpenAI takes that as it is. For everybody else it is made legal
here, so that nothing of it is lost or moved on the way: litellm would put a late system message before the
conversation, where it answers nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["provider_messages"]

Message = dict[str, Any]

_OPENAI_FORM = frozenset({"azure", "openai"})
"""Providers that take the engine's form as it is."""

_SIDES = frozenset({"assistant", "user"})
"""Roles that must take turns; results of calls come one after the other."""

SYSTEM_MARK = "[System] "
"""Before what the service says in the middle of a conversation, where that must be a user message."""

NO_OUTPUT = "(no output)"
"""Stands for what a step did not print, where two replies in a row, or a reply at the end, are refused."""


def provider_messages(provider: str, messages: Iterable[Mapping[str, Any]], *, has_tools: bool) -> list[Message]:
    """The messages of a request for a provider.

    Made anew for each request, in time that grows with their number: bounded by the model's context window, in which
    ``orchestrator.engine.conversation`` keeps them, and not by the number of turns (``request_bound`` in benchmarks).

    Args:
        provider: litellm's name of it.
        messages: in the engine's form.
        has_tools: whether the request offers tools; without them several providers refuse calls in the history.
    """
    if provider in _OPENAI_FORM:
        return [dict(message) for message in messages]
    out: list[Message] = []
    previous = ""
    for message in messages if has_tools else _without_calls(messages):
        role = message["role"]
        if role == "system" and previous:
            role = "user"
            message = {"role": role, "content": f"{SYSTEM_MARK}{message['content']}"}
        if role == previous and role in _SIDES:
            if role == "user":
                out[-1] = {"role": role, "content": f"{out[-1]['content']}\n\n{message['content']}"}
                continue
            out.append({"role": "user", "content": NO_OUTPUT})
        out.append({**message})
        previous = role
    if previous == "assistant":
        out.append({"role": "user", "content": NO_OUTPUT})
    return out


def _without_calls(messages: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Formal calls and their results as text."""
    names: dict[str, str] = {}
    for message in messages:
        calls = message.get("tool_calls")
        if calls:
            lines = [message["content"]] if message.get("content") else []
            for call in calls:
                function = call["function"]
                names[call["id"]] = function["name"]
                lines.append(f"{function['name']}({function['arguments']})")
            yield {"role": "assistant", "content": "\n".join(lines)}
        elif message["role"] == "tool":
            name = names.get(message["tool_call_id"], "call")
            yield {"role": "user", "content": f"{name}: {message['content'] or NO_OUTPUT}"}
        else:
            yield message
