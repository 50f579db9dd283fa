"""The durable feed of events of each tenant: written here, in the atomic block of the change that an event tells of.

A feed is a list of segments, each a list of packed events (``statek.events``), so that neither a write nor a read grows
with its length and old segments can go as a whole. No memo object is made for an event. Event ``seq`` is at
``(seq - 1) % SEGMENT_EVENTS`` of segment ``(seq - 1) // SEGMENT_EVENTS``. What is not kept any more lies before
``first_seq``; such a segment is empty, and the numbers of the others stay.

A block may be undone, and one that stands is durable with the next flush only. Until then its events are not to be
shown: ``durable_length`` says how far a feed may be read, ``note_flush`` is called by the store after every flush and
tells listeners whose feeds have grown; ``forget_store`` when it opens or closes.

Preconditions:
    every function but the last two: on the store thread; ``emit`` inside its atomic block. One process has one store.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from statek import durable
from statek.durable import memo
from statek.events import decode_event, encode_event
from statek.exceptions import StoreDamaged
from statek.records import JobRecord

__all__ = [
    "SEGMENT_EVENTS",
    "EventFeed",
    "FlushListener",
    "durable_length",
    "emit",
    "feed_length",
    "feeds",
    "find_feed",
    "forget_store",
    "hear_flushes",
    "ignore_flushes",
    "note_flush",
    "read_element",
]

SEGMENT_EVENTS = 1024
"""Events of one segment."""

FlushListener = Callable[[frozenset[str]], None]
"""Gets the tenants whose feeds have grown durably, on the store thread; must not wait."""

_FEEDS_TAG = "statek-events"
_listeners: list[FlushListener] = []
_unflushed: dict[str, int] = {}  # by tenant: length of the feed as of the last flush, where something came since
_tails: dict[str, tuple[int, Any]] = {}  # by tenant: a durable segment, the last one, and how many events are before it
_NOTHING = ("", (0, 0, 0), 0)
_newest = [_NOTHING]  # of the event written last: kind; job, commit and step; number

_ENDED_WELL = 1
"""Stands for the end of a step whose commit is told of by the event before it, and that made no error: most steps end
so, and a number spares a page of the store's file."""

_WELL = {"outcome": "ok"}


@memo(id="statek.EventFeed")
class EventFeed:
    """The feed of one tenant.

    Attributes:
        tenant: whose.
        first_seq: number of the first event that is kept.
        segments: the events.
    """

    first_seq = 1

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.first_seq = 1
        self.segments: Any = []


def emit(record: JobRecord, kind: str, name: str = "", /, *, commit: int = -1, step: int = 0, **payload: Any) -> None:
    """Write an event of a job.

    Args:
        record: the job.
        kind: as in ``statek.events.Event``.
        name: as there.
        commit: the newest commit of the job; -1 where the caller does not know it.
        step: number of the step, 0 for none.
        payload: JSON; see ``statek.events.encode_event``.
    """
    if commit < 0:
        commit = record.base_commits + len(record.commits) - 1
    # Every look at a durable object costs a microsecond or more, and each step writes some events.
    tenant, number = record.tenant, record.number
    tail = _tails.get(tenant)
    if tail is None or len(tail[1]) >= SEGMENT_EVENTS:
        tail = _tail_of(record)
    first, segment = tail
    place = len(segment)
    durable_before = _unflushed.setdefault(tenant, first + place)
    if durable_before > first:  # no block that is undone takes this segment with it
        _tails[tenant] = tail
    about = (number, commit, step)
    if place and kind == "step.ended" and payload == _WELL and _newest == [("commit.made", about, first + place)]:
        segment.append(_ENDED_WELL)
    else:
        segment.append(encode_event(time.time_ns() // 1000, number, kind, name, commit, step, payload))
    _newest[0] = (kind, about, first + place + 1)


def _tail_of(record: JobRecord) -> tuple[int, Any]:
    """The segment that the next event of a job goes to, made if need be, and how many events are before it."""
    feed: EventFeed = record.feed or _feed_for(record)
    segments = feed.segments
    last = len(segments) - 1
    if last < 0 or len(segments[last]) >= SEGMENT_EVENTS:
        segments.append([])
        last += 1
    return last * SEGMENT_EVENTS, segments[last]


def _feed_for(record: JobRecord) -> EventFeed:
    """The feed that a job's events go to, made if need be; the record keeps it from here on."""
    feed = find_feed(record.tenant)
    if feed is None:
        feed = EventFeed(record.tenant)
        durable.tag(feed, _FEEDS_TAG, _tag(record.tenant))
    record.feed = feed
    return feed


def _tag(tenant: str) -> str:
    return f"statek-events-{tenant}"


def feeds() -> list[EventFeed]:
    """The feeds of every tenant."""
    return list(durable.find(EventFeed, _FEEDS_TAG))


def find_feed(tenant: str) -> EventFeed | None:
    """The feed of a tenant; None before its first event."""
    return next(durable.find(EventFeed, _tag(tenant)), None)


def feed_length(feed: EventFeed) -> int:
    """Number of the newest event, durable or not; 0 before the first."""
    count = len(feed.segments)
    return (count - 1) * SEGMENT_EVENTS + len(feed.segments[count - 1]) if count else 0


def durable_length(feed: EventFeed) -> int:
    """Number of the newest event that survives a crash."""
    waiting = _unflushed.get(feed.tenant)
    return feed_length(feed) if waiting is None else waiting


def read_element(feed: EventFeed, seq: int) -> bytes:
    """The stored form of an event that is there."""
    at, place = divmod(seq - 1, SEGMENT_EVENTS)
    segment = feed.segments[at]
    element: bytes | int = segment[place]
    if isinstance(element, bytes):
        return element
    made = decode_event(seq - 1, feed.tenant, segment[place - 1])
    if element != _ENDED_WELL or made.kind != "commit.made":
        raise StoreDamaged(f"event {seq} of tenant {feed.tenant!r} does not read: it stands for the end of no step")
    return encode_event(made.at_us, int(made.job[1:]), "step.ended", "", made.commit, made.step, _WELL)


def forget_store() -> None:
    """A store is about to be closed, or was opened: nothing that was known of one is to be used again."""
    _unflushed.clear()
    _tails.clear()
    _newest[0] = _NOTHING


def note_flush() -> None:
    """Everything written so far survives a crash."""
    if not _unflushed:
        return
    grown = frozenset(_unflushed)
    _unflushed.clear()
    for listener in tuple(_listeners):
        listener(grown)


def hear_flushes(listener: FlushListener) -> None:
    """Tell a listener of feeds that have grown, from now on (any thread)."""
    _listeners.append(listener)


def ignore_flushes(listener: FlushListener) -> None:
    """Tell it no more (any thread)."""
    _listeners.remove(listener)
