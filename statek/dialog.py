"""The conversation with the user: what is sent of a reply's prose, and what a chat log says was said.

The prose of a reply is sent in segments. Where the sender takes media, a path-like token (a folder and a file ending
of three characters, such as ``docs/files/report.pdf``) goes as the medium of the text before it; prose that holds a
Markdown link or image goes as one body, because its paths are part of the text.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from statek.executors.views import ItemView

__all__ = [
    "ANSWER_TOOL",
    "ASSISTANT",
    "MESSAGE_TOOL",
    "USER",
    "DialogItem",
    "MessageSegment",
    "dialog_items",
    "message_segments",
]

USER, ASSISTANT = "user", "assistant"

MESSAGE_TOOL = "_send_message"
"""Name of the internal tool that sends prose; it is what the journal and ``statek calls`` show."""

ANSWER_TOOL = "answer"

_NO_GAP = re.compile(r"[^)\s]+")
_MEDIUM = re.compile(r"(?<![^\s(\"'`<])(?P<path>/?(?:[\w.-]+/)+[\w-][\w.-]*\.[A-Za-z0-9]{3})(?![\w/-])")
_PRIVATE = "sandbox:/private/"
_ANSWER_LOG = re.compile(r"log: answer\(body=(?P<body>.*), media=.*\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DialogItem:
    """One message of a conversation.

    Attributes:
        role: ``user`` or ``assistant``.
        message: its text.
    """

    role: str
    message: str


@dataclass(frozen=True, slots=True)
class MessageSegment:
    """One message to send.

    Attributes:
        body: text, may be empty where there is a medium.
        media: path of a file, or None.
    """

    body: str
    media: str | None = None


def message_segments(prose: str, *, with_media: bool = True) -> list[MessageSegment]:
    """The messages that a reply's prose becomes, in order; none for blank prose.

    Args:
        prose: without code.
        with_media: whether the sender takes media; otherwise paths stay in the text.
    """
    text = _tidy(prose)
    if not text:
        return []
    if not with_media or _has_link(text):
        return [MessageSegment(text.replace(_PRIVATE, "private/"))]
    segments: list[MessageSegment] = []
    start = 0
    for match in _MEDIUM.finditer(text):
        segments.append(MessageSegment(text[start : match.start()].strip(), match["path"]))
        start = match.end()
    rest = text[start:].strip()
    if rest:
        segments.append(MessageSegment(rest))
    return segments


def _has_link(text: str) -> bool:
    """Whether a text holds ``[words](target)`` or an image; the time grows with its length only.

    A pattern for the whole would try every bracket against the rest of the text: a reply of 100 KB of brackets takes
    half a minute.
    """
    if "](" not in text:
        return False
    for run in _NO_GAP.finditer(text):
        start, end = run.span()
        if text[end : end + 1] != ")":
            continue
        at = text.find("](", start, end - 1)  # at least one character of the target follows
        while at >= 0:
            begin = max(text.rfind("]", 0, at), text.rfind("\n", 0, at)) + 1
            if "[" in text[begin:at]:
                return True
            at = text.find("](", at + 1, end - 1)
    return False


def _tidy(prose: str) -> str:
    """Prose with one space where there were several, and at most one empty line: lists and paragraphs stay readable."""
    lines = [re.sub(r"[ \t\f\v]+", " ", line).strip() for line in prose.replace("\0", " ").splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def dialog_items(items: Iterable[ItemView]) -> list[DialogItem]:
    """Who said what: messages of the user, prose of replies, and bodies that ``answer(...)`` sent."""
    return [said for item in items for said in _said(item)]


def _said(item: ItemView) -> Iterator[DialogItem]:
    if item.kind == "user":
        yield DialogItem(USER, item.text)
    prose = item.usage.get("prose", "") if item.kind == "reply" else ""
    if prose and not any(call.name == MESSAGE_TOOL and call.state != "done" for call in item.calls):
        yield DialogItem(ASSISTANT, _tidy(prose))
    if any(call.name == ANSWER_TOOL and call.state == "done" for call in item.calls):
        for _, text in item.console:
            match = _ANSWER_LOG.fullmatch(text)
            if match is not None:
                try:
                    yield DialogItem(ASSISTANT, str(ast.literal_eval(match["body"])))
                except (ValueError, SyntaxError, MemoryError, RecursionError):
                    continue  # printed by the code itself, not by the tool
