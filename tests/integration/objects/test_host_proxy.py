from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import dbzero
import pytest

from orchestrator.engine.objects import ObjectGateway
from orchestrator.engine.objects.host_proxy import CollectionProxy, ObjectProxy, unwrap, wrap
from statek.access import Policy

from . import calendar_model as model


class Door:
    """A store thread and nothing else: what the proxies need of a store."""

    def __init__(self):
        self._executor = ThreadPoolExecutor(1)
        self.thread = self._executor.submit(threading.get_ident).result()
        self.writes = 0

    def on_store_thread(self):
        return threading.get_ident() == self.thread

    def read_sync(self, fn):
        return fn() if self.on_store_thread() else self._executor.submit(fn).result(10)

    def write_sync(self, fn):
        if self.on_store_thread():
            return fn()

        def block():
            self.writes += 1
            with dbzero.atomic():
                return fn()

        return self._executor.submit(block).result(10)

    def close(self):
        self._executor.shutdown()


@pytest.fixture
def door():
    found = Door()
    yield found
    found.close()


@pytest.fixture
def calendar(world, door):
    gateway = ObjectGateway(world.tables[0] if world.tables else None, policy=Policy())
    return door.read_sync(lambda: gateway.proxy(world.calendar, door))


def test_a_proxy_passes_for_the_object(calendar):
    assert type(calendar) is ObjectProxy
    assert isinstance(calendar, model.Calendar)
    assert not isinstance(calendar, model.Meeting)
    assert calendar.count == 3
    assert calendar.version == 1


def test_reads_writes_and_calls_hop_to_the_store_thread(calendar, door, world):
    meeting = calendar.find_meeting("Review")
    assert isinstance(meeting, model.Meeting)
    assert meeting.title == "Review"
    assert meeting._private == "hidden"
    assert str(meeting) == "Review at 11:00"
    meeting.title = "Better"
    meeting.loud = "QUIET"
    assert door.read_sync(lambda: world.calendar.meetings[1].title) == "quiet"
    assert meeting.move_to(model.at(12)) is True
    assert door.writes == 4
    with pytest.raises(AttributeError, match="property 'ends_at' has no setter"):
        meeting.ends_at = 1
    with pytest.raises(AttributeError):
        _ = meeting.nothing


def test_every_use_of_the_raw_object_is_on_the_store_thread(store, door):
    watcher = Watcher()
    dbzero.tags(watcher).add("watcher")
    proxy = door.read_sync(lambda: wrap(watcher, door))
    WATCHED.clear()
    assert proxy.seen == 1
    assert proxy.call(proxy)[0] is True
    assert str(proxy) == "watcher"
    assert proxy.call(1)[1]["me"] == proxy
    assert {door.thread} == WATCHED


WATCHED = set()


@dbzero.memo(id="test.objects.Watcher")
class Watcher:
    def __init__(self):
        self.value = 1

    @property
    def seen(self):
        WATCHED.add(threading.get_ident())
        return self.value

    def call(self, other):
        WATCHED.add(threading.get_ident())
        return [other is self, {"me": self}]

    def __str__(self):
        WATCHED.add(threading.get_ident())
        return "watcher"


def test_arguments_are_unwrapped_and_results_wrapped(calendar, door, world):
    meeting = calendar.find_meeting("Review")
    assert calendar.contains(meeting) is True
    [[first], keywords] = meeting.echo({"a": [meeting]}, key=(meeting,))
    assert type(first["a"][0]) is ObjectProxy
    assert first["a"][0] == meeting
    assert type(keywords["key"][0]) is ObjectProxy
    assert {meeting: 1}[calendar.find_meeting("Review")] == 1
    assert door.read_sync(lambda: unwrap([meeting])[0] is world.calendar.meetings[1])


def test_collections_behave_like_python_s(calendar, door, world):
    meeting = calendar.find_meeting("Review")
    people = meeting.attendees
    assert type(people) is CollectionProxy
    people.extend([0, 1, 2, 3])
    people.insert(0, "first")
    assert list(people) == ["first", 0, 1, 2, 3]
    assert people.pop(1) == 0
    people.remove(1)
    del people[0]
    assert (len(people), people[0], people[-1], people[0:2], 3 in people) == (2, 2, 3, [2, 3], True)
    people[0] = meeting
    assert isinstance(people[0], model.Meeting)
    assert door.read_sync(lambda: world.calendar.meetings[1].attendees[0] is world.calendar.meetings[1])
    labels = meeting.labels
    labels["a"] = 1
    labels.update({"b": meeting})
    assert sorted(labels.keys()) == ["a", "b"]
    assert dict(labels.items())["a"] == 1
    assert labels.get("nothing", 7) == 7
    del labels["a"]
    assert list(labels) == ["b"]
    topics = meeting.topics
    topics.add("x")
    assert "x" in topics
    with pytest.raises(AttributeError):
        topics.union({"y"})


def test_tuples_and_queries_arrive_as_plain_ones(calendar):
    meeting = calendar.find_meeting("Review")
    assert meeting.slot == (model.at(11), 45)
    assert sorted(found.title for found in calendar.query()) == ["Retro", "Review", "Weekly planning"]


def test_async_methods_are_refused(calendar):
    with pytest.raises(TypeError, match=r"Meeting\.wait is async; it cannot run inside the store"):
        calendar.find_meeting("Review").wait()


def test_a_failed_write_is_undone(calendar, door, world):
    with pytest.raises(ValueError, match="after the change"):
        calendar.find_meeting("Review").rename_then_fail("changed")
    assert door.read_sync(lambda: world.calendar.meetings[1].title) == "Review"


def test_what_a_tool_returns_as_proxies_becomes_handles_again(world, door):
    sandbox, handle = world.job()
    calendar = sandbox.gateway.proxy([world.calendar], door)[0]
    meeting = calendar.find_meeting("Review")
    with dbzero.atomic():
        assert sandbox.gateway.answer({"found": [meeting], "in": calendar}).error_type == ""
        plain = sandbox.gateway.encode(calendar)
    assert plain == sandbox.gateway.encode(handle)
