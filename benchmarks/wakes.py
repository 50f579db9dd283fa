"""Waking suspended jobs: one at a time, and a storm of them.

The jobs wait for one future each, in a store with many other suspended jobs. A woken job claims a runner and runs the
step that waited again, which ends it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, make_agent
from benchmarks.fsyncs import per_operation
from benchmarks.measurement import Better, median
from benchmarks.models import ClockedModel, python
from orchestrator.engine.service import Service
from statek.future import FutureState, Settlement

__all__ = ["SuspendedJob", "measure_wakes", "most_between", "most_displaced"]

_DONE = Settlement(FutureState.RESOLVED)
_ENOUGH_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class SuspendedJob:
    """A job that waits for one future.

    Attributes:
        number: of the job.
        tenant: whose it is.
        future: id of what it waits for.
    """

    number: int
    tenant: str
    future: str


async def measure_wakes(bench: Bench, folder: Path, suspended: Sequence[SuspendedJob], storm: int) -> None:
    """Wake some jobs one by one, then as many at once as ``storm`` says, beside as many new jobs' rate.

    Args:
        bench: the run.
        folder: of the store that has the jobs.
        suspended: its jobs; the last ``storm`` of them make the storm, and those before are woken one by one.
        storm: how many are woken at once.

    Raises:
        RuntimeError: a job was not taken up once, or not at all.
    """
    singly = suspended[-storm - bench.times(50, 5) : -storm]
    notes = {"jobs": str(len(suspended))}
    model = ClockedModel(lambda _turn: python("exit(0)"))
    async with bench.service([make_agent()], model, folder=folder) as (service, _):
        taken_up = _TakenUp(service)
        woken, done = [], []
        before = bench.fsyncs.count()
        for job in singly:
            await service._pool.wait_warm(1, timeout=_ENOUGH_SECONDS)  # noqa: SLF001 - each meets a warm runner
            begun = time.perf_counter()
            await service.settle_future(job.future, _DONE)
            await taken_up.wait(job.number)
            woken.append((taken_up.at[job.number] - begun) * 1000)
            await service.wait_idle()
            done.append((time.perf_counter() - begun) * 1000)
        made = {**notes, **per_operation(bench.fsyncs.count() - before, len(singly))}
        bench.add("suspended_wake_p50", median(woken), "ms", 10, "target-10ms", notes=made)
        bench.add("suspended_wake_done_p50", median(done), "ms", median(woken), "suspended_wake_p50", notes=made)

        fresh = bench.times(200, 4)
        before, begun = bench.fsyncs.count(), time.perf_counter()
        for _ in range(fresh):
            await service.submit("bench", message="go")
        await service.wait_idle()
        start_rate = fresh / (time.perf_counter() - begun)
        start_notes = {"jobs": str(fresh), **per_operation(bench.fsyncs.count() - before, fresh)}

        jobs = suspended[-storm:]
        before, begun = bench.fsyncs.count(), time.perf_counter()
        await asyncio.gather(*(service.settle_future(job.future, _DONE) for job in jobs))
        await service.wait_idle()
        rate = storm / (time.perf_counter() - begun)
        order = taken_up.order_of({job.number for job in jobs})
    notes = {"jobs": str(storm), **per_operation(bench.fsyncs.count() - before, storm)}
    bench.add("suspended_storm", rate, "jobs/s", start_rate, "target-start_rate", better=Better.HIGHER, notes=notes)
    bench.add(
        "suspended_start_rate", start_rate, "jobs/s", rate, "suspended_storm", better=Better.HIGHER, notes=start_notes
    )
    bench.add("suspended_storm_displaced", most_displaced(jobs, order), "places", 1, "one_place", notes=notes)
    bench.add("suspended_storm_between", most_between(jobs, order), "jobs", 1, "target-1job", notes=notes)


def most_displaced(woken: Sequence[SuspendedJob], order: Sequence[int]) -> int:
    """By how many places a job came earlier or later than it was woken, at most, among those of its tenant.

    Args:
        woken: the jobs in the order in which they were woken.
        order: their numbers in the order in which they were taken up.
    """
    tenant_of = {job.number: job.tenant for job in woken}
    displaced = 0
    for tenant in set(tenant_of.values()):
        places = {number: place for place, number in enumerate(n for n in order if tenant_of[n] == tenant)}
        own = [job.number for job in woken if job.tenant == tenant]
        displaced = max([displaced, *(abs(places[number] - place) for place, number in enumerate(own))])
    return displaced


def most_between(woken: Sequence[SuspendedJob], order: Sequence[int]) -> int:
    """How many jobs of others were taken up between two of the tenant that was woken last, at most.

    Args:
        woken: the jobs in the order in which they were woken.
        order: their numbers in the order in which they were taken up.
    """
    last = woken[-1].tenant
    own = {job.number for job in woken if job.tenant == last}
    places = [place for place, number in enumerate(order) if number in own]
    return max((later - earlier - 1 for earlier, later in pairwise(places)), default=0)


class _TakenUp:
    """Notes which job the scheduler of a service starts to drive, and when.

    Attributes:
        at: time of ``time.perf_counter`` by the job's number.
    """

    def __init__(self, service: Service) -> None:
        self.at: dict[int, float] = {}
        self._changed = asyncio.Event()
        scheduler = service._scheduler  # noqa: SLF001 - it alone knows when a runnable job's turn has come
        drive = scheduler._drive  # noqa: SLF001

        def noted(number: int) -> Coroutine[Any, Any, None]:
            self.at.setdefault(number, time.perf_counter())
            self._changed.set()
            return drive(number)

        scheduler._drive = noted  # noqa: SLF001

    async def wait(self, number: int) -> None:
        """Wait until a job has been taken up.

        Raises:
            TimeoutError: it never was.
        """
        async with asyncio.timeout(_ENOUGH_SECONDS):
            while number not in self.at:
                self._changed.clear()
                await self._changed.wait()

    def order_of(self, numbers: set[int]) -> list[int]:
        """Some jobs in the order in which they were taken up.

        Raises:
            RuntimeError: one was not.
        """
        order = [number for number in self.at if number in numbers]
        if len(order) < len(numbers):
            raise RuntimeError(f"{len(numbers) - len(order)} woken jobs were never taken up")
        return order
