"""A calendar as applications write them, and a few classes that try things."""

from __future__ import annotations

import datetime as dt
import enum

import dbzero


def at(hour, minute=0):
    """A moment of the day that the fixture's meetings are on; naive, as dbzero keeps them."""
    return dt.datetime(2026, 3, 2, hour, minute)  # noqa: DTZ001


class Priority(enum.Enum):
    LOW = 1
    HIGH = 2


@dbzero.memo(id="test.objects.Person")
class Person:
    """Somebody. Reached through attributes only, without an ACL."""

    def __init__(self, name):
        self.name = name


@dbzero.memo(id="test.objects.Meeting")
class Meeting:
    """VARIANTS/:A meeting./TOOL:One meeting of a calendar.

    Attributes:
        title: what it is called.

    STATEK-ACL:
        +*
        -secret
        -secrets
        -erase
    """

    __statek_last_write_wins__ = ("notes",)

    def __init__(self, title, starts_at, minutes):
        self.title = title
        self.starts_at = starts_at
        self.minutes = minutes
        self.notes = ""
        self.attendees = []
        self.labels = {}
        self.topics = set()
        self.slot = (starts_at, minutes)
        self.organizer = None
        self.calendar = None
        self.secret = "s3cret"
        self.secrets = ["s3cret"]
        self._private = "hidden"

    @property
    def ends_at(self):
        return self.starts_at + dt.timedelta(minutes=self.minutes)

    @property
    def duration(self):
        return dt.timedelta(minutes=self.minutes)

    @property
    def broken(self):
        raise RuntimeError("no such luck")

    @property
    def loud(self):
        return self.title.upper()

    @loud.setter
    def loud(self, value):
        self.title = value.lower()

    def move_to(self, slot: dt.datetime):
        """Move the meeting.

        Args:
            slot: the new start.

        Returns:
            bool: whether it moved.
        """
        self.starts_at = slot
        self.slot = (slot, self.minutes)
        return True

    def rank(self, priority: Priority):
        self.notes = priority.name
        return priority

    async def wait(self):
        return 1

    def erase(self):
        self.title = ""

    def rename_then_fail(self, title):
        self.title = title
        raise ValueError("after the change")

    def leave(self, how):
        if how == "exit":
            raise SystemExit(3)
        raise KeyboardInterrupt

    def store(self, value):
        self.notes = value

    def echo(self, *args, **kwargs):
        return [list(args), kwargs]

    def coroutine(self):
        return self.wait()

    @staticmethod
    def plus(a, b):
        return a + b

    def _hidden_method(self):
        return "hidden"

    def __str__(self):
        return f"{self.title} at {self.starts_at:%H:%M}"


@dbzero.memo(id="test.objects.Calendar")
class Calendar:
    """The user's calendar."""

    version = 1

    def __init__(self):
        self.meetings = []
        self.people = []
        self.names = {}
        self.nested = [[1, 2], [3]]

    @property
    def count(self):
        return len(self.meetings)

    def add(self, title: str, starts_at: dt.datetime, minutes: int = 30) -> Meeting:
        meeting = Meeting(title, starts_at, minutes)
        meeting.calendar = self
        self.meetings.append(meeting)
        return meeting

    def find_meeting(self, title: str, day: dt.date | None = None):
        for meeting in self.meetings:
            if meeting.title == title and (day is None or meeting.starts_at.date() == day):
                return meeting
        return None

    def events_for(self, day: dt.date):
        return [meeting for meeting in self.meetings if meeting.starts_at.date() == day]

    def all_meetings(self):
        return self.meetings

    def lazily(self):
        return (meeting for meeting in self.meetings)

    def query(self):
        return dbzero.find(Meeting)

    def contains(self, meeting: Meeting) -> bool:
        return any(item is meeting for item in self.meetings)

    def rename_all(self, title: str):
        for meeting in self.meetings:
            meeting.title = title

    def unsendable(self):
        return [1, {"a": object()}]
