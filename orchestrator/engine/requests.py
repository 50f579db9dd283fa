"""From chat log to messages: how one entry is shown to the model.

``orchestrator.engine.conversation`` keeps what this gives; here is neither state nor I/O. Messages are in
OpenAI's form; ``orchestrator.models`` makes them legal for providers with another one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.engine.provider_calls import legal_arguments, legal_name
from statek.chat_history import ChatHistoryItem, ChatRole, ContentSource, format_chat_history_item
from statek.model import ProviderToolCall
from statek.packing import pack
from statek.styles import Style
from statek.system_tools.python_cli import PYTHON_CLI

__all__ = [
    "OPENING_MESSAGE",
    "HistoryItem",
    "Message",
    "history_items",
    "item_messages",
    "opening_messages",
    "shortened",
    "system_message",
]

OPENING_MESSAGE = "The workspace is ready. Begin."
"""Sent when a job has no user message of its own: several providers refuse a request without one."""

Message = dict[str, Any]

_MODEL_VISIBLE = frozenset({"print", "echo", "error", "stream", "note"})
"""Console elements that the model sees; progress lines of tools are for people."""

_SYSTEM_KINDS = frozenset({"notification", "post_processed", "reminder", "system"})
"""Kinds of entries by which the service speaks."""


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """A finished entry of the chat log, as far as the model sees it.

    Attributes:
        kind: ``user`` | ``system`` | ``warmup`` | ``reply`` | ``notification`` | ``reminder`` | ``post_processed``.
        text: message text, or the reply as the model gave it.
        code: Python source of a step, or of a notification's look-up.
        console: ``[kind, text]`` elements of the code.
        calls: formal tool calls of a step.
        tool_log: console elements of each call, in their order; what is missing is empty.
        number: how many entries of its kind came before it; part of the ids of calls that stand for code.
    """

    kind: str
    text: str
    code: str = ""
    console: Iterable[Sequence[str]] = ()
    calls: tuple[ProviderToolCall, ...] = ()
    tool_log: Sequence[Iterable[Sequence[str]]] = ()
    number: int = 0


def opening_messages(system_prompt: str, user_texts: Sequence[str]) -> list[Message]:
    """The messages before the first step: system prompt and what the user said first."""
    opening = "\n".join(user_texts) or OPENING_MESSAGE
    return [system_message(system_prompt), {"role": "user", "content": opening}]


def system_message(system_prompt: str) -> Message:
    """The first message of every request."""
    return {"role": "system", "content": system_prompt}


def item_messages(
    style: Style, item: HistoryItem, *, max_output_chars: int | None = None, max_text_chars: int | None = None
) -> list[Message]:
    """The messages of one entry; arguments as for ``history_items``."""
    items = history_items(style, item, max_output_chars=max_output_chars, max_text_chars=max_text_chars)
    return [format_chat_history_item(one, style) for one in items]


def history_items(
    style: Style, item: HistoryItem, *, max_output_chars: int | None = None, max_text_chars: int | None = None
) -> list[ChatHistoryItem]:
    """What the model sees of one entry, before it has the form of the style.

    Args:
        style: the job's chat style.
        item: the entry.
        max_output_chars: longest output of its code and of each call; None for all of it.
        max_text_chars: longest message, longest code and longest arguments of a call; None for all of them.
    """
    if item.kind == "user":
        return [ChatHistoryItem(ChatRole.USER, _text(item.text, max_text_chars), ContentSource.USER)]
    found: list[ChatHistoryItem] = []
    if item.kind in _SYSTEM_KINDS:
        found.append(ChatHistoryItem(ChatRole.SYSTEM, _text(item.text, max_text_chars), ContentSource.SYSTEM))
        if not item.code:
            return found
    output = _visible(item.console, max_output_chars)
    results = [_visible(elements, max_output_chars) for elements in item.tool_log]
    results += [""] * (len(item.calls) - len(results))
    calls = [_legal(call, max_text_chars) for call in item.calls]
    is_reply = item.kind == "reply"
    if style.runs_code_by_call and not is_reply and item.code.strip():
        name = "SUBTASK" if item.kind in _SYSTEM_KINDS else "WARMUP"
        id_ = f"STATEK-{name}-{item.number:03d}"
        calls.append(_legal(ProviderToolCall(id_, PYTHON_CLI, pack({"code": item.code})), max_text_chars))
        results.append(output)
        output, content = "", ""
    elif is_reply:
        content = style.shown_reply(item.text, item.code)
    else:
        content = item.code if item.code.strip() or not calls else ""
    content = _text(content, max_text_chars)
    if calls:
        found.append(ChatHistoryItem(ChatRole.ASSISTANT, content, ContentSource.ASSISTANT, tuple(calls)))
        found += [
            ChatHistoryItem(ChatRole.TOOL, result, ContentSource.CONSOLE, tool_call_id=call.id)
            for call, result in zip(calls, results, strict=True)
        ]
    elif style.format_assistant(content):
        found.append(ChatHistoryItem(ChatRole.ASSISTANT, content, ContentSource.ASSISTANT))
    if output:
        found.append(ChatHistoryItem(ChatRole.USER, output, ContentSource.CONSOLE))
    return found


def _visible(console: Iterable[Sequence[str]], limit: int | None) -> str:
    text = "\n".join(text for kind, text in console if kind in _MODEL_VISIBLE)
    return text if limit is None else shortened(text, limit)


def _text(text: str, limit: int | None) -> str:
    return text if limit is None else shortened(text, limit, advice="")


def shortened(text: str, limit: int, *, advice: str = "; print what you need again") -> str:
    """A text of at most about ``limit`` characters: its beginning and its end, and how much is missing between them.

    Args:
        text: any text.
        limit: characters that are kept, at least 3.
        advice: what the note adds on how to see the rest.
    """
    if len(text) <= limit:
        return text
    head, tail = limit * 3 // 5, limit * 2 // 5
    missing = len(text) - head - tail
    note = f"[{missing} characters are left out here to fit the model's window{advice}]"
    return f"{text[:head]}\n{note}\n{text[-tail:]}"


def _legal(call: ProviderToolCall, limit: int | None) -> ProviderToolCall:
    """A call as providers take it back, its arguments shortened to about ``limit`` characters."""
    arguments = legal_arguments(call.arguments)
    if limit is not None and len(arguments) > limit:
        arguments = _shortened_arguments(arguments, limit)
    return ProviderToolCall(call.id, legal_name(call.name), arguments)


def _shortened_arguments(arguments: str, limit: int) -> str:
    """A JSON object with the long strings of another shortened; with its text, where that is not what makes it long."""
    try:
        values = {
            name: shortened(value, limit, advice="") if isinstance(value, str) else value
            for name, value in json.loads(arguments).items()
        }
        short = json.dumps(values, ensure_ascii=False)
    except RecursionError:  # nested as deeply as could just be read
        short = arguments
    if len(short) > 2 * limit:  # many entries, a deep value, or characters that JSON escapes
        short = json.dumps({"arguments": shortened(arguments, limit, advice="")}, ensure_ascii=False)
    # A lone surrogate has an escape of its own in JSON, the same as Python's.
    return short.encode("utf-8", "backslashreplace").decode()
