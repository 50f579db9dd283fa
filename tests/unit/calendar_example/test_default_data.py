from __future__ import annotations

from collections import Counter
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from examples.calendar_assistant.calendar import Calendar
from examples.calendar_assistant.default_data import default_entries

DAYS = [date(2026, 3, 16), date(2026, 11, 21), date(2028, 2, 29), date(2027, 1, 1)]


@pytest.mark.parametrize("today", DAYS, ids=str)
def test_every_day_has_a_planning_and_enough_events(today):
    calendar = Calendar("Europe/Warsaw")
    count = calendar.add_all(default_entries(today))
    assert count == len(calendar.events) >= 300
    planning = calendar.find_meeting("Weekly planning", day=today)
    assert planning.starts_at == datetime.combine(today, time(10), tzinfo=ZoneInfo("Europe/Warsaw"))
    assert {event.zone for event in calendar.events} == {"Europe/Warsaw", "America/New_York", "Asia/Tokyo"}


def test_meetings_keep_their_wall_clock_through_the_clock_change():
    entries = list(default_entries(date(2026, 3, 16)))
    reviews = [entry["starts_at"] for entry in entries if entry["title"] == "Design review"]
    assert {moment.time() for moment in reviews} == {time(9)}
    assert {moment.utcoffset() for moment in reviews} == {timedelta(hours=-5), timedelta(hours=-4)}


def test_public_holidays_are_real_and_keep_meetings_away():
    entries = list(default_entries(date(2026, 3, 16)))
    easter_monday = date(2026, 4, 6)
    on_it = [entry for entry in entries if entry["starts_at"].date() == easter_monday]
    assert [entry["title"] for entry in on_it if entry.get("all_day")] == ["Easter Monday"]
    assert "Team sync" not in {entry["title"] for entry in on_it}
    assert Counter(entry.get("all_day", False) for entry in entries)[True] > 20
