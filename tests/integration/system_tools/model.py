"""The durable classes of these tests."""

from __future__ import annotations

from statek.durable import memo


@memo(id="tests.system_tools.Meeting")
class Meeting:
    """VARIANTS/:Internal notes of a meeting/TOOL:A meeting.

    Tags:
        planning - about plans

    Attributes:
        title: what it is about
        salary: what it costs

    STATEK-ACL:
        +title
        +move
        +cancel: Chief
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.salary = 12

    def move(self, day: str, hour: int = 9) -> str:
        """Move it.

        Args:
            day: the new day
            hour: the new hour

        Returns:
            str: what was done
        """
        return f"{self.title} to {day} at {hour}"

    def cancel(self) -> None:
        """Cancel it."""


@memo(id="tests.system_tools.Room")
class Room:
    def __init__(self, name: str) -> None:
        self.name = name

    def book(self, day: str) -> bool:
        return bool(day)
