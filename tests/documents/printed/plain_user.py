"""The user of the document on chat styles, who has a name only."""

from __future__ import annotations

import dbzero as db0

__all__ = ["User"]


@db0.memo(id="tests.printed.PlainUser")
class User:
    """A user without a calendar."""

    def __init__(self, display_name: str) -> None:
        self.display_name = display_name
