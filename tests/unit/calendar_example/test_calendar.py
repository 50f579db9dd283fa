from __future__ import annotations

import gc
import re
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import dbzero as db0
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from examples.calendar_assistant.calendar import Calendar
from examples.calendar_assistant.model import Meeting, Message, User

WARSAW = ZoneInfo("Europe/Warsaw")
NEW_YORK = ZoneInfo("America/New_York")
MONDAY = date(2026, 3, 2)
HOUR = timedelta(hours=1)


def at(hour: int, minute: int = 0, day: date = MONDAY, zone: ZoneInfo = WARSAW) -> datetime:
    return datetime.combine(day, time(hour, minute), tzinfo=zone)


def titles(meetings: list[Meeting]) -> list[str]:
    return [meeting.title for meeting in meetings]


@pytest.fixture
def calendar() -> Calendar:
    calendar = Calendar("Europe/Warsaw")
    db0.tags(calendar).add("root")
    return calendar


def test_a_meeting_comes_back_as_it_was_given(calendar):
    made = calendar.add(
        "Review", at(9, zone=NEW_YORK), at(10, zone=NEW_YORK), zone="America/New_York", attendees=["Ada"], room="A12"
    )
    db0.commit()
    (found,) = calendar.events_for(MONDAY)
    assert found is made
    assert (found.starts_at, found.starts_at.tzinfo) == (at(15), NEW_YORK)
    assert (found.ends_at, found.duration, found.day) == (at(16), HOUR, MONDAY)
    assert (list(found.attendees), found.room, found.location, found.busy) == (["Ada"], "A12", "", True)
    assert str(found) == "Review (Mon 2026-03-02 15:00–16:00 Europe/Warsaw, room A12)"
    assert str(calendar) == "Calendar of 1 events (Europe/Warsaw)"


def test_it_survives_in_the_store(tmp_path):
    calendar = Calendar("Europe/Warsaw")
    user = User("Marta", "Europe/Warsaw", calendar)
    db0.tags(user).add("root")
    calendar.add("Weekly planning", at(10), at(11), attendees=["Ada", "Jun"])
    db0.tags(Message(user, "move it", at(8))).add("root")
    del calendar, user
    gc.collect()
    db0.close()
    db0.init(str(tmp_path / "db"), autocommit=False)
    db0.open("example")
    (user,), (message,) = list(db0.find(User, "root")), list(db0.find(Message, "root"))
    meeting = user.calendar.find_meeting("Weekly planning", day=MONDAY)
    assert (meeting.starts_at, list(meeting.attendees)) == (at(10), ["Ada", "Jun"])
    meeting.move_to(at(12))
    assert user.calendar.find_meeting("Weekly planning").starts_at == at(12)
    assert (str(user), str(message)) == ("Marta (Europe/Warsaw)", "Marta, Mon 2026-03-02 08:00: move it")
    assert message.created_at == at(8)


def test_days_are_those_of_the_calendars_zone(calendar):
    tokyo = ZoneInfo("Asia/Tokyo")
    early = calendar.add("early", at(7, day=date(2026, 3, 3), zone=tokyo), at(8, day=date(2026, 3, 3), zone=tokyo))
    assert early.day == MONDAY
    assert titles(calendar.events_for(MONDAY)) == ["early"]
    assert calendar.events_for(date(2026, 3, 3)) == []
    assert titles(calendar.events_for(at(23))) == ["early"]


def test_a_meeting_over_several_days_is_on_each(calendar):
    calendar.add("fair", at(22), at(0, day=date(2026, 3, 4)))
    days = [MONDAY + timedelta(days=n) for n in range(-1, 4)]
    assert [len(calendar.events_for(day)) for day in days] == [0, 1, 1, 0, 0]
    assert titles(calendar.upcoming(at(0), 10)) == ["fair"]
    assert titles(calendar.upcoming(at(23), 10)) == []


