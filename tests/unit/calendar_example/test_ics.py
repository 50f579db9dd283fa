from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from examples.calendar_assistant.calendar import Calendar
from examples.calendar_assistant.ics import IcsError, IcsImport, read_ics

WARSAW = ZoneInfo("Europe/Warsaw")
TODAY = date(2026, 3, 16)
ZONES = """BEGIN:VTIMEZONE
TZID:Office Time
BEGIN:STANDARD
DTSTART:19700101T000000
TZOFFSETFROM:+0500
TZOFFSETTO:+0500
TZNAME:OT
END:STANDARD
END:VTIMEZONE
"""


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., IcsImport]:
    def read(*events: str) -> IcsImport:
        path = tmp_path / "in.ics"
        blocks = "".join(f"BEGIN:VEVENT\nUID:{n}\n{event.strip()}\nEND:VEVENT\n" for n, event in enumerate(events))
        text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//t//t//EN\n{ZONES}{blocks}END:VCALENDAR\n"
        path.write_bytes(text.replace("\n", "\r\n").encode())
        return read_ics(path, "Europe/Warsaw", TODAY)

    return read


def test_an_event_with_everything(load):
    (entry,) = load(
        """SUMMARY:Weekly planning
DTSTART;TZID=America/New_York:20260316T090000
DTEND;TZID=America/New_York:20260316T100000
LOCATION:Room 1\\, second floor
ATTENDEE;CN=Ada:mailto:ada@example.org
ATTENDEE:mailto:jun@example.org"""
    ).entries
    start = datetime(2026, 3, 16, 14, tzinfo=WARSAW)
    assert entry == {
        "title": "Weekly planning",
        "starts_at": start,
        "ends_at": start + timedelta(hours=1),
        "zone": "America/New_York",
        "location": "Room 1, second floor",
        "attendees": ["Ada", "jun@example.org"],
        "all_day": False,
        "busy": True,
    }
    calendar = Calendar("Europe/Warsaw")
    assert calendar.add_all([entry]) == 1
    assert calendar.find_meeting("weekly planning", day=TODAY).starts_at == start


@pytest.mark.parametrize(
    ("times", "start", "end", "zone"),
    [
        ("DTSTART:20260316T090000Z\nDTEND:20260316T100000Z", (10, 0), (11, 0), "Europe/Warsaw"),
        ("DTSTART:20260316T090000\nDTEND:20260316T100000", (9, 0), (10, 0), "Europe/Warsaw"),
        ("DTSTART:20260316T090000\nDURATION:PT45M", (9, 0), (9, 45), "Europe/Warsaw"),
        ("DTSTART:20260316T090000", (9, 0), (9, 0), "Europe/Warsaw"),
        ("DTSTART;TZID=Office Time:20260316T130000\nDURATION:PT1H", (9, 0), (10, 0), "Europe/Warsaw"),
        ("DTSTART;TZID=Tokyo Standard Time:20260316T170000\nDURATION:PT1H", (9, 0), (10, 0), "Asia/Tokyo"),
    ],
)
def test_times(load, times, start, end, zone):
    (entry,) = load(f"SUMMARY:x\n{times}").entries
    expected = [datetime(2026, 3, 16, *part, tzinfo=WARSAW) for part in (start, end)]
    assert [entry["starts_at"], entry["ends_at"]] == expected
    assert entry["zone"] == zone


@pytest.mark.parametrize(
    ("more", "days", "busy"),
    [
        ("", 1, False),
        ("DTEND;VALUE=DATE:20260329", 1, False),
        ("DTEND;VALUE=DATE:20260331\nTRANSP:OPAQUE", 3, True),
        ("DURATION:P2D\nTRANSP:TRANSPARENT", 2, False),
    ],
)
def test_whole_days_follow_the_clock_change(load, more, days, busy):
    # Clocks go forward on 2026-03-29 in Warsaw: this day has 23 hours.
    (entry,) = load(f"SUMMARY:x\nDTSTART;VALUE=DATE:20260328\n{more}").entries
    assert entry["all_day"]
    assert entry["busy"] is busy
    assert entry["starts_at"] == datetime(2026, 3, 28, tzinfo=WARSAW)
    assert entry["ends_at"] == datetime(2026, 3, 28, tzinfo=WARSAW) + timedelta(days=days)


