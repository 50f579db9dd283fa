"""The durable calendar: entries, indexes by day and title, and the search for free time.

The indexes keep every question short on thousands of entries: a day is looked up, never searched for.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

import dbzero as db0

from examples.calendar_assistant.model import Meeting
from examples.calendar_assistant.times import clock, day_start, from_microseconds, to_microseconds, zone_of

__all__ = ["Calendar"]

_QUARTER_US = 15 * 60 * 1_000_000
_SEARCH_DAYS = 92
_MAX_UPCOMING = 200
_FRIDAY = 4


def _moment(value: object, name: str) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError(f"{name} must be a datetime, got {type(value).__name__}")
    return value


@db0.memo(id="examples/calendar_assistant/calendar")
class Calendar:
    """A calendar of one person. Days and working hours are those of its zone.

    Attributes:
        zone (str): IANA name of the zone of days and working hours
        events (list): every meeting, in no particular order
        work_starts (int): hour of the day that working hours start at
        work_ends (int): hour of the day that working hours end at
        changes (list): one line for each meeting that was moved

    STATEK-ACL
        +zone
        +events
        +work_starts
        +work_ends
        +changes
        +events_for
        +find_meeting
        +find_empty_slot
        +upcoming
    """

    def __init__(self, zone: str, *, work_starts: int = 9, work_ends: int = 17) -> None:
        """Make an empty calendar.

        Raises:
            ValueError: the zone does not exist, or the working hours make no sense.
        """
        zone_of(zone)
        if not 0 <= work_starts < work_ends <= 24:
            raise ValueError(f"working hours must be 0 <= start < end <= 24, got {work_starts} and {work_ends}")
        self.zone = zone
        self.work_starts = work_starts
        self.work_ends = work_ends
        self.events: list[Meeting] = []
        self.changes: list[str] = []
        self._by_day: dict[str, list[Meeting]] = {}
        self._by_title: dict[str, list[Meeting]] = {}
        # Ordinals of the days in _by_day, ascending: the order that a dict of the store does not have.
        self._days: list[int] = []

    def add(self, title: str, starts_at: datetime, ends_at: datetime, **more: Any) -> Meeting:
        """Add one meeting; further arguments as those of ``Meeting``, ``zone`` being the calendar's by default.

        Raises:
            ValueError: the meeting makes no sense.
        """
        meeting = self._insert({"title": title, "starts_at": starts_at, "ends_at": ends_at, **more})
        self._sort_days()
        return meeting

    def add_all(self, entries: Iterable[Mapping[str, Any]]) -> int:
        """Add many meetings, each given as the arguments of ``add``; gives their number.

        Raises:
            ValueError: one makes no sense; the earlier ones are in the calendar then.
        """
        count = 0
        try:
            for entry in entries:
                self._insert(entry)
                count += 1
        finally:
            self._sort_days()
        return count

    def events_for(self, day: date) -> list[Meeting]:
        """Everything that takes place on a day, also what started before it, by time.

        Args:
            day (date): the day in the calendar's zone

        Returns:
            list: meetings, the earliest first
        """
        if isinstance(day, datetime):
            day = day.astimezone(zone_of(self.zone)).date() if day.tzinfo is not None else day.date()
        if not isinstance(day, date):
            raise TypeError(f"day must be a date, got {type(day).__name__}")
        return self._sorted(self._by_day.get(day.isoformat(), ()))

    def find_meeting(self, title: str, day: date | None = None) -> Meeting | None:
        """The earliest meeting of this title, upper and lower case being the same.

        Args:
            title (str): the whole title
            day (date): only meetings that take place on this day in the calendar's zone

        Returns:
            Meeting: the meeting, or None if there is none
        """
        if not isinstance(title, str):
            raise TypeError(f"title must be a str, got {type(title).__name__}")
        key = title.strip().casefold()
        if day is not None:
            return next((one for one in self.events_for(day) if one.title.strip().casefold() == key), None)
        return min(self._by_title.get(key, ()), key=lambda one: one.starts_us, default=None)

    def find_empty_slot(self, after: datetime, duration: timedelta) -> datetime | None:
        """The first free time within working hours, Monday to Friday, on a quarter of an hour.

        Args:
            after (datetime): the earliest start; a naive one is in the calendar's zone
            duration (timedelta): how long the slot must be

        Returns:
            datetime: start of the slot in the calendar's zone, or None if nothing is free within three months

        Raises:
            ValueError: the duration is negative or longer than the working hours of a day
        """
        earliest = to_microseconds(_moment(after, "after"), self.zone)
        if not isinstance(duration, timedelta):
            raise TypeError(f"duration must be a timedelta, got {type(duration).__name__}")
        hours = self.work_ends - self.work_starts
        if not timedelta(0) <= duration <= timedelta(hours=hours):
            raise ValueError(f"duration must be between 0 and the {hours} working hours of a day, got {duration}")
        needed = max(duration // timedelta(microseconds=1), 1)
        first = from_microseconds(earliest, self.zone).date()
        for offset in range(_SEARCH_DAYS):
            day = first + timedelta(days=offset)
            if day.weekday() > _FRIDAY:
                continue
            opens, closes = self._hour(day, self.work_starts), self._hour(day, self.work_ends)
            start = _next_quarter(max(opens, earliest))
            for busy_from, busy_until in self._busy(day):
                if busy_from >= start + needed:
                    break
                if busy_until > start:
                    start = _next_quarter(busy_until)
            if start + needed <= closes:
                return from_microseconds(start, self.zone)
        return None

    def upcoming(self, after: datetime, limit: int = 10) -> list[Meeting]:
        """The next meetings.

        Args:
            after (datetime): only meetings that start at this time or later; a naive one is in the calendar's zone
            limit (int): at most this many, up to 200

        Returns:
            list: meetings, the earliest first
        """
        since = to_microseconds(_moment(after, "after"), self.zone)
        if not isinstance(limit, int) or not 1 <= limit <= _MAX_UPCOMING:
            raise ValueError(f"limit must be between 1 and {_MAX_UPCOMING}, got {limit!r}")
        found: list[Meeting] = []
        first = bisect.bisect_left(self._days, from_microseconds(since, self.zone).date().toordinal())
        for position in range(first, len(self._days)):
            day = date.fromordinal(self._days[position])
            begins = day_start(day, self.zone)
            # A meeting over several days is listed under each: it counts on the day that it starts on.
            found += [one for one in self.events_for(day) if one.starts_us >= max(since, begins)]
            if len(found) >= limit:
                break
        return found[:limit]

    def move(self, meeting: Meeting, slot: datetime) -> None:
        """Move a meeting of this calendar; see ``Meeting.move_to``."""
        starts = to_microseconds(_moment(slot, "slot"), self.zone)
        ends = starts + (meeting.ends_us - meeting.starts_us)
        if meeting.busy:
            self._refuse_overlap(meeting, starts, ends)
        before = clock(from_microseconds(meeting.starts_us, self.zone))
        self._unlink(meeting)
        meeting.starts_us, meeting.ends_us = starts, ends
        self._link(meeting)
        self._sort_days()
        after = clock(from_microseconds(starts, self.zone))
        self.changes.append(f"{meeting.title}: {before} → {after} ({self.zone})")

    def __str__(self) -> str:
        return f"Calendar of {len(self.events)} events ({self.zone})"

    def _insert(self, entry: Mapping[str, Any]) -> Meeting:
        meeting = Meeting(self, **{"zone": self.zone, **entry})
        self.events.append(meeting)
        self._by_title.setdefault(meeting.title.strip().casefold(), []).append(meeting)
        self._link(meeting)
        return meeting

    def _hour(self, day: date, hour: int) -> int:
        """Microseconds of a full hour on the wall clock; 24 is the end of the day."""
        moment = datetime.combine(day + timedelta(days=hour // 24), time(hour % 24))
        return to_microseconds(moment, self.zone)

    def _busy(self, day: date) -> Iterator[tuple[int, int]]:
        for one in self.events_for(day):
            if one.busy:
                yield one.starts_us, one.ends_us

    def _keys(self, meeting: Meeting) -> Iterator[str]:
        """ISO dates of the days that a meeting touches; midnight as its end touches no further day."""
        first = from_microseconds(meeting.starts_us, self.zone).date()
        last = from_microseconds(max(meeting.ends_us - 1, meeting.starts_us), self.zone).date()
        for ordinal in range(first.toordinal(), last.toordinal() + 1):
            yield date.fromordinal(ordinal).isoformat()

    def _link(self, meeting: Meeting) -> None:
        for key in self._keys(meeting):
            if key not in self._by_day:
                self._by_day[key] = []
            self._by_day[key].append(meeting)

    def _unlink(self, meeting: Meeting) -> None:
        for key in self._keys(meeting):
            self._by_day[key] = [one for one in self._by_day[key] if one is not meeting]

    def _sort_days(self) -> None:
        if len(self._days) != len(self._by_day):
            self._days = sorted(date.fromisoformat(key).toordinal() for key in self._by_day)

    def _sorted(self, meetings: Iterable[Meeting]) -> list[Meeting]:
        return sorted(meetings, key=lambda one: (one.starts_us, one.title))

    def _refuse_overlap(self, meeting: Meeting, starts: int, ends: int) -> None:
        day = from_microseconds(starts, self.zone).date()
        last = from_microseconds(max(ends - 1, starts), self.zone).date()
        while day <= last:
            for one in self.events_for(day):
                if one is not meeting and one.busy and one.starts_us < ends and starts < one.ends_us:
                    text = f"{meeting.title!r} at {clock(from_microseconds(starts, self.zone))} would overlap {one}"
                    raise ValueError(f"{text}; find_empty_slot finds a free time")
            day += timedelta(days=1)


def _next_quarter(microseconds: int) -> int:
    """The next quarter of an hour; every zone of today is offset from UTC by a multiple of it."""
    return -(-microseconds // _QUARTER_US) * _QUARTER_US
