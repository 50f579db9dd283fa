"""The feed of events as readers get it: pages behind a cursor, and whoever follows it.

A reader pulls pages from the store; what was written meanwhile waits there, so a slow one delays nobody and takes the
memory of one page. Only durable events are given. Whoever follows is woken by the flush that made new ones durable.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from orchestrator.engine.active_job import PAGE_SECONDS
from orchestrator.engine.submission import DEFAULT_TENANT, check_identity
from orchestrator.store.store import Store
from statek.event_feed import durable_length, find_feed, hear_flushes, ignore_flushes, read_element
from statek.events import Event, EventPattern, decode_event
from statek.exceptions import InvalidRequest, LimitExceeded, NotFound, StoreError

__all__ = ["DEFAULT_PAGE_EVENTS", "MAX_PAGE_EVENTS", "EventFeeds", "EventPage"]

DEFAULT_PAGE_EVENTS = 200
"""Events that one page looks at unless asked for others."""

MAX_PAGE_EVENTS = 1000
"""Events that one page looks at."""

_PAGE_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events in order.

    Attributes:
        events: those that the reader wants.
        cursor: number of the last event that was looked at; the next page begins behind it.
        last: number of the newest durable event then.
    """

    events: tuple[Event, ...]
    cursor: int
    last: int


@dataclass(frozen=True, slots=True)
class _Raw:
    first: int
    elements: list[bytes]
    last: int


class EventFeeds:
    """The feeds of one store. Every number and pattern that it is given is checked."""

    def __init__(self, store: Store) -> None:
        """Args are the open store."""
        self._store = store
        self._closed = False
        self._followers = _Followers()

    # ------------------------------------------------------------------------------------- reading

    async def page(
        self, after: int = 0, match: EventPattern | str = "", *, tenant: str = "", count: int = DEFAULT_PAGE_EVENTS
    ) -> EventPage:
        """The events behind a cursor that are durable now.

        Args:
            after: number of the last event that is known; 0 for the first one that is kept.
            match: which of them are wanted.
            tenant: whose; empty for the default one.
            count: how many are looked at.

        Raises:
            NotFound: what comes behind the cursor is not kept any more.
            InvalidRequest: the pattern makes no sense, or the feed has not come to that number.
            LimitExceeded: the pattern is too long, or the page too large.
        """
        pattern = _pattern(match)
        return _decoded(await self._store.read(partial(_read, tenant, after, count)), pattern, tenant)

    def page_sync(
        self, after: int = 0, match: EventPattern | str = "", *, tenant: str = "", count: int = DEFAULT_PAGE_EVENTS
    ) -> EventPage:
        """``page`` for other threads than the event loop's."""
        pattern = _pattern(match)
        return _decoded(self._store.read_sync(partial(_read, tenant, after, count)), pattern, tenant)

    # ----------------------------------------------------------------------------------- following

    async def pages(
        self, after: int = 0, match: EventPattern | str = "", *, tenant: str = "", follow: bool = True
    ) -> AsyncIterator[EventPage]:
        """Pages behind a cursor; with ``follow`` for ever, or until the service stops.

        Raises:
            NotFound, InvalidRequest, LimitExceeded: see ``page``.
        """
        pattern, tenant = _pattern(match), tenant or DEFAULT_TENANT
        woken = asyncio.Event()
        with self._followers.joined(_Follower(tenant, woken, asyncio.get_running_loop())):
            while True:
                woken.clear()
                try:
                    page = await self.page(after, pattern, tenant=tenant)
                except StoreError:
                    if self._closed:  # and the store with it
                        return
                    raise
                if page.cursor > after:
                    after = page.cursor
                    yield page
                if after < page.last:
                    continue
                if not follow or self._closed:
                    return
                await woken.wait()

    async def follow(
        self, after: int = 0, match: EventPattern | str = "", *, tenant: str = "", follow: bool = True
    ) -> AsyncIterator[Event]:
        """The events of ``pages``, one by one."""
        async for page in self.pages(after, match, tenant=tenant, follow=follow):
            for event in page.events:
                yield event

    def follow_sync(
        self, after: int = 0, match: EventPattern | str = "", *, tenant: str = "", follow: bool = True
    ) -> Iterator[Event]:
        """``follow`` for other threads than the event loop's; blocks while it waits."""
        pattern, tenant = _pattern(match), tenant or DEFAULT_TENANT
        woken = threading.Event()
        with self._followers.joined(_Follower(tenant, woken)):
            while True:
                woken.clear()
                try:
                    page = self.page_sync(after, pattern, tenant=tenant)
                except StoreError:
                    if self._closed:
                        return
                    raise
                after = page.cursor
                yield from page.events
                if after < page.last:
                    continue
                if not follow or self._closed:
                    return
                woken.wait()

    def close(self) -> None:
        """Let everybody who follows come to an end: nothing more will happen here (any thread)."""
        self._closed = True
        self._followers.wake_all()


