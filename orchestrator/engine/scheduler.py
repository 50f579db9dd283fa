"""Which runnable job is driven next.

Tenants take turns; within a tenant the oldest waits least. Nothing here costs anything for a job
that is not runnable: suspended and finished jobs are not known to the scheduler.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

__all__ = ["Scheduler"]

_log = logging.getLogger("statek.scheduler")


class Scheduler:
    """Drives at most ``max_concurrency`` jobs at once; call its methods from the event loop only."""

    def __init__(
        self,
        drive: Callable[[int], Coroutine[Any, Any, None]],
        *,
        max_concurrency: int,
        rested: Callable[[], None] | None = None,
    ) -> None:
        """Args are the coroutine that drives one job to its end or next wait, the bound, and who hears of each rest."""
        self._drive = drive
        self._rested = rested
        self._max_concurrency = max_concurrency
        self._ready: OrderedDict[str, deque[int]] = OrderedDict()
        self._queued: set[int] = set()
        self._running: dict[int, asyncio.Task[None]] = {}
        self._again: dict[int, str] = {}
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()

    def add(self, number: int, tenant: str) -> None:
        """Make a job runnable; one that is being driven right now is driven once more afterwards."""
        if self._stopping or number in self._queued:
            return
        if number in self._running:
            self._again[number] = tenant
            return
        self._idle.clear()
        self._queued.add(number)
        self._ready.setdefault(tenant, deque()).append(number)
        self._start_nowait()

    def statistics(self) -> dict[str, int]:
        """Counts of running and waiting jobs."""
        return {"running": len(self._running), "runnable": len(self._queued)}

    def _start_nowait(self) -> None:
        """Start jobs while there is room, one tenant after the other."""
        while self._ready and len(self._running) < self._max_concurrency:
            tenant, waiting = self._ready.popitem(last=False)
            number = waiting.popleft()
            self._queued.discard(number)
            if waiting:
                self._ready[tenant] = waiting
            task = asyncio.create_task(self._drive(number))
            self._running[number] = task
            task.add_done_callback(partial(self._ended, number))

    def _ended(self, number: int, task: asyncio.Task[None]) -> None:
        """A driver returned: make room."""
        del self._running[number]
        if not task.cancelled() and task.exception() is not None:
            _log.error("driving job %d failed", number, exc_info=task.exception())
        tenant = self._again.pop(number, None)
        if tenant is not None:
            self.add(number, tenant)
        if not self._stopping:
            self._start_nowait()
        if not self._running and not self._queued:
            self._idle.set()
        if self._rested is not None:
            self._rested()

    @property
    def is_idle(self) -> bool:
        """Whether no job is driven or waits to be."""
        return self._idle.is_set()

    async def wait_idle(self) -> None:
        """Wait until no job is driven or waits to be."""
        await self._idle.wait()

    async def stop(self) -> None:
        """Start nothing more and end every driver."""
        self._stopping = True
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
