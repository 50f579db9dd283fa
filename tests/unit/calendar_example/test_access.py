from __future__ import annotations

import pytest

from examples.calendar_assistant.calendar import Calendar
from examples.calendar_assistant.model import Meeting, Message, User
from statek.access import acl_of


def public_names(cls: type) -> set[str]:
    return {name for name in vars(cls) if not name.startswith("_")}


ALLOWED = {
    User: {"name", "zone", "calendar"},
    Message: {"sender", "text", "created_at"},
    Calendar: {
        *("zone", "events", "work_starts", "work_ends", "changes"),
        *("events_for", "find_meeting", "find_empty_slot", "upcoming"),
    },
    Meeting: {
        *("title", "location", "attendees", "room", "all_day", "busy", "zone"),
        *("starts_at", "ends_at", "duration", "day", "move_to"),
    },
}


@pytest.mark.parametrize("cls", ALLOWED, ids=lambda cls: cls.__name__)
def test_the_acl_names_what_agents_may_use(cls):
    acl = acl_of(cls)
    assert acl is not None
    assert acl.ignored == ()
    assert {rule.pattern for rule in acl.rules if rule.grants} == ALLOWED[cls]


@pytest.mark.parametrize(
    ("cls", "name"),
    [(Calendar, "add"), (Calendar, "add_all"), (Calendar, "move"), (Meeting, "starts_us"), (Meeting, "ends_us")],
)
def test_what_would_bypass_the_indexes_is_denied(cls, name):
    assert acl_of(cls).last_match(name) is None