@dataclass(frozen=True, slots=True, eq=False)
class _Follower:
    """One who waits for events of a tenant: on a loop, or blocking a thread."""

    tenant: str
    woken: asyncio.Event | threading.Event
    loop: asyncio.AbstractEventLoop | None = None


class _Followers:
    """Everybody who follows a feed of one store. A flush wakes each loop once, however many follow on it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._present: set[_Follower] = set()

    @contextmanager
    def joined(self, follower: _Follower) -> Iterator[None]:
        """Be woken inside the block (any thread)."""
        with self._lock:
            if not self._present:
                hear_flushes(self._hear)
            self._present.add(follower)
        try:
            yield
        finally:
            with self._lock:
                self._present.discard(follower)
                if not self._present:
                    ignore_flushes(self._hear)

    def wake_all(self) -> None:
        """Wake everybody (any thread)."""
        self._wake(None)

    def _hear(self, grown: frozenset[str]) -> None:
        """Wake those of some tenants (store thread)."""
        self._wake(grown)

    def _wake(self, tenants: frozenset[str] | None) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Event | threading.Event]] = {}
        with self._lock:
            for follower in self._present:
                if follower.woken.is_set() or not (tenants is None or follower.tenant in tenants):
                    continue
                if follower.loop is None:
                    follower.woken.set()
                else:
                    by_loop.setdefault(follower.loop, []).append(follower.woken)
        for loop, sleeping in by_loop.items():
            with suppress(RuntimeError):  # the loop has ended, and so has whoever waited on it
                loop.call_soon_threadsafe(_set_all, sleeping)


def _set_all(sleeping: list[asyncio.Event | threading.Event]) -> None:
    for event in sleeping:
        event.set()


def _pattern(match: EventPattern | str) -> EventPattern:
    return EventPattern(match) if isinstance(match, str) else match


def _read(tenant: str, after: int, count: int) -> _Raw:
    """Read some events that are durable (store thread)."""
    if not 1 <= count <= MAX_PAGE_EVENTS:
        raise LimitExceeded("event_page", MAX_PAGE_EVENTS, count, "ask for fewer events at once")
    check_identity("tenant", tenant)
    feed = find_feed(tenant or DEFAULT_TENANT)
    last = durable_length(feed) if feed is not None else 0
    if after < 0 or after > last:
        raise InvalidRequest(f"the feed has not come to event {after}; it ends at {last}")
    if feed is None:
        return _Raw(1, [], 0)
    kept: int = feed.first_seq
    if 0 < after < kept - 1:
        raise NotFound(f"events {after + 1} to {kept - 1} are not kept any more; go on behind event {kept - 1}")
    first = max(after + 1, kept)
    elements: list[bytes] = []
    size, started = 0, time.perf_counter()
    for seq in range(first, min(first + count, last + 1)):
        element = read_element(feed, seq)
        elements.append(element)
        size += len(element)
        if size > _PAGE_BYTES or time.perf_counter() - started > PAGE_SECONDS:
            break
    return _Raw(first, elements, last)


def _decoded(raw: _Raw, pattern: EventPattern, tenant: str) -> EventPage:
    name = tenant or DEFAULT_TENANT
    events = (decode_event(raw.first + place, name, element) for place, element in enumerate(raw.elements))
    wanted = tuple(event for event in events if pattern.matches(event))
    return EventPage(wanted, raw.first + len(raw.elements) - 1, raw.last)
