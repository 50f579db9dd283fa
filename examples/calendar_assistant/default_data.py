"""The calendar to start with: real public holidays and a year of meetings in three real time zones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from examples.calendar_assistant.times import zone_of

__all__ = ["HOME_ZONE", "REQUEST", "USER_NAME", "default_entries"]

HOME_ZONE = "Europe/Warsaw"
USER_NAME = "Marta"
REQUEST = (
    "Please move today's Weekly planning to the next free slot and tell the people who take part. "
    "If there is none today, take my next meeting instead."
)

_COUNTRIES = {"PL": "Europe/Warsaw", "US": "America/New_York", "JP": "Asia/Tokyo"}
_HALF_YEAR = timedelta(days=183)


@dataclass(frozen=True, slots=True)
class _Series:
    """A meeting that repeats at the same wall clock time of its own zone."""

    title: str
    zone: str
    weekdays: tuple[int, ...]
    at: time
    minutes: int
    attendees: tuple[str, ...]
    room: str = ""
    every_weeks: int = 1


_SERIES = (
    _Series("Team sync", "Europe/Warsaw", (0, 1, 2, 3), time(9, 30), 15, ("Ada", "Piotr"), "Small room"),
    _Series("Design review", "America/New_York", (1, 3), time(9, 0), 60, ("Grace", "Ada")),
    _Series("Tokyo hand-over", "Asia/Tokyo", (2, 4), time(17, 30), 30, ("Jun", "Emi")),
    _Series("One-on-one with Ada", "Europe/Warsaw", (3,), time(13, 0), 45, ("Ada",), every_weeks=2),
    _Series("Release meeting", "America/New_York", (0,), time(10, 30), 45, ("Grace", "Piotr")),
)


def default_entries(today: date) -> Iterator[dict[str, Any]]:
    """Entries for ``Calendar.add_all``: half a year before today and half a year after it.

    A "Weekly planning" takes place today and on the same weekday of every week, whatever day it is.

    Args:
        today: in the home zone.
    """
    first, last = today - _HALF_YEAR, today + _HALF_YEAR
    free_days = {country: dict(_public_holidays(country, first, last)) for country in _COUNTRIES}
    for country, zone in _COUNTRIES.items():
        for day, name in free_days[country].items():
            at_home = zone == HOME_ZONE
            yield {
                "title": name if at_home else f"{name} ({country})",
                # A holiday elsewhere is worth knowing but takes no time here.
                **_span(day, time(), HOME_ZONE, timedelta(days=1)),
                "all_day": True,
                "busy": at_home,
            }
    planning = _Series(
        "Weekly planning", HOME_ZONE, (today.weekday(),), time(10, 0), 60, ("Ada", "Jun", "Grace"), "Large room"
    )
    off = {zone: frozenset(free_days[country]) for country, zone in _COUNTRIES.items()}
    for series in (planning, *_SERIES):
        for day in _days(series, first, last):
            if day != today and day in off[series.zone]:
                continue
            yield {
                "title": series.title,
                **_span(day, series.at, series.zone, timedelta(minutes=series.minutes)),
                "attendees": list(series.attendees),
                "room": series.room,
            }


def _days(series: _Series, first: date, last: date) -> Iterator[date]:
    for ordinal in range(first.toordinal(), last.toordinal() + 1):
        day = date.fromordinal(ordinal)
        # Weeks counted from a fixed Monday, so that "every second week" is the same whatever today is.
        if day.weekday() in series.weekdays and (ordinal - 1) // 7 % series.every_weeks == 0:
            yield day


def _span(day: date, at: time, zone: str, duration: timedelta) -> dict[str, Any]:
    """Start, end and zone; the wall clock of the end is that of the start plus the duration."""
    start = datetime.combine(day, at)
    tzinfo = zone_of(zone)
    return {
        "starts_at": start.replace(tzinfo=tzinfo),
        "ends_at": (start + duration).replace(tzinfo=tzinfo),
        "zone": zone,
    }


def _public_holidays(country: str, first: date, last: date) -> Iterator[tuple[date, str]]:
    import holidays

    found = holidays.country_holidays(country, years=range(first.year, last.year + 1), language="en_US")
    for day in sorted(found):
        if first <= day <= last:
            yield day, str(found[day])
