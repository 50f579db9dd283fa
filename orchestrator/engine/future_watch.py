"""Temporals that wait for durable objects: asked again when something they depend on was written.

A temporal depends on the durable objects it was given and on what these hold, a bounded number of steps away. All of it
is watched (``statek.durable.watching``); a write to it marks the temporal, and after the block that wrote its condition
is asked once. Conditions and complements run here, on the store thread, never in a sandbox.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from orchestrator.engine.future_store import FutureStore
from orchestrator.engine.objects.failures import ApplicationFailure, run_application
from orchestrator.engine.objects.kinds import Kind, is_durable_tuple, kind_of
from statek.durable import watching
from statek.exceptions import FutureError, StatekError
from statek.future import FutureState, Settlement
from statek.future_records import FutureRecord
from statek.temporals import find_temporal

__all__ = ["MAX_WATCHED_OBJECTS", "FutureWatch"]

_log = logging.getLogger("statek.futures")

MAX_WATCHED_OBJECTS = 256
"""Durable objects and collections that one temporal watches, nearest first."""

_MAX_ITEMS = 256


class FutureWatch:
    """Every temporal that waits for durable objects.

    Preconditions:
        every method but ``take_dirty``: on the store thread.

    Args:
        records: the future records.
        dirty: told when a write has marked a temporal, inside the block that writes.
    """

    def __init__(self, records: FutureStore, dirty: Callable[[], None]) -> None:
        self._records = records
        self._dirty = dirty
        self._marked: set[int] = set()
        self._watches: dict[int, watching.Watch] = {}

    def __len__(self) -> int:
        return len(self._watches)

    def take_dirty(self) -> list[int]:
        """The temporals that must be asked again; they count as asked from here on."""
        taken, self._marked = self._marked, set()
        return sorted(taken)

    def close(self) -> None:
        """Watch nothing any more."""
        for watch in self._watches.values():
            watch.end()
        self._watches.clear()

    def look(self, record: FutureRecord, now_us: int) -> list[FutureRecord]:
        """Ask a temporal; watch what it depends on while it is not ready.

        Returns:
            The futures that have come to an end by this; none while it is not ready.
        """
        number = record.number
        old = self._watches.pop(number, None)
        if old is not None:
            old.end()
        if record.state != FutureState.PENDING.value or record.kind != "temporal":
            return []
        settlement = self._ask(record)
        if settlement is None:
            reached = _reachable(self._records.deps(record))
            self._watches[number] = watching.watch(reached, lambda: self._mark(number))
            return []
        try:
            return self._records.settle(record, settlement, now_us)
        except StatekError as error:
            return self._records.settle(record, Settlement(FutureState.FAILED, message=str(error)), now_us)

    def _mark(self, number: int) -> None:
        first = not self._marked
        self._marked.add(number)
        if first:
            self._dirty()

    def _ask(self, record: FutureRecord) -> Settlement | None:
        temporal = find_temporal(record.temporal)
        if temporal is None:
            _log.error("future %d waits for %s, which this service does not have", record.number, record.temporal)
            return None
        deps = self._records.deps(record)
        found = temporal
        try:
            if not run_application(lambda: found.is_ready(deps)):
                return None
            return Settlement(FutureState.RESOLVED, run_application(lambda: found.value(deps)))
        except ApplicationFailure as failure:
            if failure.type_name == FutureError.__name__:
                return None
            return Settlement(FutureState.FAILED, message=f"{failure.type_name}: {failure.message}")


def _reachable(deps: Any) -> list[Any]:
    """The durable objects that a value holds, nearest first, as many as are watched."""
    found: list[Any] = []
    seen: set[int] = set()
    waiting: deque[Any] = deque([deps])
    while waiting and len(found) < MAX_WATCHED_OBJECTS:
        item = waiting.popleft()
        if isinstance(item, list | tuple | set | frozenset):
            waiting.extend(item)
            continue
        if isinstance(item, dict):
            waiting.extend(item.values())
            continue
        if is_durable_tuple(item):
            waiting.extend(item)
            continue
        kind = kind_of(item)
        if kind is None or id(item) in seen:
            continue
        seen.add(id(item))
        found.append(item)
        if kind is Kind.OBJECT:
            waiting.extend(watching.fields_of(item))
        else:
            elements = (item[key] for key in item) if kind is Kind.DICT else iter(item)
            waiting.extend(element for element, _ in zip(elements, range(_MAX_ITEMS), strict=False))
    return found
