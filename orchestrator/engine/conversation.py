"""What the model is shown of a job, kept within its context window.

An entry is rendered once when it is added. When the estimate of all of them exceeds the window, older output is
shortened, oldest first, and where that is not enough the oldest entries are left out. What is too long all by itself,
a message, code, or the arguments of a call among the newest entries, is shortened too when nothing else is left, the
newest entry last. A line says so in each case. Only the system prompt is never shortened: a request that it alone
makes too long is refused before it is sent.

Room is made for a good part of the window at once, so that an entry is touched a bounded number of times, and what the
provider has cached of a request stays valid in between. What a request costs is bounded by the window, not by the
number of turns; the messages of all entries are kept in one list, which is made anew only when an entry was shortened
or left out.

Nothing is forgotten: the chat log keeps everything, and a restart that reads it comes to the same messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.engine.requests import (
    HistoryItem,
    Message,
    item_messages,
    opening_messages,
    shortened,
    system_message,
)
from statek.exceptions import ModelError
from statek.styles import Style

__all__ = ["Conversation", "estimate_tokens"]

NEWEST_WHOLE = 4
"""Entries at the end that are shortened only when nothing else is left to shorten."""

SHORT_OUTPUT_CHARS = 600
"""What is left of an older output."""

SHORTEST_CHARS = 120
"""What is left of each message, code, arguments and output where even ``SHORT_OUTPUT_CHARS`` of each are too much."""

_CHARS_PER_TOKEN = 3
"""Of ASCII text and code; on the safe side (English prose has four)."""

_MESSAGE_TOKENS = 8
"""Role and separators of one message."""

_NO_OUTPUT_TOKENS = 12
"""What a provider may have to be told between two replies in a row (``orchestrator.models.messages``)."""

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
    """One rendered entry.

    ``level`` is how much of it is shortened (0: nothing); ``item`` is there while it may be shortened further.
    """

    messages: list[Message]
    tokens: int
    item: HistoryItem | None
    level: int = 0


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
        self._opening: str = self._head[1]["content"]
        self._entries: list[_Entry] = []
        self._flat: list[Message] | None = []
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
        """Set what a request may have."""
        self._window = window_tokens
        self._fit()

    def set_system_prompt(self, system_prompt: str) -> None:
        """Replace the system prompt from the next request on."""
        self._tokens -= _message_tokens(self._head[0])
        self._head[0] = system_message(system_prompt)
        self._tokens += _message_tokens(self._head[0])
        self._fit()

    def add(self, item: HistoryItem, *, hidden: bool = False) -> None:
        """Add a finished entry; a hidden one only counts."""
        number = self._counts.get(item.kind, 0)
        self._counts[item.kind] = number + 1
        self._call_ids.update(call.id for call in item.calls)
        if hidden:
            return
        entry = self._rendered(_numbered(item, number))
        self._entries.append(entry)
        if self._flat is not None:
            self._flat += entry.messages
        self._tokens += entry.tokens
        self._fit()

    def messages(self) -> tuple[Message, ...]:
        """The messages of a request, system message first.

        Raises:
            ModelError: they do not fit the window, however much is shortened: the system prompt is too long for it.
        """
        if self._window is not None and self._tokens > self._window:
            raise ModelError(
                f"the request does not fit the model's context window: the system prompt and what must stay with it "
                f"are about {self._tokens} tokens, and beside the tools and the reply there is room for {self._window}"
            )
        if self._flat is None:
            self._flat = [message for entry in self._entries for message in entry.messages]
        if not self._left_out:
            return (*self._head, *self._flat)
        return (*self._head, {"role": "user", "content": _left_out_note(self._left_out)}, *self._flat)

    # ------------------------------------------------------------------------------------- window

    def _rendered(self, item: HistoryItem) -> _Entry:
        messages = item_messages(self._style, item)
        return _Entry(messages, sum(map(_message_tokens, messages)), item)

    def _fit(self) -> None:
        if self._window is not None and self._tokens > self._window:
            self._make_room(self._window)
            if self._tokens > self._window:
                self._make_room_among_newest(self._window)

    def _make_room(self, window: int) -> None:
        """Shorten and leave out older entries until the target is reached; see the module."""
        target = int(window * _TARGET)
        older = max(len(self._entries) - NEWEST_WHOLE, 0)
        while self._tokens > target and self._short < older:
            entry = self._entries[self._short]
            self._shorten(entry, 1, SHORT_OUTPUT_CHARS)
            entry.item = None
            self._short += 1
        if self._tokens <= window * _ENOUGH:
            return
        gone, tokens = 0, self._tokens
        while tokens > target and gone < older:
            tokens -= self._entries[gone].tokens
            gone += 1
        self._leave_out(gone)

    def _make_room_among_newest(self, window: int) -> None:
        """Shorten what is left, first its output and then all of it, until it fits, then leave it out."""
        for entry in self._entries:
            if self._tokens <= window:
                return
            self._shorten(entry, 1, SHORT_OUTPUT_CHARS)
        limits = (max(window // 2, SHORT_OUTPUT_CHARS), SHORT_OUTPUT_CHARS, SHORTEST_CHARS)
        for level, chars in enumerate(limits, start=2):
            for entry in self._entries[:-1]:
                if self._tokens <= window:
                    return
                self._shorten(entry, level, min(chars, SHORT_OUTPUT_CHARS), chars)
            if self._tokens > window:
                self._shorten_opening(chars)
            if self._tokens > window and self._entries:
                self._shorten(self._entries[-1], level, min(chars, SHORT_OUTPUT_CHARS), chars)
        while self._tokens > window and self._entries:
            self._leave_out(1)

    def _leave_out(self, count: int) -> None:
        """Leave out the oldest entries; the note says how many there are by now."""
        if not count:
            return
        if not self._left_out:
            self._tokens += estimate_tokens(_left_out_note(count)) + 2 * _MESSAGE_TOKENS
        self._left_out += count
        self._tokens -= sum(entry.tokens for entry in self._entries[:count])
        del self._entries[:count]
        self._flat = None
        self._short = max(self._short - count, 0)

    def _shorten(self, entry: _Entry, level: int, output_chars: int, text_chars: int | None = None) -> None:
        if entry.item is None or entry.level >= level:
            return
        entry.level = level
        messages = item_messages(self._style, entry.item, max_output_chars=output_chars, max_text_chars=text_chars)
        tokens = sum(map(_message_tokens, messages))
        if tokens < entry.tokens:  # a note may be longer than what it stands for
            self._tokens += tokens - entry.tokens
            entry.messages, entry.tokens = messages, tokens
            self._flat = None

    def _shorten_opening(self, chars: int) -> None:
        short = {**self._head[1], "content": shortened(self._opening, chars, advice="")}
        tokens = _message_tokens(short) - _message_tokens(self._head[1])
        if tokens < 0:
            self._tokens += tokens
            self._head[1] = short


def _left_out_note(count: int) -> str:
    return (
        f"[{count} earlier entries of this conversation are left out here to fit the model's window. "
        "Variables keep their values: print what you need.]"
    )


def _numbered(item: HistoryItem, number: int) -> HistoryItem:
    return HistoryItem(item.kind, item.text, item.code, item.console, item.calls, item.tool_log, number)


def _message_tokens(message: Mapping[str, Any]) -> int:
    tokens = _MESSAGE_TOKENS + estimate_tokens(message.get("content") or "")
    if message["role"] == "assistant":
        tokens += _NO_OUTPUT_TOKENS
    if "tool_call_id" in message:
        tokens += estimate_tokens(message["tool_call_id"])
    for call in message.get("tool_calls") or ():
        function = call["function"]
        parts = (call["id"], function["name"], function["arguments"])
        tokens += _MESSAGE_TOKENS + sum(map(estimate_tokens, parts))
    return tokens
