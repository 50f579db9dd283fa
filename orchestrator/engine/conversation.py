"""What the model is shown of a job, kept within its context window.

An entry is rendered once when it is added. When the estimate of all of them exceeds the window, older output is
shortened, oldest first, and where that is not enough the oldest entries are left out; a line says so in both cases.
Each time this makes room for a good part of the window, so that an entry is touched a bounded number of times: a
request costs the same at turn 1000 as at turn 10, and what the provider has cached of it stays valid in between.

Nothing is forgotten: the chat log keeps everything, and a restart that reads it comes to the same messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.engine.requests import HistoryItem, Message, item_messages, opening_messages, system_message
from statek.styles import Style

__all__ = ["Conversation", "estimate_tokens"]

NEWEST_WHOLE = 4
"""Entries at the end that are shortened only when nothing else is left to shorten."""

SHORT_OUTPUT_CHARS = 600
"""What is left of an older output."""

_CHARS_PER_TOKEN = 3
"""Of ASCII text and code; on the safe side (English prose has four)."""

_MESSAGE_TOKENS = 8
"""Role, ids and separators of one message."""

_TARGET = 3 / 4
"""Part of the window that is used after room was made."""

_ENOUGH = 9 / 10
"""Part of it that may be used when shortening has made no more room; only beyond it entries are left out."""


def estimate_tokens(text: str) -> int:
    """An estimate on the safe side: other characters than ASCII are a token each."""
    if text.isascii():
        return len(text) // _CHARS_PER_TOKEN + 1
    ascii_chars = sum(character < "\x80" for character in text)
    return ascii_chars // _CHARS_PER_TOKEN + len(text) - ascii_chars + 1


@dataclass(slots=True)
class _Entry:
    """One rendered entry; ``item`` is there until its output is shortened."""

    messages: list[Message]
    tokens: int
    item: HistoryItem | None


class Conversation:
    """The messages of a job.

    Args:
        style: the job's chat style.
        system_prompt: as the model gets it.
        opening: what the user said before the first step.
        window_tokens: tokens that a request may have; None for no bound.
    """

    def __init__(
        self, style: Style, system_prompt: str, opening: Sequence[str] = (), *, window_tokens: int | None = None
    ) -> None:
        self._style = style
        self._head = opening_messages(system_prompt, opening)
        self._entries: list[_Entry] = []
        self._window = window_tokens
        self._tokens = sum(map(_message_tokens, self._head))
        self._short = 0
        self._left_out = 0
        self._counts: dict[str, int] = {}
        self._call_ids: set[str] = set()

    @property
    def call_ids(self) -> frozenset[str] | set[str]:
        """Ids of every formal call so far, of entries that are left out too."""
        return self._call_ids

    @property
    def tokens(self) -> int:
        """Estimate of the next request."""
        return self._tokens

    def limit(self, window_tokens: int | None) -> None:
        """Set what a request may have; holds from the next entry on."""
        self._window = window_tokens

    def set_system_prompt(self, system_prompt: str) -> None:
        """Replace the system prompt from the next request on."""
        self._tokens -= _message_tokens(self._head[0])
        self._head[0] = system_message(system_prompt)
        self._tokens += _message_tokens(self._head[0])

    def add(self, item: HistoryItem, *, hidden: bool = False) -> None:
        """Add a finished entry; a hidden one only counts."""
        number = self._counts.get(item.kind, 0)
        self._counts[item.kind] = number + 1
        self._call_ids.update(call.id for call in item.calls)
        if hidden:
            return
        entry = self._rendered(_numbered(item, number))
        self._entries.append(entry)
        self._tokens += entry.tokens
        if self._window is not None and self._tokens > self._window:
            self._make_room(self._window)

    def messages(self) -> tuple[Message, ...]:
        """The messages of a request, system message first."""
        found = list(self._head)
        if self._left_out:
            found.append({"role": "user", "content": _left_out_note(self._left_out)})
        for entry in self._entries:
            found += entry.messages
        return tuple(found)

    # ------------------------------------------------------------------------------------- window

    def _rendered(self, item: HistoryItem) -> _Entry:
        messages = item_messages(self._style, item)
        return _Entry(messages, sum(map(_message_tokens, messages)), item)

    def _make_room(self, window: int) -> None:
        """Shorten and leave out until the target is reached; see the module."""
        target = int(window * _TARGET)
        older = max(len(self._entries) - NEWEST_WHOLE, 0)
        while self._tokens > target and self._short < older:
            self._shorten(self._entries[self._short])
            self._short += 1
        gone = 0
        if self._tokens <= window * _ENOUGH:
            return
        while self._tokens > target and gone < older:
            self._tokens -= self._entries[gone].tokens
            gone += 1
        if gone:
            if not self._left_out:
                self._tokens += estimate_tokens(_left_out_note(gone)) + 2 * _MESSAGE_TOKENS
            self._left_out += gone
            del self._entries[:gone]
            self._short = max(self._short - gone, 0)
        for entry in self._entries:
            if self._tokens <= window:
                return
            self._shorten(entry)

    def _shorten(self, entry: _Entry) -> None:
        item, entry.item = entry.item, None
        if item is None:
            return
        messages = item_messages(self._style, item, max_output_chars=SHORT_OUTPUT_CHARS)
        tokens = sum(map(_message_tokens, messages))
        self._tokens += tokens - entry.tokens
        entry.messages, entry.tokens = messages, tokens


def _left_out_note(count: int) -> str:
    return (
        f"[{count} earlier entries of this conversation are left out here to fit the model's window. "
        "Variables keep their values: print what you need.]"
    )


def _numbered(item: HistoryItem, number: int) -> HistoryItem:
    return HistoryItem(item.kind, item.text, item.code, item.console, item.calls, item.tool_log, number)


def _message_tokens(message: Mapping[str, Any]) -> int:
    tokens = _MESSAGE_TOKENS + estimate_tokens(message.get("content") or "")
    for call in message.get("tool_calls") or ():
        tokens += _MESSAGE_TOKENS + estimate_tokens(call["function"]["arguments"])
    return tokens