def test_a_recurrence_keeps_its_wall_clock_time_and_its_exceptions(load):
    entries = load(
        """SUMMARY:sync
DTSTART;TZID=Europe/Warsaw:20260309T093000
DTEND;TZID=Europe/Warsaw:20260309T100000
RRULE:FREQ=WEEKLY;COUNT=5
EXDATE;TZID=Europe/Warsaw:20260323T093000"""
    ).entries
    found = [entry["starts_at"] for entry in entries]
    assert found == [datetime(2026, *day, 9, 30, tzinfo=WARSAW) for day in ((3, 9), (3, 16), (3, 30), (4, 6))]


def test_an_endless_recurrence_gives_one_year(load):
    entries = load("SUMMARY:daily\nDTSTART:20100101T090000\nDURATION:PT15M\nRRULE:FREQ=DAILY").entries
    days = [entry["starts_at"].date() for entry in entries]
    assert (days[0], days[-1], len(days)) == (TODAY - timedelta(days=183), TODAY + timedelta(days=183), 367)


def test_cancelled_events_are_left_out_and_unstorable_text_is_cleaned(load):
    result = load(
        "SUMMARY:gone\nDTSTART:20260316T090000\nSTATUS:CANCELLED",
        "SUMMARY:a\x00b\x07c\nDTSTART:20260316T090000",
        "DTSTART:20260316T090000",
    )
    assert [entry["title"] for entry in result.entries] == ["a b c", "(no title)"]
    assert result.notes == ()


def test_events_that_make_no_sense_are_named_and_the_others_kept(load):
    result = load(
        "SUMMARY:backwards\nDTSTART:20260316T090000\nDTEND:20260316T080000",
        "SUMMARY:no start",
        "SUMMARY:mixed\nDTSTART:20260316T090000\nDTEND;VALUE=DATE:20260317",
        "SUMMARY:bomb\nDTSTART:20260316T090000\nRRULE:FREQ=SECONDLY",
        "SUMMARY:flood\nDTSTART:20260316T090000\nRRULE:FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE="
        + ",".join(map(str, range(60))),
        "SUMMARY:era\nDTSTART:20260316T090000\nDTEND:20360316T090000",
        "SUMMARY:zoneless\nDTSTART:20260316T090000Z\nDTEND:20260316T100000",
        "SUMMARY:fine\nDTSTART:20260316T090000",
    )
    assert [entry["title"] for entry in result.entries] == ["fine"]
    assert [re.match(r"left out '([^']*)': ", note)[1] for note in result.notes] == [
        "backwards",
        "no start",
        "mixed",
        "bomb",
        "flood",
        "era",
        "zoneless",
    ]


def test_many_notes_are_counted(load):
    result = load(*["SUMMARY:no start"] * 25)
    assert (len(result.notes), result.notes[-1]) == (21, "5 more events left out")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is not an iCalendar file: no BEGIN:VCALENDAR at its start"),
        (b"<html>login</html>", "is not an iCalendar file: no BEGIN:VCALENDAR at its start"),
        (b"BEGIN:VCALENDAR\r\n\xff\xfe", "is not UTF-8 text, byte 17"),
        (b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", "is not a complete iCalendar file: no END:VCALENDAR at its end"),
        (b"BEGIN:VCALENDAR\r\nno colon here\r\nEND:VCALENDAR\r\n", "is not a valid iCalendar file: "),
    ],
)
def test_a_broken_file_is_named_with_the_reason(tmp_path, data, reason):
    path = tmp_path / "broken.ics"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(IcsError) as caught:
        read_ics(path, "UTC", TODAY)
    assert str(caught.value).startswith(f"{path}: {reason}")


def test_an_empty_calendar_is_fine(load):
    assert load() == IcsImport((), ())


def test_too_many_events_are_refused(tmp_path):
    path = tmp_path / "big.ics"
    event = "BEGIN:VEVENT\nUID:{}\nSUMMARY:x\nDTSTART:20260101T000000\nRRULE:FREQ=HOURLY\nEND:VEVENT\n"
    body = "".join(event.format(n) for n in range(3))
    path.write_text(f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:t\n{body}END:VCALENDAR\n", encoding="utf-8")
    with pytest.raises(IcsError) as caught:
        read_ics(path, "UTC", TODAY, max_events=100)
    assert str(caught.value) == f"{path}: more than 100 events within a year around 2026-03-16"
