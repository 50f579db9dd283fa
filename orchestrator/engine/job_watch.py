"""Who watches a job: woken after each of its changes, never by a clock."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable

from orchestrator.engine.jobs import JobRepository
from orchestrator.engine.views import job_summary
from orchestrator.store.store import Store
from statek.executors.views import JobSummary

__all__ = ["JobWatch"]


class JobWatch:
    """The watchers of a service's jobs.

    Attributes:
        listeners: called with the number of each job that has changed, on the event loop.
    """

    def __init__(self, store: Store, jobs: JobRepository) -> None:
        self._store = store
        self._jobs = jobs
        self._watchers: defaultdict[int, set[asyncio.Event]] = defaultdict(set)
        self.listeners: list[Callable[[int], None]] = []

    def changed(self, number: int) -> None:
        """Wake whoever watches the job."""
        for hear in self.listeners:
            hear(number)
        for event in self._watchers.get(number, ()):
            event.set()

    async def summaries(self, number: int, worth: Callable[[], bool] = lambda: True) -> AsyncIterator[JobSummary]:
        """The job's summary now and after every change.

        Args:
            number: the job.
            worth: whether a change is worth a read of the record.

        Raises:
            NotFound: there is no such job.
        """
        event = asyncio.Event()
        self._watchers[number].add(event)
        try:
            while True:
                event.clear()
                yield await self._store.read(lambda: job_summary(self._jobs.get(number)))
                await event.wait()
                while not worth():
                    event.clear()
                    await event.wait()
        finally:
            self._watchers[number].discard(event)
            if not self._watchers[number]:
                del self._watchers[number]
