"""Jobs for queues that an application keeps itself: it says how long they are, the warmup of the jobs picks from them.

The one place of the service with a clock: nobody can announce what is not ours, so each function is asked every
``pull_interval_seconds``, off the event loop. Without such functions nothing here runs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from orchestrator.engine.access import JobAccess
from orchestrator.engine.durability import Durability
from statek.exceptions import StoreError
from statek.job_status import JobStatus
from statek.records import JobRecord
from statek.task_door import NewJob

__all__ = ["PullQueues"]

_log = logging.getLogger("statek.queues")

_WAITS = frozenset({JobStatus.READY.value, JobStatus.WARMING_UP.value})
"""A job of these statuses has not picked its work yet, as far as anybody can tell."""


@dataclass(slots=True)
class _Pulled:
    """One agent's queue: its length, and the jobs that were made for it and have not picked yet."""

    role: str
    length: Callable[[], int]
    waiting: set[int] = field(default_factory=set)


class PullQueues:
    """Makes empty jobs while the service runs; belongs to the event loop.

    Args:
        durability: of the store.
        access: makes jobs.
        lengths: by role, what tells how much is queued for it; called on another thread.
        room: how many jobs may be made now.
        interval_seconds: between two looks.
    """

    def __init__(
        self,
        durability: Durability,
        access: JobAccess,
        lengths: Mapping[str, Callable[[], int]],
        *,
        room: Callable[[], int],
        interval_seconds: float,
    ) -> None:
        self._durability = durability
        self._access = access
        self._queues = [_Pulled(role, length) for role, length in lengths.items()]
        self._room = room
        self._interval = interval_seconds
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look once, then go on at the interval."""
        if not self._queues:
            return
        visit = self._access.visit_active(self._note_waiting)
        while await self._durability.store.read(visit):
            pass
        await self._look()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Make no more jobs."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            await self._look()

    async def _look(self) -> None:
        """Ask each queue once."""
        for queue in self._queues:
            try:
                queued = int(await asyncio.to_thread(queue.length))
            except Exception as error:  # noqa: BLE001 -- application code; the other queues go on
                _log.error("the queue of agent %s does not say how long it is: %s", queue.role, error)
                continue
            if queued < 1:
                continue
            try:
                await self._durability.commit(lambda queue=queue, queued=queued: self._make(queue, queued))  # type: ignore[misc]
            except StoreError:
                raise
            except Exception as error:  # noqa: BLE001 -- an agent's setup is application code
                _log.error("no job can be made for the queue of agent %s: %s", queue.role, error)

    def _make(self, queue: _Pulled, queued: int) -> None:
        """Make as many jobs as work waits and there is room for (store thread)."""
        queue.waiting = {number for number in queue.waiting if self._waits(number)}
        for _ in range(min(self._room(), queued - len(queue.waiting))):
            queue.waiting.add(self._access.create(self._access.agent(queue.role), NewJob()).number)

    def _waits(self, number: int) -> bool:
        return self._access.record(f"j{number}").status in _WAITS

    def _note_waiting(self, record: JobRecord) -> None:
        """Note a job of an earlier start that has not picked (store thread)."""
        if record.status in _WAITS:
            for queue in self._queues:
                if queue.role == record.role:
                    queue.waiting.add(record.number)
