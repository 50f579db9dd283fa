from __future__ import annotations

import dbzero
import pytest

from orchestrator.engine.objects import ObjectLimits
from statek.access import DefaultAcl

from . import calendar_model as model


def review(sandbox, calendar):
    return sandbox.call(calendar, "find_meeting", "Review")


def first_person(sandbox, calendar):
    people = sandbox.fields(calendar)["people"]
    return sandbox.states[people.id]["items"][0]


@pytest.mark.parametrize(
    "name",
    ["__dict__", "__class__", "_private", "__init__", "_hidden_method", "title.upper", "a b", "", "x" * 300, "тitle\0"],
)
def test_private_and_malformed_names_do_not_exist(job, name):
    sandbox, calendar = job
    meeting = review(sandbox, calendar)
    if name:
        assert sandbox.get(meeting, name)[0] == "AccessDenied"
    assert sandbox.set(meeting, name, 1)[0] == "AccessDenied"
    assert sandbox.call(meeting, name)[0] == "AccessDenied"


def test_acl_rules_hide_names(job, world):
    sandbox, calendar = job
    meeting = review(sandbox, calendar)
    rule = "denied by rule -secret in the STATEK-ACL of Meeting"
    assert sandbox.get(meeting, "secret")[0] == "AccessDenied"
    assert rule in sandbox.get(meeting, "secret")[1]
    assert rule in sandbox.set(meeting, "secret", "x")[1]
    assert sandbox.call(meeting, "erase")[0] == "AccessDenied"
    assert world.calendar.meetings[1].secret == "s3cret"
    assert world.calendar.meetings[1].title == "Review"


def test_class_without_acl_reached_through_an_attribute_is_denied(job):
    sandbox, calendar = job
    person = first_person(sandbox, calendar)
    sandbox.get(person, "")
    state = sandbox.states[person.id]
    assert state["fields"] == {}
    assert state["denied"].startswith("STATEK_DEFAULT_ACL=DENY: Person has no STATEK-ACL and was reached through")
    assert sandbox.types[state["type"]]["fields"] == []
    assert sandbox.get(person, "name")[0] == "AccessDenied"
    assert sandbox.set(person, "name", "x")[0] == "AccessDenied"


def test_a_refusal_stays_a_refusal_after_other_calls(world):
    sandbox, calendar = world.job(limits=ObjectLimits(refreshed_states=0))
    person = first_person(sandbox, calendar)
    sandbox.get(person, "")
    denied = sandbox.states[person.id]["denied"]
    sandbox.call(calendar, "rename_all", "x")
    assert sandbox.states[person.id]["denied"] == denied


def test_default_grant_opens_it(world):
    sandbox, calendar = world.job(default_acl=DefaultAcl.GRANT)
    person = first_person(sandbox, calendar)
    assert sandbox.get(person, "name") == "Ann"


def test_explicit_grant_of_the_same_object_opens_it(job, world):
    sandbox, calendar = job
    person = first_person(sandbox, calendar)
    assert sandbox.get(person, "name")[0] == "AccessDenied"
    with dbzero.atomic():
        assert sandbox.gateway.grant(world.ann) == person.__class__(person.id, f"{model.__name__}:Person")
        sandbox.take(sandbox.gateway.states([calendar.id, person.id]))
    assert sandbox.fields(person) == {"name": "Ann"}
    assert sandbox.states[person.id]["denied"] is None


def test_strict_demands_an_acl_even_of_explicit_objects(world):
    sandbox, calendar = world.job(strict=True)
    assert sandbox.states[calendar.id]["denied"].startswith("strict: Calendar has no STATEK-ACL")
    assert sandbox.call(calendar, "find_meeting", "Review")[0] == "AccessDenied"


def test_collection_is_as_open_as_the_attribute_it_was_reached_through(job, world):
    sandbox, _ = job
    meeting = world.calendar.meetings[1]
    with dbzero.atomic():
        handle = sandbox.gateway.grant(meeting)
        # The attribute is closed by the ACL: such a handle could only come from an older, wider policy.
        hidden = sandbox.gateway._grants.grant(meeting.secrets, f"{handle.id}.secrets")
        sandbox.take(sandbox.gateway.states([hidden]))
    assert sandbox.states[hidden]["items"] is None
    assert sandbox.states[hidden]["denied"] == "rule -secrets in the STATEK-ACL of Meeting"
    reference = type(handle)(hidden, "list")
    assert sandbox.item(reference, "page", 0, 5)[0] == "AccessDenied"
    assert sandbox.item(reference, "append", "x")[0] == "AccessDenied"
    assert list(meeting.secrets) == ["s3cret"]


@dbzero.memo(id="test.objects.Scoped")
class Scoped:
    """Scoped.

    STATEK-ACL:
        +open*
        +boss: BossAgent, boss
        -open_not
    """

    def __init__(self):
        self.open_yes = 1
        self.open_not = 2
        self.boss = 3
        self.other = 4


def test_scopes_and_prefixes(world):
    target = Scoped()
    dbzero.tags(target).add("scoped")
    sandbox, _ = world.job()
    with dbzero.atomic():
        handle = sandbox.gateway.grant(target)
        sandbox.take(sandbox.gateway.states([handle.id]))
    assert sandbox.fields(handle) == {"open_yes": 1}
    assert sandbox.get(handle, "boss")[0] == "AccessDenied"
    assert sandbox.get(handle, "other")[0] == "AccessDenied"


@dbzero.memo(id="test.objects.Shut")
class Shut:
    """Nothing may be read.

    STATEK-ACL:
        -*
    """

    def __init__(self):
        self.value = 1

    def method(self):
        return self.value


def test_acl_that_closes_everything(world):
    target = Shut()
    dbzero.tags(target).add("shut")
    sandbox, _ = world.job(default_acl=DefaultAcl.GRANT)
    with dbzero.atomic():
        handle = sandbox.gateway.grant(target)
        sandbox.take(sandbox.gateway.states([handle.id]))
    state = sandbox.states[handle.id]
    assert (state["fields"], state["text"]) == ({}, None)
    assert state["denied"].startswith("rule -* in the STATEK-ACL of Shut; the application opens it")
    assert sandbox.call(handle, "method")[0] == "AccessDenied"