def test_finding_by_title(calendar):
    calendar.add("Weekly planning", at(10, day=date(2026, 3, 9)), at(11, day=date(2026, 3, 9)))
    first = calendar.add("weekly PLANNING ", at(10), at(11))
    assert calendar.find_meeting(" Weekly Planning") is first
    assert calendar.find_meeting("weekly planning", day=date(2026, 3, 9)).day == date(2026, 3, 9)
    assert calendar.find_meeting("weekly planning", day=date(2026, 3, 10)) is None
    assert calendar.find_meeting("weekly") is None


def test_upcoming_is_in_order_and_bounded(calendar):
    for hour in (15, 9, 12):
        for day in (3, 2, 30):
            start = at(hour, day=date(2026, 3, day))
            calendar.add(f"{day}/{hour}", start, start + HOUR)
    assert titles(calendar.upcoming(at(10), 4)) == ["2/12", "2/15", "3/9", "3/12"]
    assert titles(calendar.upcoming(at(13, day=date(2026, 3, 3)).replace(tzinfo=None), 10)) == [
        "3/15",
        "30/9",
        "30/12",
        "30/15",
    ]
    with pytest.raises(ValueError, match=r"^limit must be between 1 and 200, got 0$"):
        calendar.upcoming(at(10), 0)


def test_the_empty_slot_is_after_what_is_there(calendar):
    calendar.add("a", at(9), at(11))
    calendar.add("b", at(11, 50), at(13))
    calendar.add("reminder", at(13), at(16), busy=False)
    assert calendar.find_empty_slot(after=at(8), duration=HOUR) == at(13)
    assert calendar.find_empty_slot(after=at(8), duration=timedelta(minutes=45)) == at(11)
    assert calendar.find_empty_slot(after=at(10, 45), duration=timedelta(minutes=15)) == at(11)
    assert calendar.find_empty_slot(after=at(13, 1), duration=timedelta(0)) == at(13, 15)
    assert calendar.find_empty_slot(after=at(14).replace(tzinfo=None), duration=HOUR) == at(14)
    assert calendar.find_empty_slot(after=at(16, 30), duration=HOUR) == at(9, day=date(2026, 3, 3))


def test_the_weekend_and_a_busy_day_are_skipped(calendar):
    calendar.add("holiday", at(0, day=date(2026, 3, 9)), at(0, day=date(2026, 3, 10)), all_day=True)
    friday = date(2026, 3, 6)
    assert calendar.find_empty_slot(after=at(16, 30, day=friday), duration=HOUR) == at(9, day=date(2026, 3, 10))


def test_working_hours_follow_the_clock_change():
    calendar = Calendar("America/New_York")
    before, after = date(2026, 3, 6), date(2026, 3, 9)
    slots = [calendar.find_empty_slot(after=at(0, day=day, zone=NEW_YORK), duration=HOUR) for day in (before, after)]
    assert [slot.astimezone(UTC).hour for slot in slots] == [14, 13]
    assert [slot.hour for slot in slots] == [9, 9]


def test_no_slot_within_three_months(calendar):
    for number in range(100):
        day = MONDAY + timedelta(days=number)
        calendar.add("full", at(0, day=day), at(23, day=day))
    assert calendar.find_empty_slot(after=at(8), duration=HOUR) is None


@pytest.mark.parametrize("duration", [timedelta(microseconds=-1), timedelta(hours=8, microseconds=1)])
def test_a_duration_that_never_fits_is_refused(calendar, duration):
    text = f"duration must be between 0 and the 8 working hours of a day, got {duration}"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        calendar.find_empty_slot(after=at(8), duration=duration)


def test_moving_keeps_the_duration_and_the_indexes(calendar):
    meeting = calendar.add("Weekly planning", at(10), at(11, 30))
    meeting.move_to(at(14, day=date(2026, 3, 4)))
    db0.commit()
    assert (meeting.starts_at, meeting.duration) == (at(14, day=date(2026, 3, 4)), timedelta(minutes=90))
    assert calendar.events_for(MONDAY) == []
    assert titles(calendar.events_for(date(2026, 3, 4))) == ["Weekly planning"]
    assert titles(calendar.upcoming(at(0), 5)) == ["Weekly planning"]
    assert list(calendar.changes) == ["Weekly planning: Mon 2026-03-02 10:00 → Wed 2026-03-04 14:00 (Europe/Warsaw)"]


