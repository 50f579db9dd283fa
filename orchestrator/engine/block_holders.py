"""Who names blocks without a durable record of it: the jobs that a service drives.

A runner may name again whatever block it ever had, also one of a commit long before the newest. A compaction asks for
these places, and says when it has made room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from orchestrator.engine.manifest import BlockPlace

__all__ = ["BlockHolder", "held_places", "holding", "say_room_was_made"]


@dataclass(frozen=True, slots=True)
class BlockHolder:
    """One service.

    Attributes:
        places: by number of the job, where every block is that its runner may name; called on any thread.
        room_made: told, on any thread, that jobs may keep more now.
    """

    places: Callable[[], Mapping[int, Mapping[str, BlockPlace]]]
    room_made: Callable[[], None]


_holders: list[BlockHolder] = []
"""A process has one store, and at most one service over it."""


@contextmanager
def holding(holder: BlockHolder) -> Iterator[None]:
    """Let compactions ask this service until the block is left."""
    _holders.append(holder)
    try:
        yield
    finally:
        _holders.remove(holder)


def held_places() -> dict[int, dict[str, BlockPlace]]:
    """A copy of all places that runners may name, by number of the job."""
    found: dict[int, dict[str, BlockPlace]] = {}
    for holder in _holders:
        for number, places in holder.places().items():
            found[number] = dict(places)  # one step of the interpreter: a driver adds to it meanwhile
    return found


def say_room_was_made() -> None:
    """Tell the service that jobs which waited for room may be tried again."""
    for holder in _holders:
        holder.room_made()
