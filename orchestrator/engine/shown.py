"""What a tool prints, by itself or through its context (``ToolContext.show``): collected for the answer of its call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from orchestrator.sandboxes.step import CallAnswer
from statek.printing import prints_taken

__all__ = ["MAX_SHOWN_CHARS", "Shown", "showing_prints"]

MAX_SHOWN_CHARS = 128 << 10
"""Characters that one call may show; at most four bytes each, so that they fit in a frame beside a usual answer."""


class Shown:
    """The texts of one call, from any thread; what comes after ``texts`` was asked for is nobody's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: list[str] = []
        self._left = MAX_SHOWN_CHARS
        self._dropped = 0

    def add(self, text: str) -> None:
        """Take one console element.

        Raises:
            TypeError: it is no text.
        """
        if not isinstance(text, str):
            raise TypeError(f"show() takes text, not {type(text).__name__}")
        with self._lock:
            kept = text[: self._left]
            self._dropped += len(text) - len(kept)
            self._left -= len(kept) + 1 if len(kept) < self._left else self._left
            if kept or not text:
                self._texts.append(kept)

    def texts(self) -> tuple[str, ...]:
        """Everything kept, with one closing line when something was not."""
        with self._lock:
            note = [f"({self._dropped} more characters are not shown)"] if self._dropped else []
            return (*self._texts, *note)


def showing_prints(perform: Callable[[], CallAnswer]) -> CallAnswer:
    """The answer of a handle operation, with what the object's own code printed."""
    shown = Shown()
    with prints_taken(shown.add):
        answer = perform()
    texts = shown.texts()
    return replace(answer, shown=texts) if texts else answer
