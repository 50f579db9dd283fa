"""Bytes, names and values that try to hurt the store or reach what they should not."""

from __future__ import annotations

import datetime as dt
import pathlib
from collections import OrderedDict, deque
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.engine.objects import ObjectLimits
from orchestrator.sandboxes.step import CallKind
from sandbox_runner.wire.values import encode

from . import calendar_model as model


def cyclic():
    found = [1]
    found.append(found)
    return found


def deep(levels):
    found = []
    for _ in range(levels):
        found = [found]
    return found


UNSTORABLE = {
    "nul": "a\0b",
    "surrogate": "\ud800",
    "big int": 2**70,
    "cycle": cyclic(),
    "nan": Decimal("NaN"),
    "positive exponent": Decimal("1E+2"),
    "zone": dt.datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Paris")),
    "timedelta": dt.timedelta(1),
    "frozenset": frozenset({1}),
    "complex": 1j,
    "path": pathlib.PurePosixPath("/etc/passwd"),
    "nested nul": {"a": [{"b": "x\0"}]},
    "negative key": {-1: 1},
    "tuple key": {(-1, 2): 1},
    "none key": {None: 1},
    "surrogate key": {"\udfff": 1},
    "nan key": {float("nan"): 1},
    "negative member": {-5},
    "deque": deque([1]),
    "ordered": OrderedDict(a=1),
    "bytes": b"x" * 70_000,
    "range": range(3),
}


@pytest.fixture
def meeting(job):
    sandbox, calendar = job
    return sandbox.call(calendar, "find_meeting", "Review")


@pytest.mark.parametrize("name", UNSTORABLE)
def test_unstorable_values_are_refused_before_the_store_sees_them(job, meeting, world, name):
    sandbox, _ = job
    value = UNSTORABLE[name]
    raw = world.calendar.meetings[1]
    labels = sandbox.fields(meeting)["labels"]
    topics = sandbox.fields(meeting)["topics"]
    attendees = sandbox.fields(meeting)["attendees"]
    kind, message = sandbox.set(meeting, "notes", value)
    assert kind == "UnstorableValue"
    assert message.startswith("notes")
    assert "cannot be stored" in message
    assert sandbox.item(attendees, "append", value)[0] == "UnstorableValue"
    assert sandbox.item(attendees, "extend", [1, value])[0] == "UnstorableValue"
    assert sandbox.item(labels, "set", "k", value)[0] == "UnstorableValue"
    assert sandbox.item(labels, "update", {"k": value})[0] == "UnstorableValue"
    if name not in {"cycle"}:
        assert sandbox.item(topics, "add", value)[0] == "UnstorableValue"
    assert sandbox.call(meeting, "store", value)[0] == "UnstorableValue"
    assert (raw.notes, list(raw.attendees), dict(raw.labels.items()), list(raw.topics)) == ("", [], {}, [])


def test_what_is_storable_comes_back_the_same(job, meeting):
    sandbox, _ = job
    value = [
        1,
        -(2**63),
        1.5,
        "é",
        b"x",
        None,
        True,
        (1, "a"),
        dt.date(2026, 1, 1),
        model.at(1, 2).replace(microsecond=4),
    ]
    assert sandbox.set(meeting, "notes", tuple(value)) is None
    assert sandbox.get(meeting, "notes") == tuple(value)


def test_any_plain_value_reaches_a_method(job, meeting):
    sandbox, _ = job
    value = [2**70, "a\0b", "\ud800", dt.timedelta(1), 1j, {(-1,): 2}]
    assert sandbox.call(meeting, "echo", value, key=value) == [[value], {"key": value}]
    assert sandbox.call(meeting, "echo", cyclic())[0][0][1][1][1][0] == 1


def test_arguments_are_bounded(job, meeting):
    sandbox, _ = job
    for bomb in (deep(100), [None] * 30_000, "x" * (2 << 20)):
        kind, message = sandbox.call(meeting, "echo", bomb)
        assert kind == "ValueError"
        assert any(word in message for word in ("deep", "nodes", "bytes"))


def test_results_are_bounded(world):
    sandbox, calendar = world.job(limits=ObjectLimits(result_bytes=1_000, result_items=2))
    review = sandbox.call(calendar, "find_meeting", "Review")
    assert sandbox.call(review, "plus", "x" * 600, "y" * 600) == (
        "LimitExceeded",
        "limit result_bytes is 1000, this needs 1001",
    )
    assert sandbox.call(calendar, "lazily") == (
        "LimitExceeded",
        "limit result_items is 2, this needs 3; return fewer, or page through them",
    )
    assert sandbox.call(review, "echo", *([[]] * 30))[0] == "LimitExceeded"


@pytest.mark.parametrize("args", [b"", b"\0", b"junk", encode(None), encode([]), encode([[], {}, 1]), encode([{}, []])])
@pytest.mark.parametrize("kind", [CallKind.METHOD, CallKind.SET_ATTRIBUTE, CallKind.ITEM])
def test_malformed_arguments_are_refused(job, meeting, kind, args):
    sandbox, _ = job
    handle = sandbox.fields(meeting)["attendees"] if kind is CallKind.ITEM else meeting
    name = {CallKind.METHOD: "echo", CallKind.SET_ATTRIBUTE: "title", CallKind.ITEM: "append"}[kind]
    assert sandbox.raw(kind, handle, name, args)[0] == "ValueError"


@pytest.mark.parametrize("name", ["_x", "__class__", "a b", "", "a.b", "x" * 201])
def test_keyword_names_are_plain_identifiers(job, meeting, name):
    sandbox, _ = job
    assert sandbox.call(meeting, "echo", **{name: 1})[0] == "ValueError"
    assert sandbox.raw(CallKind.METHOD, meeting, "echo", encode([[], {5: 1}]))[0] == "ValueError"


def test_reading_the_object_s_own_text_walks_nowhere(job, meeting):
    sandbox, _ = job
    for name in ("title.__class__", "{0}", "title[0]", "%s", "title\n"):
        assert sandbox.get(meeting, name)[0] == "AccessDenied"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from([CallKind.METHOD, CallKind.GET_ATTRIBUTE, CallKind.SET_ATTRIBUTE, CallKind.ITEM]),
    handle=st.integers(-3, 20),
    name=st.one_of(
        st.text(max_size=20), st.sampled_from(["echo", "title", "append", "page", "set", "move_to", "secret"])
    ),
    args=st.one_of(st.binary(max_size=40), st.just(encode([[1], {}])), st.just(encode([1]))),
    version=st.binary(max_size=20),
)
def test_anything_at_all_is_answered(job, kind, handle, name, args, version):
    sandbox, _ = job
    sandbox.raw(kind, handle, name, args, version)
    assert type(sandbox.answer.error_type) is str
    assert "s3cret" not in sandbox.answer.error_message
    assert b"s3cret" not in sandbox.answer.value
    assert b"s3cret" not in sandbox.answer.handles
