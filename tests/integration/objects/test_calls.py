from __future__ import annotations

import datetime as dt

import dbzero
import pytest

from orchestrator.engine.objects.failures import MAX_MESSAGE_CHARS, run_application
from sandbox_runner.wire.values import EnumValue
from statek.exceptions import StoreError, StoreFull

from . import calendar_model as model

DAY = dt.date(2026, 3, 2)


@pytest.fixture
def meeting(job):
    sandbox, calendar = job
    return sandbox.call(calendar, "find_meeting", "Review")


@pytest.fixture
def raw(world):
    return world.calendar.meetings[1]


def test_method_changes_the_object_and_brings_its_new_state(job, meeting, raw):
    sandbox, _ = job
    slot = model.at(17)
    assert sandbox.call(meeting, "move_to", slot) is True
    assert raw.starts_at == slot
    assert sandbox.fields(meeting)["starts_at"] == slot
    assert sandbox.fields(meeting)["ends_at"] == model.at(17, 45)
    assert sandbox.states[meeting.id]["text"] == "Review at 17:00"


def test_handles_in_arguments_become_the_objects(job, meeting):
    sandbox, calendar = job
    assert sandbox.call(calendar, "contains", meeting) is True


def test_new_objects_come_back_as_new_handles(job, world):
    sandbox, calendar = job
    created = sandbox.call(calendar, "add", "New", model.at(20), minutes=15)
    assert sandbox.fields(created)["title"] == "New"
    assert sandbox.fields(calendar)["count"] == 4
    assert world.calendar.meetings[3].minutes == 15


def test_iso_text_and_enum_names_are_converted_where_declared(job, meeting, raw):
    sandbox, _ = job
    assert sandbox.call(meeting, "move_to", "2026-03-02T18:00:00") is True
    assert raw.starts_at == model.at(18)
    member = EnumValue(model.__name__, "Priority", "HIGH")
    assert sandbox.call(meeting, "rank", member) == member
    assert sandbox.call(meeting, "rank", "LOW") == EnumValue(model.__name__, "Priority", "LOW")
    assert raw.notes == "LOW"


def test_enum_members_without_a_declared_enum_are_refused(job, meeting):
    sandbox, _ = job
    assert sandbox.call(meeting, "echo", EnumValue("os", "environ", "x")) == (
        "TypeError",
        "echo() argument 'args': enum members are taken only where an enum is declared",
    )


def test_python_itself_says_what_is_missing(job, meeting):
    sandbox, _ = job
    assert sandbox.call(meeting, "move_to") == (
        "TypeError",
        "Meeting.move_to() missing 1 required positional argument: 'slot'",
    )


def test_static_methods_can_be_called(job, meeting):
    sandbox, _ = job
    assert sandbox.call(meeting, "plus", 2, b=3) == 5


def test_application_exception_is_data_and_its_changes_are_undone(job, meeting, raw):
    sandbox, _ = job
    assert sandbox.call(meeting, "rename_then_fail", "changed") == ("ValueError", "after the change")
    assert raw.title == "Review"
    assert sandbox.get(meeting, "title") == "Review"


@pytest.mark.parametrize(("how", "kind"), [("exit", "SystemExit"), ("interrupt", "KeyboardInterrupt")])
def test_leaving_the_process_is_an_application_error(job, meeting, how, kind):
    sandbox, _ = job
    assert sandbox.call(meeting, "leave", how)[0] == kind


def test_async_methods_are_refused_clearly(job, meeting):
    sandbox, _ = job
    assert sandbox.call(meeting, "wait") == (
        "TypeError",
        (
            "Meeting.wait is async; methods of durable objects run inside the store and cannot wait: "
            "the application offers it as a tool instead"
        ),
    )
    assert sandbox.call(meeting, "coroutine") == (
        "TypeError",
        "Meeting.coroutine returned an awaitable, which cannot be waited for here",
    )


def test_setting_a_field(job, meeting, raw):
    sandbox, _ = job
    assert sandbox.set(meeting, "title", "Better") is None
    assert raw.title == "Better"
    assert sandbox.fields(meeting)["title"] == "Better"


