"""The durable feed of events of each tenant: written here, in the atomic block of the change that an event tells of.

A feed is a list of segments, each a list of packed events (``statek.events``), so that neither a write nor a read grows
with its length and old segments can go as a whole. No memo object is made for an event. Event ``seq`` is at
``(seq - 1) % SEGMENT_EVENTS`` of segment ``(seq - 1) // SEGMENT_EVENTS``. What is not kept any more lies before
``first_seq``; such a segment is empty, and the numbers of the others stay.

A block may be undone, and one that stands is durable with the next flush only. Until then its events are not to be
shown: ``durable_length`` says how far a feed may be read, ``note_flush`` is called by the store after every flush and
tells listeners whose feeds have grown.

Preconditions:
    every function but the last two: on the store thread; ``emit`` inside its atomic block. One process has one store.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from statek import durable
from statek.durable import memo
from statek.events import encode_event
from statek.records import JobRecord

__all__ = [
    "SEGMENT_EVENTS",
    "EventFeed",
    "FlushListener",
    "durable_length",
    "emit",
    "feed_length",
    "find_feed",
    "hear_flushes",
    "ignore_flushes",
    "note_flush",
    "read_element",
]

SEGMENT_EVENTS = 1024
"""Events of one segment."""

FlushListener = Callable[[frozenset[str]], None]
"""Gets the tenants whose feeds have grown durably, on the store thread; must not wait."""

_listeners: list[FlushListener] = []
_unflushed: dict[str, int] = {}  # by tenant: length of the feed as of the last flush, where something came since


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
    feed: EventFeed = record.feed or _feed_for(record)
    if commit < 0:
        commit = record.base_commits + len(record.commits) - 1
    # Every look at a durable object costs a microsecond or more, and each step writes some events.
    segments = feed.segments
    last = len(segments) - 1
    segment: Any = segments[last] if last >= 0 else ()
    place = len(segment)
    if last < 0 or place >= SEGMENT_EVENTS:
        segments.append([])
        last, place = last + 1, 0
        segment = segments[last]
    _unflushed.setdefault(record.tenant, last * SEGMENT_EVENTS + place)
    segment.append(encode_event(time.time_ns() // 1000, record.number, kind, name, commit, step, payload))


def _feed_for(record: JobRecord) -> EventFeed:
    """The feed that a job's events go to, made if need be; the record keeps it from here on."""
    feed = find_feed(record.tenant)
    if feed is None:
        feed = EventFeed(record.tenant)
        durable.tag(feed, _tag(record.tenant))
    record.feed = feed
    return feed


def _tag(tenant: str) -> str:
    return f"statek-events-{tenant}"


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
    segment, place = divmod(seq - 1, SEGMENT_EVENTS)
    element: bytes = feed.segments[segment][place]
    return element


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
