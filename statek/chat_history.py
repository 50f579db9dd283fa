"""The conversation of a job entry by entry, and the form in which a model gets each.

``orchestrator.engine.requests`` makes them of a chat log, and every request of them. Their content is as it is: code
without a fence, output without a box. ``format_chat_history_item`` gives it the form of the job's chat style.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from statek.chat_style import ChatStyle
from statek.model import ProviderToolCall
from statek.settings import StatekSettings, get_statek_settings
from statek.styles import Style, style_for

__all__ = ["ChatHistoryItem", "ChatRole", "ContentSource", "format_chat_history_item"]


class ChatRole(enum.Enum):
    """Who speaks, as providers name it."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class ContentSource(enum.Enum):
    """Where the content comes from."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    CONSOLE = "console"


@dataclass(frozen=True, slots=True)
class ChatHistoryItem:
    """One message to a model, before it has a chat style's form.

    Attributes:
        role: who speaks.
        content: what is said: a text, code, or output.
        content_src: where that comes from.
        tool_calls: formal calls of an assistant.
        tool_call_id: of a tool's message: the call that it answers.
    """

    role: ChatRole
    content: str
    content_src: ContentSource
    tool_calls: tuple[ProviderToolCall, ...] = ()
    tool_call_id: str = ""


def format_chat_history_item(
    item: ChatHistoryItem, style: Style | ChatStyle, settings: StatekSettings | None = None
) -> dict[str, Any]:
    """The message in OpenAI's form.

    Args:
        item: the entry.
        style: the chat style that gives code and output their form.
        settings: for the box around output, where ``style`` is the name of one; None for those in force.
    """
    if isinstance(style, ChatStyle):
        style = style_for(style, xml_box_console=(settings or get_statek_settings()).xml_box_console)
    if item.role is ChatRole.TOOL:
        return {"role": "tool", "tool_call_id": item.tool_call_id, "content": style.format_result(item.content)}
    if item.tool_calls:
        # Bare beside formal calls (behaviour reference, section 14).
        calls = [_formal(call) for call in item.tool_calls]
        return {"role": item.role.value, "content": item.content or None, "tool_calls": calls}
    content = item.content
    if item.content_src is ContentSource.ASSISTANT:
        content = style.format_assistant(content)
    elif item.content_src is ContentSource.CONSOLE:
        content = style.format_console(content)
    return {"role": item.role.value, "content": content}


def _formal(call: ProviderToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
