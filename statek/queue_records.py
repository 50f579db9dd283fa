"""The durable queues of a store: what waits for jobs and for agents, in order, and what could not be delivered.

One lane holds the messages for jobs, one each the events of a role. An entry leaves its lane in the atomic block
that delivers it. One that cannot be delivered moves to the lane's held entries with the reason, stays visible there,
and is tried again at the next start.

Every function and method runs on the store thread, those that change something inside its atomic block.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from statek import durable
from statek.durable import memo
from statek.exceptions import LimitExceeded
from statek.packing import pack, unpack
from statek.sub_task_handler import StoredValue

__all__ = ["MAX_LANE_ENTRIES", "MESSAGES", "QueueEntry", "QueueLane", "find_lane", "lanes", "made_lane"]

MESSAGES = ""
"""Name of the lane of messages for jobs; the others are named by the role of their agent."""

MAX_LANE_ENTRIES = 100_000
"""Entries that wait in one lane, held ones included."""

MAX_REASON_CHARS = 1_000

_LANE_TAG = "statek-queue-lane"


@memo(id="statek.QueueEntry")
class QueueEntry:
    """One thing that waits.

    Attributes:
        number: its place in the lane, counted from the first one ever.
        at_us: when it was pushed, microseconds UTC.
        target: id of the job that it is for; empty for an event.
        value: what is delivered.
        reason: JSON text of why it could not be delivered; empty while nobody tried.
        sender: JSON list of id, tenant and principal of the job whose tool pushed it; empty for the application.
    """

    sender = ""

    def __init__(self, number: int, at_us: int, target: str, value: StoredValue, sender: str = "") -> None:
        self.number = number
        self.at_us = at_us
        self.target = target
        self.value = value
        self.reason = ""
        self.sender = sender

    def why(self) -> str:
        """Why it could not be delivered."""
        return str(unpack(self.reason) or "")


@memo(id="statek.QueueLane")
class QueueLane:
    """Entries in the order they were pushed.

    Attributes:
        name: JSON text of the role, of an empty text for the messages.
        entries: by number; those from ``head`` to before ``tail`` wait.
        head, tail: numbers.
        held: entries by number that could not be delivered.
        held_order: their numbers in order, those before ``held_first`` released already; None in a lane that was made
            before there was one.
        held_first: place in it.
    """

    held_order: Any = None
    held_first = 0

    def __init__(self, name: str) -> None:
        self.name = pack(name)
        self.entries: Any = {}
        self.head = 0
        self.tail = 0
        self.held: Any = {}
        self.held_order = []
        self.held_first = 0

    def add(self, value: object, at_us: int, target: str = "", sender: str = "") -> None:
        """Append something.

        Raises:
            InvalidRequest: it has no form that can be kept.
            LimitExceeded: it is too large, or the lane is full.
        """
        used = len(self.entries) + len(self.held)
        if used >= MAX_LANE_ENTRIES:
            raise LimitExceeded("queue_entries", MAX_LANE_ENTRIES, used + 1, "wait until some are delivered")
        stored = StoredValue.of(value, what="what is pushed into a queue", limit="queue_entry_bytes")
        self.entries[self.tail] = QueueEntry(self.tail, at_us, target, stored, sender)
        self.tail += 1

    def first(self) -> QueueEntry | None:
        """What waits longest; None when nothing does."""
        if self.head == self.tail:
            return None
        found: QueueEntry = self.entries[self.head]
        return found

    def drop_first(self) -> None:
        """Take the first entry out: it is delivered in this very block."""
        del self.entries[self.head]
        self.head += 1

    def hold_first(self, reason: str) -> None:
        """Put the first entry aside, because it cannot be delivered."""
        entry = self.first()
        if entry is not None:
            entry.reason = pack(reason[:MAX_REASON_CHARS])
            self._order().append(entry.number)  # later entries have higher numbers, released ones too: it stays sorted
            self.held[entry.number] = entry
            self.drop_first()

    def release_held(self, limit: int) -> bool:
        """Let up to ``limit`` held entries be tried again, behind what waits; whether more are held.

        Takes as long with a hundred thousand of them as with a few.
        """
        self._order()
        released = self.first_held(limit)
        self.held_first += len(released)
        if len(released) == len(self.held):
            self.held_order, self.held_first = [], 0
        for number in released:
            entry = self.held[number]
            del self.held[number]
            entry.number = self.tail
            self.entries[self.tail] = entry
            self.tail += 1
        return bool(len(self.held))

    def first_held(self, limit: int) -> list[int]:
        """The lowest numbers of held entries."""
        if self.held_order is None:
            return sorted(self.held)[:limit]
        return list(self.held_order[self.held_first : self.held_first + limit])

    def _order(self) -> Any:
        """The numbers of the held entries; found once in a lane that has none."""
        if self.held_order is None:
            self.held_order, self.held_first = sorted(self.held), 0
        return self.held_order

    def waiting(self, limit: int) -> Iterator[QueueEntry]:
        """The first entries that wait."""
        for number in range(self.head, min(self.tail, self.head + limit)):
            yield self.entries[number]

    def title(self) -> str:
        """The role, empty for messages."""
        return str(unpack(self.name))


def lanes() -> list[QueueLane]:
    """Every lane, the messages first, then by role."""
    return sorted(durable.find(QueueLane, _LANE_TAG), key=lambda lane: lane.title())


def find_lane(name: str) -> QueueLane | None:
    """The lane of a role or of the messages; None before its first entry."""
    return next(iter(durable.find(QueueLane, _tag(name))), None)


def made_lane(name: str) -> QueueLane:
    """The lane of a role or of the messages, made if there is none."""
    lane = find_lane(name)
    if lane is None:
        lane = QueueLane(name)
        durable.tag(lane, _LANE_TAG, _tag(name))
    return lane


def _tag(name: str) -> str:
    return f"{_LANE_TAG}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
