from __future__ import annotations

import pytest

from orchestrator.engine.objects import ObjectLimits


@pytest.fixture
def things(job, world):
    """A sandbox, and handles of an open list, dict and set of one meeting with the raw objects."""
    sandbox, calendar = job
    meeting = sandbox.call(calendar, "find_meeting", "Retro")
    raw = world.calendar.meetings[2]
    raw.attendees.extend([1, 2, 3])
    fields = sandbox.fields(meeting)
    sandbox.get(fields["attendees"], "")
    return sandbox, fields["attendees"], fields["labels"], fields["topics"], raw


def test_list_operations_match_python(things):
    sandbox, handle, _, _, raw = things
    plain = [1, 2, 3]
    for name, args, apply in [
        ("append", [4], lambda: plain.append(4)),
        ("insert", [0, 0], lambda: plain.insert(0, 0)),
        ("insert", [-1, "x"], lambda: plain.insert(-1, "x")),
        ("insert", [99, "end"], lambda: plain.insert(99, "end")),
        ("set", [1, True], lambda: plain.__setitem__(1, True)),
        ("set", [-1, None], lambda: plain.__setitem__(-1, None)),
        ("delete", [2], lambda: plain.__delitem__(2)),
        ("pop", [], lambda: plain.pop()),
        ("pop", [0], lambda: plain.pop(0)),
        ("remove", [3], lambda: plain.remove(3)),
        ("extend", [[5, "a", 1.5]], lambda: plain.extend([5, "a", 1.5])),
        ("contains", ["a"], lambda: "a" in plain),
        ("contains", [{"no": [1]}], lambda: {"no": [1]} in plain),
    ]:
        assert sandbox.item(handle, name, *args) == apply(), name
        assert list(raw.attendees) == plain, name
        assert sandbox.item(handle, "page", 0, 100) == plain
        assert sandbox.states[handle.id]["items"] == plain
    assert sandbox.item(handle, "clear") is None
    assert list(raw.attendees) == []


@pytest.mark.parametrize(
    ("name", "args", "error"),
    [
        ("get", [7], ("IndexError", "list index out of range")),
        ("set", [-4, 1], ("IndexError", "list assignment index out of range")),
        ("pop", [3], ("IndexError", "pop index out of range")),
        ("get", ["a"], ("TypeError", "list indices must be integers, not str")),
        ("get", [True], ("TypeError", "list indices must be integers, not bool")),
        ("remove", [9], ("ValueError", "list.remove(x): x not in list")),
        ("extend", [5], ("TypeError", "extend takes a list, not int")),
        ("page", [-1, 5], ("TypeError", "a page is asked for by two whole numbers: start and count")),
        ("get", [], ("TypeError", "list operation get does not take these arguments")),
        ("__len__", [], ("AttributeError", "a durable list has no operation '__len__'")),
        ("add", [1], ("AttributeError", "a durable list has no operation 'add'")),
    ],
)
def test_list_errors_match_python(things, name, args, error):
    sandbox, handle, *_ = things
    assert sandbox.item(handle, name, *args) == error


def test_dict_operations_match_python(things):
    sandbox, _, handle, _, raw = things
    assert sandbox.item(handle, "set", "a", 1) is None
    assert sandbox.item(handle, "update", {"b": [1, 2], "c": None}) is None
    assert dict(raw.labels.items())["a"] == 1
    assert sandbox.item(handle, "get", "c") is None
    assert sandbox.item(handle, "contains", "b") is True
    assert sandbox.item(handle, "contains", (-1, 2)) is False
    assert sorted(key for key, _ in sandbox.item(handle, "page", 0, 10)) == ["a", "b", "c"]
    assert sandbox.item(handle, "pop", "a") == 1
    assert sandbox.item(handle, "pop", "a") == ("KeyError", "a")
    assert sandbox.item(handle, "pop", "a", 5) == 5
    assert sandbox.item(handle, "delete", "c") is None
    assert sandbox.item(handle, "get", "c") == ("KeyError", "c")
    assert sandbox.item(handle, "get", [1]) == ("KeyError", "[1]")
    assert sandbox.states[handle.id]["length"] == 1
    assert sandbox.item(handle, "clear") is None
    assert len(raw.labels) == 0


