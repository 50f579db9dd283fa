"""From chat log to model request.

The messages of a finished item never change, so an active job keeps the rendered list and adds to
it: building a request costs the same at turn 1000 as at turn 10.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from statek.styles import Style

__all__ = ["OPENING_MESSAGE", "item_messages", "opening_messages", "system_message"]

OPENING_MESSAGE = "The workspace is ready. Begin."
"""Sent when a job has no user message of its own: several providers refuse a request without one."""

Message = dict[str, Any]

_MODEL_VISIBLE = frozenset({"print", "echo", "error", "stream", "note"})
"""Console elements that the model sees; progress lines of tools are for people."""


def opening_messages(system_prompt: str, user_texts: Sequence[str]) -> list[Message]:
    """The messages before the first step: system prompt and what the user said first."""
    opening = "\n".join(user_texts) or OPENING_MESSAGE
    return [system_message(system_prompt), {"role": "user", "content": opening}]


def system_message(system_prompt: str) -> Message:
    """The first message of every request."""
    return {"role": "system", "content": system_prompt}


def item_messages(style: Style, kind: str, text: str, code: str, console: Iterable[Sequence[str]]) -> list[Message]:
    """The messages of one chat item.

    Args:
        style: the job's chat style.
        kind: ``user`` | ``system`` | ``warmup`` | ``reply`` | ``notification`` | ``reminder``.
        text: message text; for a step what the style stores of the reply.
        code: Python source of a step.
        console: ``[kind, text]`` elements of the step.
    """
    if kind in {"user", "system"}:
        return [{"role": kind, "content": text}]
    if kind == "reminder":
        return [{"role": "system", "content": text}]
    messages: list[Message] = []
    if kind == "notification":
        messages.append({"role": "system", "content": text})
        if not code:
            return messages
    lines = [element_text for element_kind, element_text in console if element_kind in _MODEL_VISIBLE]
    messages.append({"role": "assistant", "content": style.format_assistant(code)})
    if lines:
        messages.append({"role": "user", "content": style.format_console("\n".join(lines))})
    return messages
