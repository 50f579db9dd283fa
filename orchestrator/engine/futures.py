"""Who waits for which future, and who wakes them.

Durable facts are in the records (``future_store``); what is here is in memory and can be built again: the steps that
hold their sandbox while they wait, the futures of tool calls whose outcome is not durable yet, and the one timer for
deadlines. Nothing polls: a future's end makes exactly its waiters runnable.

A step that waits is *put down*: durably marked as waiting, so that a crash of the service is no crash of the step. Its
sandbox is held for a while; then the job is suspended, and the step runs again from its journal once the future has
come to an end.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from orchestrator.engine.clock import now_us
from orchestrator.engine.durability import Durability
from orchestrator.engine.future_store import FutureStore
from orchestrator.engine.future_watch import FutureWatch
from orchestrator.engine.jobs import JobRepository
from orchestrator.engine.objects.host_proxy import wrap
from statek.exceptions import FutureSettled, InternalError, NotFound, StoreError
from statek.future import FutureReading, FutureState, Settlement
from statek.future_records import FutureRecord
from statek.job_status import JobStatus
from statek.packing import pack, unpack
from statek.records import JobRecord

__all__ = ["Awaited", "FutureBoard", "Made", "Settled", "settle_future", "wake_waiters"]

T = TypeVar("T")

_log = logging.getLogger("statek.futures")

_PAGE_SECONDS = 0.004
"""How long one visit to the store thread may go through open futures."""

_FUTURES_AT_ONCE, _FUTURES_OVERLAP = 200, 50
"""Futures that one visit to the store thread reads at a restart, and how many of them the next visit reads again."""

_MAX_TIMER_SECONDS = 3600.0
"""The timer is set again at least this often: wall clocks are adjusted."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """What a step waits for.

    Attributes:
        mode: ``any`` or ``all``.
        futures: numbers of the futures.
        statement: index of the top-level statement that needs them; informational.
    """

    mode: str
    futures: tuple[int, ...]
    statement: int = 0

    def packed(self) -> str:
        """As a record keeps it."""
        return pack([self.mode, list(self.futures), self.statement])

    @classmethod
    def of(cls, record: JobRecord) -> Awaited | None:
        """What a job waits for; None for nothing."""
        if not record.awaited:
            return None
        mode, futures, statement = unpack(record.awaited)
        return cls(mode, tuple(futures), statement)

    def is_over(self, store: FutureStore) -> bool:
        """Whether nothing is to be waited for any more (store thread)."""
        ended = (store.get(number).state != FutureState.PENDING.value for number in self.futures)
        return any(ended) if self.mode == "any" else all(ended)

    def first(self, store: FutureStore) -> int:
        """Position of the future that came to an end first (store thread)."""
        ended = [(store.get(number).settled_us, position) for position, number in enumerate(self.futures)]
        return min(one for one in ended if one[0])[1]

    def text(self, store: FutureStore) -> str:
        """For people (store thread); a text that the store takes, which what a tool waits for need not be."""
        whats = [unpack(store.get(number).what) or f"future {number}" for number in self.futures[:5]]
        more = f" and {len(self.futures) - 5} more" if len(self.futures) > 5 else ""
        text = f"waits for {(' or ' if self.mode == 'any' else ' and ').join(dict.fromkeys(whats))}{more}"
        return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


@dataclass(frozen=True, slots=True)
class Made:
    """A future that became durable and must be looked after."""

    number: int
    deadline_us: int
    watches: bool


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of ending futures.

    Attributes:
        futures: numbers of those that came to an end.
        jobs: number and tenant of the suspended jobs that can go on.
    """

    futures: tuple[int, ...] = ()
    jobs: tuple[tuple[int, str], ...] = ()


def wake_waiters(store: FutureStore, jobs: JobRepository, ended: Sequence[FutureRecord], now_us: int) -> Settled:
    """Make the suspended jobs runnable that have nothing to wait for any more (store thread, same atomic block)."""
    woken: list[tuple[int, str]] = []
    for number in sorted({job for record in ended for job in unpack(record.jobs)}):
        job = jobs.get(number)
        awaited = Awaited.of(job)
        if awaited is None or job.status != JobStatus.SUSPENDED.value or not awaited.is_over(store):
            continue
        jobs.set_status(job, jobs.running_status(job), now_us)
        woken.append((number, job.tenant))
    return Settled(tuple(record.number for record in ended), tuple(woken))


