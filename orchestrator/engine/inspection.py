"""Looks at jobs and decides about them, without driving any.

The running service is one of these; the CLI makes one over a store that no service has open.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import takewhile

from orchestrator.engine.active_job import PAGE_SECONDS
from orchestrator.engine.clock import now_us
from orchestrator.engine.durability import Durability
from orchestrator.engine.events import EventFeeds
from orchestrator.engine.files import list_files, list_files_sync, read_file, read_file_sync
from orchestrator.engine.future_store import FutureStore
from orchestrator.engine.future_views import awaited_view, future_view
from orchestrator.engine.futures import Settled, settle_future
from orchestrator.engine.jobs import JobRepository, job_id, job_number
from orchestrator.engine.operator_calls import Resolution, calls_in_doubt, resolve_call
from orchestrator.engine.porting import Porter
from orchestrator.engine.queue_views import queue_views
from orchestrator.engine.retention import Retention
from orchestrator.engine.time_travel import Reference, TimeTravel
from orchestrator.engine.upkeep import Upkeep
from orchestrator.engine.variables import read_variables, read_variables_sync
from orchestrator.engine.views import ChatPage, RawItem, chat_page, job_summary
from orchestrator.store.store import Store
from statek.error_handlers import ErrorHandler, handlers_from_text
from statek.event_feed import emit
from statek.events import Event, EventPattern
from statek.exceptions import InvalidRequest
from statek.executors.views import (
    AgentView,
    CallView,
    FileView,
    FutureView,
    ItemView,
    JobSummary,
    JobView,
    QueueView,
    VariableView,
)
from statek.future import Settlement
from statek.inbox import USER, InboxEntry, Pushed
from statek.job_status import JobStatus
from statek.records import JobRecord

__all__ = ["Inspection", "push_change", "request_cancel"]

_FINISHED = frozenset({"none", "committed", "died"})
_LONG_JOURNAL_BYTES = 64 << 10


class Inspection:
    """Reads and operator decisions over one store.

    Attributes:
        past: the commits of its jobs.
        feed: what happens to them.
        porter: exports and imports its jobs.
        upkeep: backs the store up and verifies it.
        retention: drops commits that nobody wants to keep.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._jobs = JobRepository()
        self._durability = Durability(store)
        self.past = TimeTravel(store, self._jobs)
        self.feed = EventFeeds(store)
        self.porter = Porter(store, self._jobs, {})
        self.upkeep = Upkeep(store, self._jobs)
        self.retention = Retention(store)
        self._future_records = FutureStore()

    async def jobs(self, *, newest: int = 50, before: str = "") -> list[JobSummary]:
        """Summaries of the newest jobs, oldest first; of those made before the job ``before`` where it is given."""
        bound = job_number(before) if before else None
        numbers = iter(await self._store.read(lambda: self._jobs.numbers(newest=newest, before=bound)))
        found: list[JobSummary] = []

        def visit() -> bool:
            begun = time.perf_counter()
            for number in numbers:
                found.append(job_summary(self._jobs.get(number)))
                if time.perf_counter() - begun > PAGE_SECONDS:
                    return True
            return False

        while await self._store.read(visit):
            pass
        return found

    async def job(self, id_: str) -> JobView:
        """A job with its whole chat log.

        Raises:
            NotFound: there is no such job.
        """
        number = job_number(id_)
        items: list[ItemView] = []
        while True:
            page = await self._store.read(partial(self._page, number, len(items)))
            items += await _decoded(page.items)
            if page.rest is not None:
                return replace(page.rest, items=tuple(items))

    def job_sync(self, id_: str) -> JobView:
        """``job`` for other threads than the event loop's."""
        number = job_number(id_)
        items: list[ItemView] = []
        while True:
            page = self._store.read_sync(partial(self._page, number, len(items)))
            items += [item.decoded() for item in page.items]
            if page.rest is not None:
                return replace(page.rest, items=tuple(items))

    def look_sync(self, id_: str) -> JobView:
        """A job as of now without its chat log, on other threads than the event loop's; costs the same for any job.

        Raises:
            NotFound: there is no such job.
        """
        number = job_number(id_)

        def read() -> JobView | None:
            return self._page(number, self._jobs.item_count(self._jobs.get(number))).rest

        found = self._store.read_sync(read)
        assert found is not None  # a page from the end on is the last one
        return found

    def error_handlers_sync(self, id_: str) -> list[ErrorHandler]:
        """The error handlers that a job keeps, and what became of them.

        Raises:
            NotFound: there is no such job.
        """
        number = job_number(id_)
        return handlers_from_text(self._store.read_sync(lambda: str(self._jobs.get(number).error_handlers)))

    def _page(self, number: int, start: int) -> ChatPage:
        """Some of the chat log (store thread)."""
        record = self._jobs.get(number)
        page = chat_page(self._jobs, record, start)
        if page.rest is None:
            return page
        awaited = awaited_view(self._future_records, record) if record.awaited else None
        return replace(page, rest=replace(page.rest, awaited=awaited, blocks=self._store.blocks.description))

    async def items(self, id_: str, *, start: int = 0) -> list[ItemView]:
        """The finished chat items from index ``start`` on, up to the first unfinished one."""
        number = job_number(id_)
        items: list[ItemView] = []
        while True:
            page = await self._store.read(partial(self._page, number, start + len(items)))
            finished = list(takewhile(lambda item: item.view.state in _FINISHED, page.items))
            items += await _decoded(finished)
            if page.rest is not None or len(finished) < len(page.items):
                return items

    async def variables(self, id_: str, at: Reference = None) -> list[VariableView]:
        """The variables of a job as of a commit; None for the newest.

        Raises:
            NotFound: there is no such job or commit.
        """
        seq = None if at is None else (await self.past.commit(id_, at)).number
        return await read_variables(self._store, self._jobs, job_number(id_), at=seq)

    def variables_sync(self, id_: str) -> list[VariableView]:
        """``variables`` for other threads than the event loop's."""
        return read_variables_sync(self._store, self._jobs, job_number(id_))

    async def files(self, id_: str, at: Reference = None) -> list[FileView]:
        """The files below ``/work`` of a job as of a commit; None for the newest.

        Raises:
            NotFound: there is no such job or commit.
        """
        seq = None if at is None else (await self.past.commit(id_, at)).number
        return await list_files(self._store, self._jobs, job_number(id_), at=seq)

    def files_sync(self, id_: str) -> list[FileView]:
        """``files`` for other threads than the event loop's."""
        return list_files_sync(self._store, self._jobs, job_number(id_))

    def file(self, id_: str, path: str) -> AsyncIterator[bytes]:
        """The content of one of these files, in pieces.

        Raises:
            NotFound: there is no such job, or it has no such file.
        """
        return read_file(self._store, self._jobs, job_number(id_), path)

    def file_sync(self, id_: str, path: str) -> Iterator[bytes]:
        """``file`` for other threads than the event loop's."""
        return read_file_sync(self._store, self._jobs, job_number(id_), path)

    async def calls(self) -> list[CallView]:
        """Every call that is in doubt."""
        views = list[CallView]()
        visit = self._jobs.visit_active(lambda record: views.extend(calls_in_doubt(self._jobs, record)))
        while await self._store.read(visit):
            pass
        return views

    async def futures(self) -> list[FutureView]:
        """Every open future, oldest first."""
        numbers = await self._store.read(lambda: [record.number for record in self._future_records.pending()])
        left, views = sorted(numbers, reverse=True), list[FutureView]()

        def page() -> None:
            started = time.perf_counter()
            while left and time.perf_counter() - started < PAGE_SECONDS:
                views.append(future_view(self._future_records.get(left.pop())))

        while left:
            await self._store.read(page)
        return views

    async def future(self, id_: str) -> FutureView:
        """One future.

        Raises:
            NotFound: there is none of that id.
        """
        return await self._store.read(lambda: future_view(self._future_records.require(id_)))

    async def settle_future(self, id_: str, settlement: Settlement) -> FutureView:
        """End a future, once; the jobs that wait for it can go on.

        Raises:
            NotFound: there is none of that id.
            FutureSettled: it had come to an end before.
            InvalidRequest: the value cannot be kept.
            LimitExceeded: it is too large.
        """
        return (await self._durability.commit(partial(self.settle_on_store, id_, settlement)))[1]

    def settle_on_store(self, id_: str, settlement: Settlement) -> tuple[Settled, FutureView]:
        """``settle_future`` as a change (store thread); whoever drives jobs publishes what came of it."""
        record = self._future_records.require(id_)
        settled = settle_future(self._future_records, self._jobs, record, settlement, now_us())
        return settled, future_view(record)

    async def cancel(self, id_: str, reason: str) -> JobSummary:
        """Ask for the end of a job; whoever drives it ends it.

        Raises:
            InvalidRequest: it is done already.
        """
        number = job_number(id_)

        def request() -> JobSummary:
            record = self._jobs.get(number)
            request_cancel(record, reason)
            return job_summary(record)

        return await self._durability.commit(request)

    async def agents(self) -> list[AgentView]:
        """Every agent that services of this store have run, by role."""
        return await self._store.read(lambda: [view for _, view in sorted(self._jobs.agents().items())])

    async def queues(self) -> list[QueueView]:
        """Every queue: what waits, and what could not be delivered."""
        return await self._store.read(queue_views)

    async def push(self, id_: str, text: str, *, request_id: str = "") -> Pushed:
        """Tell a job something on behalf of its user; it hears it before its next model request.

        A job that is done goes on. One that ended by a failure which no message mends keeps it.

        Args:
            id_: the job.
            text: what the user says.
            request_id: the same for a repeated push, so that it is not told twice; empty for none.

        Raises:
            InvalidRequest: an empty text.
            LimitExceeded: it is too long, or too much waits for the job already.
        """
        return await self._durability.commit(push_change(self._jobs, id_, text, request_id))

    def events(
        self, *, after: int = 0, match: EventPattern | str = "", tenant: str = "", follow: bool = True
    ) -> AsyncIterator[Event]:
        """What happens to the jobs of a tenant, in order, as it becomes durable; until the service stops.

        Args:
            after: number of the last event that is known; 0 for the first one that is kept.
            match: which events are wanted (``statek.events.EventPattern``).
            tenant: whose; empty for the default one.
            follow: go on with what is still to come; False ends with what is durable now.

        Raises:
            NotFound: what comes behind ``after`` is not kept any more.
            InvalidRequest: the pattern makes no sense, or the feed has not come to that number.
            LimitExceeded: the pattern is too long.
        """
        return self.feed.follow(after, match, tenant=tenant, follow=follow)

    async def resolve(self, id_: str, call: int, resolution: Resolution) -> JobSummary:
        """Decide what became of a call in doubt; its job becomes runnable.

        Raises:
            InvalidRequest: that call is not in doubt.
        """
        number = job_number(id_)

        def apply() -> JobSummary:
            record = self._jobs.get(number)
            resolve_call(self._jobs, record, call, resolution)
            return job_summary(record)

        return await self._durability.commit(apply)


def request_cancel(record: JobRecord, reason: str) -> None:
    """Ask for the end of a job (store thread).

    Raises:
        InvalidRequest: it is done already.
    """
    if record.status == JobStatus.DONE.value:
        raise InvalidRequest(f"job {job_id(record.number)} is done already")
    record.cancel_requested = reason or "cancelled"
    emit(record, "job.cancel_requested", reason=reason)


def push_change(jobs: JobRepository, id_: str, text: str, request_id: str) -> Callable[[], Pushed]:
    """The change that puts a user's message into a job's inbox; it is to be made durable by the caller.

    Raises:
        InvalidRequest: an empty text, or no job id.
    """
    number = job_number(id_)
    if not text.strip():
        raise InvalidRequest("the message is empty")

    def change() -> Pushed:
        at = now_us()
        return jobs.push(jobs.get(number), InboxEntry(USER, text, at, request_id), at)

    return change


async def _decoded(items: list[RawItem]) -> list[ItemView]:
    """The items with their calls; long journals are read off the loop."""
    if sum(len(blob) for item in items for blob in item.journal) > _LONG_JOURNAL_BYTES:
        return await asyncio.to_thread(lambda: [item.decoded() for item in items])
    return [item.decoded() for item in items]
