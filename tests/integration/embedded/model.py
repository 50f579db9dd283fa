"""Durable objects of an application, as its developer writes them."""

from __future__ import annotations

from typing import Any

import dbzero as db0

__all__ = ["Note", "Pad"]


@db0.memo(id="tests.embedded.Note")
class Note:
    """A line of text."""

    def __init__(self, text: str) -> None:
        self.text = text


@db0.memo(id="tests.embedded.Pad")
class Pad:
    """Notes in the order of writing.

    STATEK-ACL:
        +notes
        +add
    """

    def __init__(self) -> None:
        self.notes: Any = []
        self.hidden = 1

    def add(self, text: str) -> Note:
        """Write a note."""
        note = Note(text)
        self.notes.append(note)
        return note
