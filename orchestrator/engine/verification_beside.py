"""Reads what a store keeps beside its jobs and says what of it is damaged.

That is: what it knows of agents, reminders and errors of definitions; futures; queues; shared contexts; events. The
objects that an application keeps itself are its own: nothing here knows what they should hold.

Preconditions:
    ``verify_beside`` blocks, on any thread but the store's and the event loop's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

from orchestrator.engine.future_store import FutureStore
from orchestrator.engine.future_views import future_view
from orchestrator.engine.jobs import JobRepository
from orchestrator.store.store import Store
from statek.definition_errors import DefinitionErrors
from statek.event_feed import EventFeed, feed_length, feeds, read_element
from statek.events import decode_event
from statek.exceptions import StoreError
from statek.packing import unpack
from statek.queue_records import QueueEntry, QueueLane, lanes
from statek.shared_context import ContextRecord, context_title, context_variable, stored_contexts

__all__ = ["verify_beside"]

_VISIT_SECONDS = 0.004
"""How long one visit to the store thread reads, one element excepted."""

Part = tuple[str, Callable[[], object]]
"""The name of an element, and what reads it; both on the store thread."""


def verify_beside(store: Store, jobs: JobRepository, progress: Callable[[str], None]) -> list[str]:
    """Read it all; gives what is damaged.

    Args:
        store: the open store; it may be at work meanwhile.
        jobs: its job records.
        progress: gets a line for every part.
    """
    parts: dict[str, Callable[[], Iterator[Part]]] = {
        "agents, reminders and errors of definitions": partial(_root_parts, jobs),
        "futures": _future_parts,
        "queues": _queue_parts,
        "shared contexts": _context_parts,
        "events": _event_parts,
    }
    problems: list[str] = []
    for title, found in parts.items():
        progress(f"reading {title}")
        problems += _read(store, title, found())
    return problems


def _read(store: Store, title: str, parts: Iterator[Part]) -> list[str]:
    problems: list[str] = []

    def visit() -> bool:
        begun = time.perf_counter()
        for name, read in parts:
            try:
                read()
            except Exception as error:  # noqa: BLE001 -- a damaged file may raise anything, and everything is to be named
                problems.append(f"{name} does not read: {type(error).__name__}: {error}")
            if time.perf_counter() - begun > _VISIT_SECONDS:
                return True
        return False

    try:
        while store.read_sync(visit):
            pass
    except Exception as error:  # noqa: BLE001 -- as above
        problems.append(f"the list of {title} does not read: {type(error).__name__}: {error}")
    return problems


# ------------------------------------------------------------------------------------ what there is


def _root_parts(jobs: JobRepository) -> Iterator[Part]:
    root = jobs.root()
    if root is None:
        return
    yield "what is known of agents", jobs.agents
    yield "the reminders", lambda: dict(unpack(root.reminders) or {})
    if root.definition_errors is not None:
        for key in list(root.definition_errors.keys()):
            stored = root.definition_errors.get(key)
            if stored is not None:
                yield f"what is kept of the errors of definition {key}", partial(DefinitionErrors.from_text, stored)


def _future_parts() -> Iterator[Part]:
    futures = FutureStore()
    table = futures.table()
    number = 0
    while table is not None and number < len(table.by_number):
        number += 1
        yield f"future {number}", partial(_read_future, futures, number)


def _read_future(futures: FutureStore, number: int) -> None:
    """Read one; of a combined one what it is made of is only looked for, it has its own turn."""
    record = futures.get(number)
    if futures.require(record.id).number != number:
        raise StoreError(f"its id {record.id} is that of another one")
    future_view(record)
    for numbers in (record.parts, record.parents):
        for other in unpack(numbers):
            futures.get(other)
    if record.kind not in {"all", "any"}:
        futures.reading(record)
    if record.deps:
        futures.deps(record)


def _queue_parts() -> Iterator[Part]:
    for lane in lanes():
        title = f"of the queue of agent {lane.title()}" if lane.title() else "of the messages for jobs"
        for number in range(lane.head, lane.tail):
            yield f"entry {number} {title}", partial(_read_waiting, lane, number)
        order = sorted(lane.held) if lane.held_order is None else lane.held_order
        at = 0 if lane.held_order is None else lane.held_first
        while at < len(order):
            yield f"held entry {order[at]} {title}", partial(_read_held, lane, order[at])
            at += 1


def _read_waiting(lane: QueueLane, number: int) -> None:
    if number >= lane.head:  # else it was delivered meanwhile
        _read_entry(lane.entries[number])


def _read_held(lane: QueueLane, number: int) -> None:
    entry = lane.held.get(number)
    if entry is not None:
        _read_entry(entry)


def _read_entry(entry: QueueEntry) -> None:
    entry.value.load()
    entry.why()
    if entry.sender:
        _, _, _ = unpack(entry.sender)


def _context_parts() -> Iterator[Part]:
    for at, context in enumerate(stored_contexts(), 1):
        try:
            title, names = context_title(context), unpack(context.names)
        except Exception as error:  # noqa: BLE001 -- as above
            yield f"shared context {at}", partial(_fail, error)
            continue
        for name in names:
            yield f"variable {name} of the {title}", partial(_read_variable, context, name)


def _read_variable(context: ContextRecord, name: str) -> object:
    return context_variable(context, name).value


def _event_parts() -> Iterator[Part]:
    for feed in feeds():
        tenant, seq = str(feed.tenant), int(feed.first_seq)
        while seq <= feed_length(feed):
            yield f"event {seq} of tenant {tenant}", partial(_read_event, feed, seq)
            seq += 1


def _read_event(feed: EventFeed, seq: int) -> object:
    if seq < feed.first_seq:
        return None  # dropped meanwhile
    return decode_event(seq, str(feed.tenant), read_element(feed, seq))


def _fail(error: Exception) -> None:
    raise error