def test_moving_onto_another_meeting_is_refused(calendar):
    meeting = calendar.add("a", at(9), at(10))
    calendar.add("b", at(12), at(13))
    text = (
        "'a' at Mon 2026-03-02 11:30 would overlap b (Mon 2026-03-02 12:00–13:00 Europe/Warsaw); "
        "find_empty_slot finds a free time"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        meeting.move_to(at(11, 30))
    assert meeting.starts_at == at(9)
    meeting.move_to(at(11))
    meeting.move_to(at(11, 0))
    meeting.move_to(at(10, 30).replace(tzinfo=None))
    assert meeting.starts_at == at(10, 30)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda c: Calendar("Mars/Base"), ValueError, "no time zone named 'Mars/Base'; expected an IANA name such as"),
        (lambda c: Calendar("UTC", work_starts=17, work_ends=9), ValueError, "working hours must be 0 <= start < end"),
        (lambda c: c.add("x", at(10), at(9)), ValueError, "'x' ends (2026-03-02 09:00:00+01:00) before it starts"),
        (lambda c: c.add("x", at(9), at(9) + timedelta(days=367)), ValueError, "'x' lasts longer than 366 days"),
        (lambda c: c.events_for("2026-03-02"), TypeError, "day must be a date, got str"),
        (lambda c: c.find_meeting(None), TypeError, "title must be a str, got NoneType"),
        (lambda c: c.find_empty_slot(MONDAY, HOUR), TypeError, "after must be a datetime, got date"),
        (lambda c: c.find_empty_slot(at(9), 3), TypeError, "duration must be a timedelta, got int"),
        (lambda c: c.add("x", at(9), at(10)).move_to("10:00"), TypeError, "slot must be a datetime, got str"),
    ],
)
def test_what_makes_no_sense_is_refused(calendar, make, error, text):
    with pytest.raises(error) as caught:
        make(calendar)
    assert str(caught.value).startswith(text)
    db0.tags(calendar).add("root")


def test_a_question_does_not_look_at_every_event():
    calendar = Calendar("Europe/Warsaw")
    step = timedelta(hours=3)
    calendar.add_all(
        {"title": f"event {n % 50}", "starts_at": at(8) + n * step, "ends_at": at(9) + n * step} for n in range(3000)
    )
    questions = {
        "events_for": lambda: calendar.events_for(date(2026, 6, 1)),
        "find_meeting": lambda: calendar.find_meeting("event 7", day=date(2026, 6, 1)),
        "find_meeting, no day": lambda: calendar.find_meeting("no such"),
        "find_empty_slot": lambda: calendar.find_empty_slot(at(8), HOUR),
        "upcoming": lambda: calendar.upcoming(at(8), 10),
    }
    calls = {name: count_calls(question) for name, question in questions.items()}
    assert {name: count for name, count in calls.items() if count > 1000} == {}


def count_calls(question: Callable[[], object]) -> int:
    count = 0

    def profile(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        question()
    finally:
        sys.setprofile(before)
    return count


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(36, 3 * 96), st.integers(1, 12)), max_size=25),
    st.integers(36, 2 * 96),
    st.integers(1, 16),
)
def test_a_slot_is_free_and_the_first_one(busy, after, length):
    calendar = Calendar("Europe/Warsaw")
    quarter = timedelta(minutes=15)
    origin = at(0).astimezone(UTC)
    for start, quarters in busy:
        calendar.add("x", origin + start * quarter, origin + (start + quarters) * quarter)
    duration, earliest = length * quarter, origin + after * quarter
    slot = calendar.find_empty_slot(earliest, duration)

    def fits(moment: datetime) -> bool:
        local, end = moment.astimezone(WARSAW), (moment + duration).astimezone(WARSAW)
        open_hours = local.hour >= 9 and end.date() == local.date() and end.time() <= time(17) and local.weekday() < 5
        return open_hours and all(
            origin + (s + q) * quarter <= moment or moment + duration <= origin + s * quarter for s, q in busy
        )

    candidates = (earliest + n * quarter for n in range(40 * 96))
    assert slot == next(moment for moment in candidates if fits(moment))
    assert slot.tzinfo == WARSAW