def settle_future(
    store: FutureStore, jobs: JobRepository, record: FutureRecord, settlement: Settlement, now_us: int
) -> Settled:
    """End a future and make its waiters runnable (store thread, one atomic block).

    Raises:
        FutureSettled: it had come to an end before.
        InvalidRequest: the value cannot be kept.
        LimitExceeded: it is too large.
    """
    return wake_waiters(store, jobs, store.settle(record, settlement, now_us), now_us)


class FutureBoard:
    """The futures of a running service; its methods belong to the event loop unless they say otherwise.

    Args:
        durability: durable writes.
        jobs: the job records.
        notice: makes a job runnable.

    Attributes:
        records: the future records (store thread).
        watch: the temporals that wait for durable objects.
        loop: the event loop that it runs on; None while it does not run.
        secret: what the ids of new futures are made from; known after ``start``.
    """

    def __init__(self, durability: Durability, jobs: JobRepository, notice: Callable[[int, str], None]) -> None:
        self._durability = durability
        self._store = durability.store
        self._jobs = jobs
        self._notice = notice
        self._waiting: defaultdict[int, set[asyncio.Event]] = defaultdict(set)
        self._announced: dict[str, asyncio.Event] = {}
        self._deadlines: list[tuple[int, int]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.records = FutureStore()
        self.watch = FutureWatch(self.records, self._dirty_from_any_thread)
        self.secret = ""

    # ---------------------------------------------------------------------------------- life cycle

    async def start(self) -> None:
        """Look after the futures that an earlier process left open, a page at a time."""
        self.loop = asyncio.get_running_loop()
        self.secret = await self._durability.commit(self.records.secret)
        self._spawn(self._rebuild())

    async def _rebuild(self) -> None:
        """Know the deadlines and the dependencies of open futures again."""
        deadlines = await self._found(self.records.deadlines)
        self._deadlines = list(deadlines.union(self._deadlines))
        heapq.heapify(self._deadlines)
        self._set_timer()
        await self._look(sorted(await self._found(self.records.watching)))

    async def _found(self, page_of: Callable[[int, int], Sequence[T]]) -> set[T]:
        """Read something of all open futures, a few milliseconds at a time.

        Futures that end meanwhile move others to earlier places, so pages overlap, and the last pass is one that
        found nothing new.

        Args:
            page_of: gives some of it, by first place and number; nothing past the last one.
        """
        found: set[T] = set()
        known = -1
        while len(found) > known:
            known, start = len(found), 0
            while page := await self._store.read(partial(page_of, start, _FUTURES_AT_ONCE)):
                found.update(page)
                start += _FUTURES_AT_ONCE - _FUTURES_OVERLAP if len(page) == _FUTURES_AT_ONCE else len(page)
        return found

    async def stop(self) -> None:
        """Forget everything; nothing durable changes."""
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.loop = None
        await self._store.read(self.watch.close)

    @property
    def is_idle(self) -> bool:
        """Whether no future is being looked at; those that wait for others or for a time are at rest."""
        return not self._tasks

    async def wait_idle(self) -> None:
        """Wait until what is under way has come to an end: it may wake jobs."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(self._logged(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _logged(self, work: Any) -> None:
        try:
            await work
        except StoreError as error:
            _log.error("futures could not be looked after: %s", error)

    # ------------------------------------------------------------------------------------- waking

    def publish(self, settled: Settled) -> None:
        """Wake the steps and the jobs that waited."""
        for number in settled.futures:
            for event in self._waiting.get(number, ()):
                event.set()
        for number, tenant in settled.jobs:
            self._notice(number, tenant)

    def publish_from_any_thread(self, settled: Settled) -> None:
        """``publish``, for the store thread and those of tools."""
        loop = self.loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop has ended: the durable facts wake the jobs at the next start
                loop.call_soon_threadsafe(self.publish, settled)

    @contextmanager
    def listening(self, numbers: Iterable[int]) -> Iterator[asyncio.Event]:
        """An event that is set whenever one of these futures comes to an end."""
        event, watched = asyncio.Event(), set(numbers)
        for number in watched:
            self._waiting[number].add(event)
        try:
            yield event
        finally:
            for number in watched:
                self._waiting[number].discard(event)
                if not self._waiting[number]:
                    del self._waiting[number]

    def read_sync(self, id_: str) -> FutureReading:
        """A durable future as it is now (any thread); durable objects in its value are proxies off the store thread.

        Raises:
            NotFound: there is none of that id.
        """
        return self._store.read_sync(lambda: self._reading(id_))

    def _reading(self, id_: str) -> FutureReading:
        reading = self.records.reading(self.records.require(id_))
        return replace(reading, value=wrap(reading.value, self._store))

    def settle_sync(self, id_: str, settlement: Settlement) -> None:
        """End a future (any thread), durable with the next flush; joins the atomic block on the store thread.

        Raises:
            NotFound, FutureSettled, InvalidRequest, LimitExceeded: see ``settle_future``.
        """

        def settle() -> Settled:
            return settle_future(self.records, self._jobs, self.records.require(id_), settlement, now_us())

        self.publish_from_any_thread(self._store.write_sync(settle))

    def statistics(self) -> dict[str, int]:
        """What is kept in memory."""
        return {"held": len(self._waiting), "deadlines": len(self._deadlines), "watched": len(self.watch)}

    # -------------------------------------------------------------------------------- announcements

    def announce(self, id_: str) -> None:
        """A running call has made a future that is not durable yet (any thread)."""
        self._announced[id_] = asyncio.Event()

    def withdraw(self, ids: Iterable[str]) -> None:
        """The outcome of that call is durable, or there will be none."""
        for id_ in ids:
            done = self._announced.pop(id_, None)
            if done is not None:
                done.set()

    async def durable(self, id_: str) -> None:
        """Wait until a future of a running call is durable, or will not be."""
        done = self._announced.get(id_)
        if done is not None:
            await done.wait()

    # ----------------------------------------------------------------------------------- deadlines

    def track(self, made: Iterable[Made]) -> None:
        """Look after new futures."""
        for future in made:
            if future.deadline_us:
                heapq.heappush(self._deadlines, (future.deadline_us, future.number))
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._deadlines and self.loop is not None:
            left = self._deadlines[0][0] / 1e6 - time.time()
            self._timer = self.loop.call_later(min(max(left, 0.0), _MAX_TIMER_SECONDS), self._expire_due)

    def _expire_due(self) -> None:
        due: list[int] = []
        while self._deadlines and self._deadlines[0][0] <= now_us():
            due.append(heapq.heappop(self._deadlines)[1])
        self._set_timer()
        if due:
            self._spawn(self._expire(due))

    async def _expire(self, due: list[int]) -> None:
        for number in due:
            try:
                self.publish(await self._durability.commit(partial(self._expire_one, number)))
            except (FutureSettled, NotFound):
                continue
            except InternalError as error:  # of one job: the others' deadlines are met all the same
                _log.error("the deadline of future %d could not be met: %s", number, error)

    def _expire_one(self, number: int) -> Settled:
        record = self.records.get(number)
        if not 0 < record.deadline_us <= now_us():
            return Settled()  # the block that made the one with this number was undone
        waited = (record.deadline_us - record.created_us) / 1e6
        message = f"{unpack(record.what) or 'the future'}: no answer within {waited:g} seconds"
        settlement = Settlement(FutureState.EXPIRED, message=message)
        return settle_future(self.records, self._jobs, record, settlement, now_us())

    # ----------------------------------------------------------------------------------- conditions

    def _dirty_from_any_thread(self) -> None:
        """Something was written that a temporal depends on (store thread, inside the block that writes)."""
        loop = self.loop
        if loop is not None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._look_at_dirty)

    def _look_at_dirty(self) -> None:
        dirty = self.watch.take_dirty()
        if dirty and self.loop is not None:
            self._spawn(self._look(dirty))

    async def _look(self, numbers: Sequence[int]) -> None:
        """Ask the conditions of these temporals, each visit to the store thread a few milliseconds."""
        left = list(numbers)
        while left:
            settled = await self._durability.commit(partial(self._look_page, left))
            self.publish(settled)

    def _look_page(self, left: list[int]) -> Settled:
        started = time.perf_counter()
        ended: list[FutureRecord] = []
        while left and time.perf_counter() - started < _PAGE_SECONDS:
            with suppress(NotFound):  # the block that made it was undone
                ended += self.watch.look(self.records.get(left.pop()), now_us())
        return wake_waiters(self.records, self._jobs, ended, now_us())
