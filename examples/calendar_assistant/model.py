"""Durable objects around the calendar: the user, what he asks for, and a meeting.

Every field is set in ``__init__``. What the calendar's indexes depend on (``starts_us``, ``ends_us``, the title) is not
in the STATEK-ACL: agents read it through properties and change it through ``move_to``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import dbzero as db0

from examples.calendar_assistant.times import clock, from_microseconds, to_microseconds, zone_of

if TYPE_CHECKING:
    from examples.calendar_assistant.calendar import Calendar

__all__ = ["LONGEST", "Meeting", "Message", "User"]

LONGEST = timedelta(days=366)
"""Duration of the longest meeting: each of its days is an entry of the calendar's index."""


@db0.memo(id="examples/calendar_assistant/user")
class User:
    """The person whose calendar it is.

    Attributes:
        name (str): how to address the user
        zone (str): IANA name of the user's time zone
        calendar (Calendar): the user's calendar

    STATEK-ACL
        +name
        +zone
        +calendar
    """

    def __init__(self, name: str, zone: str, calendar: Calendar) -> None:
        zone_of(zone)
        self.name = name
        self.zone = zone
        self.calendar = calendar

    def __str__(self) -> str:
        return f"{self.name} ({self.zone})"


@db0.memo(id="examples/calendar_assistant/message")
class Message:
    """What the user asks for.

    Attributes:
        sender (User): who wrote it
        text (str): the request
        created_at (datetime): when it was written

    STATEK-ACL
        +sender
        +text
        +created_at
    """

    def __init__(self, sender: User, text: str, created_at: datetime) -> None:
        self.sender = sender
        self.text = text
        self._created_us = to_microseconds(created_at, sender.zone)

    @property
    def created_at(self) -> datetime:
        """When it was written, in the sender's zone."""
        return from_microseconds(self._created_us, self.sender.zone)

    def __str__(self) -> str:
        return f"{self.sender.name}, {clock(self.created_at)}: {self.text}"


@db0.memo(id="examples/calendar_assistant/meeting")
class Meeting:
    """One entry of a calendar: a meeting, an appointment, a public holiday.

    Attributes:
        title (str): what it is
        location (str): where it is, empty if unknown
        attendees (list): names or addresses of who takes part
        room (str): the reserved room, empty for none
        all_day (bool): it takes whole days, not hours
        busy (bool): it makes its time unavailable for others
        zone (str): IANA name of the zone that it was planned in

    STATEK-ACL
        +title
        +location
        +attendees
        +room
        +all_day
        +busy
        +zone
        +starts_at
        +ends_at
        +duration
        +day
        +move_to
    """

    def __init__(
        self,
        calendar: Calendar,
        title: str,
        starts_at: datetime,
        ends_at: datetime,
        *,
        zone: str,
        location: str = "",
        attendees: Sequence[str] = (),
        room: str = "",
        all_day: bool = False,
        busy: bool = True,
    ) -> None:
        """Make a meeting; ``Calendar.add`` is the way to one that the calendar knows.

        Raises:
            ValueError: it ends before it starts, lasts longer than a year, or the zone does not exist.
        """
        zone_of(zone)
        starts_us, ends_us = to_microseconds(starts_at, zone), to_microseconds(ends_at, zone)
        if ends_us < starts_us:
            raise ValueError(f"{title!r} ends ({ends_at}) before it starts ({starts_at})")
        if timedelta(microseconds=ends_us - starts_us) > LONGEST:
            raise ValueError(f"{title!r} lasts longer than {LONGEST.days} days")
        self._calendar = calendar
        self._title = title
        self.starts_us = starts_us
        self.ends_us = ends_us
        self.zone = zone
        self.location = location
        self.attendees = list(attendees)
        self.room = room
        self.all_day = all_day
        self.busy = busy

    @property
    def title(self) -> str:
        """What it is."""
        return self._title

    @property
    def starts_at(self) -> datetime:
        """When it starts, in its own zone."""
        return from_microseconds(self.starts_us, self.zone)

    @property
    def ends_at(self) -> datetime:
        """When it ends, in its own zone."""
        return from_microseconds(self.ends_us, self.zone)

    @property
    def duration(self) -> timedelta:
        """How long it takes."""
        return timedelta(microseconds=self.ends_us - self.starts_us)

    @property
    def day(self) -> date:
        """The day that it starts on, in the calendar's zone."""
        return from_microseconds(self.starts_us, self._calendar.zone).date()

    def move_to(self, slot: datetime) -> None:
        """Move the meeting; its duration stays.

        Args:
            slot (datetime): the new start, for example from find_empty_slot; a naive one is in the calendar's zone

        Raises:
            ValueError: it would overlap another meeting; the message names it
        """
        self._calendar.move(self, slot)

    def __str__(self) -> str:
        zone = self._calendar.zone
        starts, ends = from_microseconds(self.starts_us, zone), from_microseconds(self.ends_us, zone)
        if self.all_day:
            return f"{self._title} ({starts:%a %Y-%m-%d}, all day)"
        until = f"{ends:%H:%M}" if ends.date() == starts.date() else clock(ends)
        place = f", room {self.room}" if self.room else ""
        return f"{self._title} ({clock(starts)}–{until} {zone}{place})"
