"""The application that the documents assume: a user with a calendar, what he asks for, and a few tools."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

import dbzero as db0

from statek import tool

__all__ = [
    "DAY",
    "Calendar",
    "Meeting",
    "Message",
    "Receipt",
    "User",
    "find_empty_slot",
    "make_message",
    "move_meeting",
    "on_the_day",
    "search_documents",
    "send_message",
]

DAY = date(2026, 3, 16)


@db0.memo(id="tests.printed.Meeting")
class Meeting:
    """A meeting.

    STATEK-ACL:
        +*
    """

    def __init__(self, title: str, starts_at: datetime, minutes: int) -> None:
        self.title = title
        self.room = ""
        self.starts_at = starts_at
        self.minutes = minutes

    @property
    def duration(self) -> timedelta:
        """How long it takes."""
        return timedelta(minutes=self.minutes)

    @property
    def ends_at(self) -> datetime:
        """When it ends."""
        return self.starts_at + self.duration

    @property
    def day(self) -> date:
        """The day it is on."""
        return self.starts_at.date()

    def move_to(self, slot: datetime) -> None:
        """Move it."""
        self.starts_at = slot

    def __str__(self) -> str:
        return f"{self.title} at {self.starts_at:%H:%M}"


@db0.memo(id="tests.printed.Calendar")
class Calendar:
    """Meetings in order.

    STATEK-ACL:
        +*
    """

    def __init__(self, meetings: list[Meeting]) -> None:
        self.meetings: Any = meetings

    def events_for(self, day: date) -> list[Meeting]:
        """The meetings of a day."""
        return [meeting for meeting in self.meetings if meeting.day == day]

    def find_meeting(self, title: str, day: date) -> Meeting | None:
        """The meeting of that title."""
        return next((meeting for meeting in self.events_for(day) if meeting.title == title), None)

    def find_empty_slot(self, after: datetime, duration: timedelta = timedelta(minutes=30)) -> datetime:
        """The next time at which nothing is."""
        slot = after
        for meeting in self.events_for(after.date()):
            if meeting.starts_at < slot + duration and slot < meeting.ends_at:
                slot = meeting.ends_at
        return slot

    def reserve_room(self, room: str) -> Meeting:
        """Reserve a room for the first meeting."""
        meeting: Meeting = self.meetings[0]
        meeting.room = room
        return meeting


@db0.memo(id="tests.printed.User")
class User:
    """Whose calendar it is.

    STATEK-ACL:
        +display_name
        +calendar
    """

    def __init__(self, display_name: str, calendar: Calendar) -> None:
        self.display_name = display_name
        self.calendar = calendar


@db0.memo(id="tests.printed.Message")
class Message:
    """What is asked for.

    STATEK-ACL:
        +sender
        +text
        +created_at
    """

    def __init__(self, sender: User, text: str, created_at: datetime) -> None:
        self.sender = sender
        self.text = text
        self.created_at = created_at

    def __str__(self) -> str:
        return f"{self.sender.display_name}: {self.text}"


@db0.memo(id="tests.printed.Receipt")
class Receipt:
    """Proof that a message was sent."""

    def __init__(self, number: str) -> None:
        self.id = number


def on_the_day(hour: int, minute: int = 0) -> datetime:
    """A time of the day that everything is about."""
    return datetime.combine(DAY, time(hour, minute))


def make_message() -> Message:
    """A user with two meetings asks for something (store thread)."""
    at = on_the_day(10)
    meetings = [Meeting("Weekly planning", at, 60), Meeting("Lunch", at + timedelta(hours=1), 30)]
    message = Message(User("Ari", Calendar(meetings)), "Move the planning.", at - timedelta(hours=1))
    db0.tags(message).add("printed")
    return message


@tool(effect="store")
def find_empty_slot(calendar: Any, after: datetime, **kwargs: Any) -> datetime:
    """Find the next empty slot."""
    slot: datetime = calendar.find_empty_slot(after)
    return slot


@tool(effect="store")
def move_meeting(meeting: Any, slot: datetime, **kwargs: Any) -> None:
    """Move a meeting."""
    meeting.move_to(slot)


@tool(effect="store")
def send_message(user: Any, text: str, **kwargs: Any) -> Receipt:
    """Send a message."""
    receipt = Receipt(f"{user.display_name}-1")
    db0.tags(receipt).add("sent")
    return receipt


@tool(effect="none")
def search_documents(query: str, limit: int = 10, **kwargs: Any) -> list[str]:
    """Search documents."""
    return [f"{query} {number}" for number in range(limit)]
