"""A recorded conversation as a readable Markdown file, one section per model turn.

The form::

    # Any title and any prose

    ## Turn 1: look around

    What follows, up to the next turn, is the reply word for word: prose and fenced code.

    ## Turn 2

    ...

Turns are numbered from 1 without a gap; the title after the colon is for the reader. Headings inside fenced code belong
to the reply. Another heading of the second level outside a fence is refused: it is most likely a mistyped turn.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from statek.exceptions import ConfigurationError

__all__ = ["Transcript", "TranscriptError", "load_transcript", "parse_transcript"]

_TURN = re.compile(r"## Turn (\d+)(?::[ \t]*(.*))?")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")


class TranscriptError(ConfigurationError):
    """A transcript file that cannot be used; the message names file, line and reason."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a model answered, turn by turn.

    Attributes:
        name: where it came from, for messages.
        replies: reply texts in order, at least one.
        titles: one title per reply, empty where the file gives none.
    """

    name: str
    replies: tuple[str, ...]
    titles: tuple[str, ...]


class _Fence:
    """Whether a line is inside fenced code, by the rule of CommonMark section 4.5."""

    def __init__(self) -> None:
        self._mark = ""
        self.line = 0

    @property
    def is_open(self) -> bool:
        return bool(self._mark)

    def feed(self, line: str, number: int) -> None:
        match = _FENCE.fullmatch(line)
        if match is None:
            return
        mark, rest = match.groups()
        if not self._mark:
            self._mark, self.line = mark, number
        elif mark[0] == self._mark[0] and len(mark) >= len(self._mark) and not rest.strip():
            self._mark = ""


def parse_transcript(text: str, name: str = "transcript") -> Transcript:
    """Read a transcript.

    Args:
        text: the Markdown text.
        name: named in errors.

    Raises:
        TranscriptError: no turn, a turn out of order or empty, an unknown section, an unclosed fence.
    """
    replies: list[str] = []
    titles: list[str] = []
    collected: list[str] = []
    fence = _Fence()

    def close_turn(line: int) -> None:
        if titles:
            reply = "\n".join(collected).strip()
            if not reply:
                raise TranscriptError(f"{name}, line {line}: turn {len(titles)} has no reply")
            replies.append(reply)
        collected.clear()

    number = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if not fence.is_open and line.startswith("## "):
            match = _TURN.fullmatch(line.rstrip())
            if match is None:
                raise TranscriptError(f"{name}, line {number}: expected '## Turn {len(titles) + 1}', got {line[:80]!r}")
            close_turn(number)
            if int(match[1]) != len(titles) + 1:
                raise TranscriptError(f"{name}, line {number}: expected turn {len(titles) + 1}, got turn {match[1]}")
            titles.append((match[2] or "").strip())
            continue
        fence.feed(line, number)
        collected.append(line)
    if fence.is_open:
        raise TranscriptError(f"{name}, line {fence.line}: fenced code is not closed")
    close_turn(number)
    if not replies:
        raise TranscriptError(f"{name}: no '## Turn 1' section")
    return Transcript(name, tuple(replies), tuple(titles))


def load_transcript(path: Path) -> Transcript:
    """Read a transcript file (UTF-8).

    Raises:
        TranscriptError: the file cannot be read or is not a transcript.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise TranscriptError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise TranscriptError(f"{path}: not UTF-8 text at byte {error.start}") from error
    return parse_transcript(text, str(path))