def test_setting_a_field_to_a_handle(job, meeting, raw, world):
    sandbox, calendar = job
    assert sandbox.set(meeting, "organizer", calendar) is None
    assert raw.organizer is world.calendar


def test_property_setters_run(job, meeting, raw):
    sandbox, _ = job
    assert sandbox.set(meeting, "loud", "QUIET") is None
    assert raw.title == "quiet"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ends_at", "property 'ends_at' of Meeting cannot be set"),
        ("move_to", "method 'move_to' of Meeting cannot be set"),
        ("invented", "'Meeting' object has no attribute 'invented'"),
    ],
)
def test_what_cannot_be_set(job, meeting, name, message):
    sandbox, _ = job
    assert sandbox.set(meeting, name, 1) == ("AttributeError", message)


def test_methods_are_not_read(job, meeting):
    sandbox, _ = job
    assert sandbox.get(meeting, "move_to") == ("AttributeError", "Meeting.move_to is a method: call it")
    assert sandbox.call(meeting, "title") == ("AttributeError", "'Meeting' object has no method 'title'")


def test_write_of_an_object_that_another_writer_changed_is_stale(job, meeting, raw):
    sandbox, _ = job
    raw.minutes = 10
    kind, message = sandbox.set(meeting, "title", "mine")
    assert (kind, message) == (
        "StaleObjectError",
        f"Meeting (handle {meeting.id}) changed since it was read; read it again, then write",
    )
    assert raw.title == "Review"
    assert sandbox.fields(meeting) == {}
    assert sandbox.set(meeting, "title", "mine")[0] == "StaleObjectError"
    assert sandbox.get(meeting, "minutes") == 10
    assert sandbox.set(meeting, "title", "mine") is None
    assert raw.title == "mine"


def test_last_write_wins_where_declared(job, meeting, raw):
    sandbox, _ = job
    raw.minutes = 10
    assert sandbox.set(meeting, "notes", "mine") is None
    assert raw.notes == "mine"


def test_a_change_of_a_property_alone_is_no_conflict(job, world):
    sandbox, calendar = job
    version = sandbox.states[calendar.id]["version"]
    world.calendar.meetings.pop()
    assert sandbox.set(calendar, "names", {"a": 1}, version) is None


def test_write_without_having_read_anything_is_accepted(job, meeting, raw):
    sandbox, _ = job
    raw.minutes = 10
    assert sandbox.set(meeting, "title", "blind", b"") is None
    assert raw.title == "blind"


def test_long_error_texts_are_cut(job, meeting):
    sandbox, _ = job
    _, message = sandbox.call(meeting, "echo", **{"a" * 100: 1, "b" * 201: 1})
    assert len(message) < 300
    with pytest.raises(Exception, match="characters") as caught:
        run_application(lambda: (_ for _ in ()).throw(ValueError("x" * 10_000)))
    assert caught.value.message == "x" * MAX_MESSAGE_CHARS + "... (10000 characters)"


def test_store_failures_are_not_answers():
    def full():
        raise StoreFull("disk")

    def misuse():
        raise StoreError("reserved")

    with pytest.raises(StoreFull):
        run_application(full)
    with pytest.raises(Exception, match="reserved") as caught:
        run_application(misuse)
    assert caught.value.type_name == "StoreError"


def test_nothing_of_a_refused_call_is_granted(job, world):
    sandbox, _ = job
    before = len(world.tables[0].objects)
    stranger = model.Person("Eve")
    dbzero.tags(stranger).add("x")
    sandbox.gateway._grants.find(stranger)

    def fail():
        return sandbox.gateway.answer([stranger, object()])

    with pytest.raises(Exception, match="cannot be sent"), dbzero.atomic():
        fail()
    assert len(world.tables[0].objects) == before
    assert sandbox.gateway._grants.find(stranger) is None
    with dbzero.atomic():
        assert sandbox.gateway.grant(stranger).id == before + 1