def test_set_operations_match_python(things):
    sandbox, _, _, handle, raw = things
    assert sandbox.item(handle, "add", "x") is None
    assert sandbox.item(handle, "add", "y") is None
    assert sandbox.item(handle, "contains", "x") is True
    assert sandbox.item(handle, "discard", "nothing") is None
    assert sandbox.item(handle, "discard", frozenset({1})) is None
    assert sandbox.item(handle, "remove", "x") is None
    assert sandbox.item(handle, "remove", "x") == ("KeyError", "x")
    assert sandbox.item(handle, "page", 0, 5) == ["y"]
    assert list(raw.topics) == ["y"]


def test_objects_in_collections_by_handle(job, world):
    sandbox, calendar = job
    meetings = sandbox.fields(calendar)["meetings"]
    review = sandbox.call(calendar, "find_meeting", "Review")
    assert sandbox.item(meetings, "contains", review) is True
    assert sandbox.item(meetings, "remove", review) is None
    assert [meeting.title for meeting in world.calendar.meetings] == ["Weekly planning", "Retro"]
    assert sandbox.item(meetings, "append", review) is None
    assert world.calendar.meetings[2].title == "Review"
    assert sandbox.get(calendar, "count") == 3


def test_item_write_after_another_writer_is_stale(things):
    sandbox, handle, _, _, raw = things
    raw.attendees.append("other")
    assert sandbox.item(handle, "set", 0, "mine")[0] == "StaleObjectError"
    assert raw.attendees[0] == 1
    assert sandbox.item(handle, "get", 3) == "other"
    assert sandbox.item(handle, "set", 0, "mine") is None
    assert list(raw.attendees) == ["mine", 2, 3, "other"]


def test_items_of_an_object_are_operations_of_no_collection(job):
    sandbox, calendar = job
    assert sandbox.item(calendar, "get", 0) == ("AttributeError", "the handle is not of a collection")
    meetings = sandbox.fields(calendar)["meetings"]
    assert sandbox.call(meetings, "append", 1)[0] == "AttributeError"
    assert sandbox.get(meetings, "__class__")[0] == "AttributeError"
    assert sandbox.set(meetings, "x", 1)[0] == "AttributeError"


def test_long_collections_are_paged(world):
    world.calendar.nested.extend(range(2_000))
    sandbox, calendar = world.job(limits=ObjectLimits(inline_items=100, page_items=50))
    numbers = sandbox.fields(calendar)["nested"]
    state = sandbox.states[numbers.id]
    assert (state["items"], state["length"]) == (None, 2_002)
    assert sandbox.item(numbers, "page", 2, 1_000_000) == list(range(50))
    assert sandbox.item(numbers, "page", 2_000, 50) == [1_998, 1_999]
    assert sandbox.item(numbers, "page", 10**30, 50) == []


def test_collections_of_big_elements_are_paged(world):
    world.calendar.names.update({f"k{i}": "x" * 1000 for i in range(100)})
    sandbox, calendar = world.job()
    names = sandbox.fields(calendar)["names"]
    assert sandbox.states[names.id]["items"] is None
    assert len(sandbox.item(names, "page", 0, 1000)) == 100


def test_versions_of_long_lists_see_both_ends(world):
    world.calendar.nested.extend(range(1_000))
    sandbox, calendar = world.job(limits=ObjectLimits(inline_items=10, version_items=100))
    numbers = sandbox.fields(calendar)["nested"]
    assert sandbox.item(numbers, "get", 5) == 3
    world.calendar.nested[1_001] = "changed"
    assert sandbox.item(numbers, "append", 1)[0] == "StaleObjectError"


def test_insertion_moves_a_bounded_number(things, monkeypatch):
    sandbox, handle, *_ = things
    monkeypatch.setattr("orchestrator.engine.objects.collections.MAX_SHIFTED", 2)
    assert sandbox.item(handle, "insert", 0, 1) == (
        "ValueError",
        "one operation may move 2 elements of a durable list, this one would move 3",
    )
    assert sandbox.item(handle, "pop", 0) == 1
    raw_length = len(sandbox.item(handle, "page", 0, 10))
    assert raw_length == 2
    assert sandbox.item(handle, "append", 4) is None
    assert sandbox.item(handle, "append", 5) is None
    assert sandbox.item(handle, "delete", 0)[0] == "ValueError"
