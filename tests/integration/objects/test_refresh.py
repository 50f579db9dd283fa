"""What the sandbox holds never goes stale by the job's own calls."""

from __future__ import annotations

import dbzero
import pytest

from orchestrator.engine.objects import ObjectGateway, ObjectLimits
from orchestrator.sandboxes.step import CallAnswer
from sandbox_runner.wire.values import Handle, decode
from statek.access import Policy

from . import calendar_model as model


def fill(world, count):
    for i in range(count):
        world.calendar.add(f"m{i}", world.calendar.meetings[0].starts_at, i)


def everything_held_is_current(sandbox):
    """Compare what the sandbox would read locally with a fresh state of every handle."""
    fresh = sandbox.gateway._snapshots
    for handle, state in sandbox.states.items():
        current = fresh.state(handle).entry
        for name, value in state["fields"].items():
            assert decode(sandbox.gateway.encode(current["fields"][name])) == value, (handle, name)
        if state["items"] is not None:
            assert decode(sandbox.gateway.encode(current["items"])) == state["items"]
    return True


def test_every_handle_that_is_named_has_a_type(job):
    sandbox, calendar = job
    pending = [calendar]
    seen = set()
    while pending:
        handle = pending.pop()
        if handle.id in seen:
            continue
        seen.add(handle.id)
        state = sandbox.states[handle.id]
        assert state["type"] in sandbox.types
        for value in (*state["fields"].values(), *(state["items"] or ())):
            pending += [value] if type(value) is Handle else []
    assert len(seen) > 8


@pytest.mark.parametrize("refreshed", [0, 3, 1000])
def test_a_method_that_changes_many_objects(world, refreshed):
    fill(world, 100)
    sandbox, calendar = world.job(limits=ObjectLimits(refreshed_states=refreshed, sent_along=1000, inline_items=1000))
    held = [state for state in sandbox.states.values() if state["fields"].get("title")]
    assert len(held) == 103
    sandbox.call(calendar, "rename_all", "same")
    with dbzero.atomic():
        assert everything_held_is_current(sandbox)
    review = Handle(held[50]["id"], "any")
    assert sandbox.get(review, "title") == "same"
    assert sandbox.fields(review)["title"] == "same"


def test_a_plain_write_touches_only_computed_states(world):
    fill(world, 50)
    sandbox, calendar = world.job(limits=ObjectLimits(refreshed_states=0, sent_along=1000))
    meeting = sandbox.call(calendar, "find_meeting", "m7")
    for handle in [state["id"] for state in sandbox.states.values() if not state["fields"]]:
        sandbox.get(Handle(handle, "any"), "")
    names = sandbox.fields(calendar)["names"]
    sandbox.item(names, "set", "a", 1)
    # Collections hold nothing computed: they stay.
    assert names.id in sandbox.taken
    assert sandbox.fields(calendar) == {}
    assert sandbox.fields(meeting) == {}
    assert sandbox.states[sandbox.get(calendar, "meetings").id]["items"] is not None


def test_a_withdrawn_state_still_guards_writes(world):
    sandbox, calendar = world.job(limits=ObjectLimits(refreshed_states=0))
    review = sandbox.call(calendar, "find_meeting", "Review")
    version = sandbox.states[review.id]["version"]
    sandbox.call(calendar, "add", "x", world.calendar.meetings[0].starts_at)
    assert (sandbox.fields(review), sandbox.states[review.id]["version"]) == ({}, version)
    world.calendar.meetings[1].title = "theirs"
    assert sandbox.set(review, "minutes", 1)[0] == "StaleObjectError"
    assert "title" in sandbox.types[sandbox.states[review.id]["type"]]["fields"]


def test_unchanged_states_are_not_sent_again(job):
    sandbox, calendar = job
    review = sandbox.call(calendar, "find_meeting", "Review")
    sandbox.call(calendar, "find_meeting", "Review")
    assert sandbox.answer == CallAnswer(value=sandbox.gateway.encode(review))


def test_work_of_a_call_does_not_grow_with_the_handles_held(world, monkeypatch):
    fill(world, 500)
    sandbox, calendar = world.job(limits=ObjectLimits(sent_along=1000))
    snapshots = sandbox.gateway._snapshots
    built = []
    monkeypatch.setattr(snapshots, "state", lambda handle, build=snapshots.state: built.append(handle) or build(handle))
    for i in range(5):
        sandbox.call(calendar, "find_meeting", f"m{i}")
    assert len(built) <= 5 * (6 + ObjectLimits().refreshed_states)


def test_states_recorded_in_a_journal_count_as_sent(world):
    sandbox, calendar = world.job()
    with dbzero.atomic():
        recorded = sandbox.gateway.states([calendar.id])
    gateway = ObjectGateway(world.tables[0], policy=Policy(agent_class="Agent", role="helper"))
    sandbox.gateway = gateway
    gateway.note_sent(b"")
    gateway.note_sent(recorded)
    sandbox.states.clear()
    sandbox.take(recorded)
    sandbox.call(calendar, "rename_all", "again")
    with dbzero.atomic():
        assert everything_held_is_current(sandbox)


def test_a_tool_s_result_refreshes_what_it_changed(job, world):
    sandbox, calendar = job
    review = sandbox.call(calendar, "find_meeting", "Review")
    with dbzero.atomic():
        world.calendar.meetings[1].title = "by a tool"
        answer = sandbox.gateway.answer({"done": [world.calendar.meetings[1]]})
    sandbox.take(answer.handles)
    assert decode(answer.value) == {"done": [review]}
    assert sandbox.fields(review)["title"] == "by a tool"


@dbzero.memo(id="test.objects.Wide")
class Wide:
    def __init__(self):
        self.first = "a" * 200_000
        self.second = "b" * 200_000
        self.third = "c"

    def __llm_repr__(self):
        return "w" * 10_000


def test_fields_that_do_not_fit_are_asked_for(world):
    sandbox, _ = world.job()
    wide = Wide()
    dbzero.tags(wide).add("wide")
    with dbzero.atomic():
        handle = sandbox.gateway.grant(wide)
        sandbox.take(sandbox.gateway.states([handle.id]))
    assert list(sandbox.fields(handle)) == ["first", "third"]
    assert sandbox.states[handle.id]["text"] == "w" * 4_000 + "... (10000 characters)"
    assert sandbox.types[f"{model.__name__.rpartition('.')[0]}.test_refresh:Wide"]["fields"] == [
        "first",
        "second",
        "third",
    ]
    assert sandbox.get(handle, "second") == "b" * 200_000
    wide.second = "changed"
    assert sandbox.set(handle, "third", "d")[0] == "StaleObjectError"
