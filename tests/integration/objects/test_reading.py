from __future__ import annotations

import datetime as dt

from sandbox_runner.wire.values import Handle

from . import calendar_model as model

MEETING = f"{model.__name__}:Meeting"


def test_calendar_state_carries_fields_properties_and_collections(job, world):
    sandbox, calendar = job
    assert calendar == Handle(1, f"{model.__name__}:Calendar")
    fields = sandbox.fields(calendar)
    assert list(fields) == ["meetings", "names", "nested", "people", "version", "count"]
    assert fields["count"] == 3
    assert fields["version"] == 1
    assert sandbox.states[fields["meetings"].id]["length"] == 3
    assert sandbox.states[fields["names"].id]["items"] == []


def test_meeting_found_by_a_method_is_read_locally(job):
    sandbox, calendar = job
    meeting = sandbox.call(calendar, "find_meeting", "Weekly planning", day=dt.date(2026, 3, 2))
    fields = sandbox.fields(meeting)
    assert fields["title"] == "Weekly planning"
    assert fields["ends_at"] == model.at(9, 45)
    assert fields["duration"] == dt.timedelta(minutes=45)
    assert fields["slot"] == (model.at(9), 45)
    assert fields["calendar"] == calendar
    assert sandbox.states[meeting.id]["text"] == "Weekly planning at 09:00"
    assert "broken" not in fields
    assert "secret" not in fields
    assert "_private" not in fields


def test_type_description_of_a_meeting(job):
    sandbox, calendar = job
    sandbox.call(calendar, "find_meeting", "Review")
    described = sandbox.types[MEETING]
    assert described["doc"] == "One meeting of a calendar."
    assert described["methods"]["move_to"] == [
        "(slot: 'dt.datetime')",
        "Move the meeting.\nArgs:\n    slot: the new start.\nReturns: bool: whether it moved.",
    ]
    assert "erase" not in described["methods"]
    assert "wait" not in described["methods"]
    assert "ends_at" in described["fields"]
    assert "ends_at" not in described["writable"]
    assert "loud" in described["writable"]
    assert "title" in described["writable"]
    assert not any(name.startswith("_") for name in (*described["fields"], *described["methods"]))


def test_property_that_raises_raises_again_when_it_is_asked_for(job):
    sandbox, calendar = job
    meeting = sandbox.call(calendar, "find_meeting", "Review")
    assert sandbox.get(meeting, "broken") == ("RuntimeError", "no such luck")


def test_same_object_is_always_the_same_handle(job):
    sandbox, calendar = job
    first = sandbox.call(calendar, "find_meeting", "Review")
    assert sandbox.call(calendar, "find_meeting", "Review") == first
    assert sandbox.call(calendar, "events_for", dt.date(2026, 3, 2))[1] == first
    assert sandbox.get(first, "calendar") == calendar
    assert sandbox.call(calendar, "all_meetings") == sandbox.fields(calendar)["meetings"]


def test_iterators_and_queries_are_drawn(job):
    sandbox, calendar = job
    events = sandbox.call(calendar, "events_for", dt.date(2026, 3, 2))
    assert sandbox.call(calendar, "lazily") == events
    assert sorted(handle.id for handle in sandbox.call(calendar, "query")) == sorted(handle.id for handle in events)


def test_result_that_cannot_be_sent_names_the_place(job):
    sandbox, calendar = job
    kind, message = sandbox.call(calendar, "unsendable")
    assert kind == "InvalidRequest"
    assert message.startswith("the result cannot be sent into a sandbox: value[1]['a']")


def test_nested_durable_list_is_a_handle_of_its_own(job):
    sandbox, calendar = job
    outer = sandbox.fields(calendar)["nested"]
    inner = sandbox.states[outer.id]["items"][0]
    assert inner.type_name == "list"
    assert sandbox.item(inner, "page", 0, 10) == [1, 2]
    assert sandbox.item(inner, "append", 9) is None
    assert sandbox.item(inner, "page", 0, 10) == [1, 2, 9]
