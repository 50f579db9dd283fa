"""Checks of single fields of an archive: what the rest of the host relies on when it reads them again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from statek.definition_errors import MAX_TRACEBACK_LINES
from statek.difficulty import TaskDifficulty
from statek.exceptions import InvalidArchive

__all__ = ["check_outcome", "check_usage", "checked_line", "checked_text", "checked_whole"]

_MAX_WHOLE = (1 << 62) - 1
_MAX_LINE = 1000
_FLAGS = frozenset({"hidden", "text_only", "pushed"})
_TEXTS = frozenset({"prose", "draft", "post_processor"})
_DIFFICULTIES = [level.value for level in TaskDifficulty]
_OUTCOME = frozenset({"outcome", "type", "message"})


def checked_whole(value: Any, what: str) -> int:
    """A whole number from 0 that the store can hold.

    Raises:
        InvalidArchive: it is none.
    """
    if type(value) is not int or not 0 <= value <= _MAX_WHOLE:
        raise InvalidArchive(f"{what} in the archive is no count: {str(value)[:40]}")
    return value


def checked_text(value: Any, what: str, limit: int) -> str:
    """A text that the store can hold.

    Raises:
        InvalidArchive: it is none, longer than ``limit`` characters, or has NUL or lone surrogates.
    """
    if not isinstance(value, str) or len(value) > limit or "\0" in value:
        raise InvalidArchive(f"{what} in the archive is no text of at most {limit} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidArchive(f"{what} in the archive is no valid text") from None
    return value


def checked_line(value: Any, what: str) -> str:
    """A short printable text.

    Raises:
        InvalidArchive: it is none.
    """
    if not checked_text(value, what, _MAX_LINE).isprintable():
        raise InvalidArchive(f"{what} in the archive is no printable text")
    return str(value)


def check_usage(usage: Mapping[str, Any], what: str) -> None:
    """Check the remarks of an entry or a commit: known ones by their type, others are plain scalars.

    Raises:
        InvalidArchive: one has another type than its readers expect.
    """
    for name, value in usage.items():
        if name == "calls":
            good = isinstance(value, list) and all(_are_texts(row, 3) for row in value)
        elif name == "tool_log":
            good = isinstance(value, list) and all(
                isinstance(shown, list) and all(_are_texts(element, 2) for element in shown) for shown in value
            )
        elif name == "traceback":
            good = isinstance(value, list) and len(value) <= MAX_TRACEBACK_LINES and _are_texts(value, len(value))
        elif name == "model":
            good = isinstance(value, dict) and _is_answer(value)
        elif name == "difficulty":
            good = value in _DIFFICULTIES
        elif name in _FLAGS:
            good = isinstance(value, bool)
        elif name in _TEXTS:
            good = isinstance(value, str)
        elif isinstance(value, dict):
            good = all(_is_number(part) or part is None for part in value.values())
        else:
            good = _is_number(value) or (isinstance(value, str) and name != "calls_left_out")
        if not good:
            raise InvalidArchive(f"{what} of the archive has a remark {name[:80]!r} of an unknown form")


def check_outcome(outcome: Mapping[str, Any], what: str) -> None:
    """Check how an entry says that it ended.

    Raises:
        InvalidArchive: it says something else than texts.
    """
    if not outcome.keys() <= _OUTCOME or not all(isinstance(value, str) for value in outcome.values()):
        raise InvalidArchive(f"{what} of the archive says in an unknown form how it ended")


def _are_texts(row: Any, count: int) -> bool:
    return isinstance(row, list) and len(row) == count and all(isinstance(part, str) for part in row)


def _is_answer(usage: dict[str, Any]) -> bool:
    """What is kept of a model's answer: numbers, and what the provider did not say."""
    counted = all(_is_number(usage[name]) for name in ("seconds", "output_tokens") if name in usage)
    return counted and all(_is_number(part) or part is None for part in usage.values())


def _is_number(value: Any) -> bool:
    return (isinstance(value, int) and abs(value) <= _MAX_WHOLE) or (isinstance(value, float) and math.isfinite(value))
