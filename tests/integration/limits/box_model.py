"""A durable object that takes whatever it is given."""

from __future__ import annotations

from typing import Any

import dbzero


@dbzero.memo(id="test.limits.Box")
class Box:
    """A box.

    STATEK-ACL:
        +*
    """

    __statek_last_write_wins__ = ("value",)

    def __init__(self) -> None:
        self.value: Any = None
        self.other = "safe"
        self.puts = 0

    def put(self, value: Any) -> None:
        """Keep a value and count it."""
        self.puts += 1
        self.value = value
