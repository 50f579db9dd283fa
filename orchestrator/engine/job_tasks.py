"""``statek.task_door.TaskDoor`` over the jobs of this process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from orchestrator.engine.access import JobAccess
from orchestrator.engine.objects.host_proxy import unwrap, wrap
from statek import durable
from statek.agents.agent import Agent
from statek.exceptions import InvalidRequest
from statek.executors.job import Job
from statek.job_status import JobStatus
from statek.records import JobRecord
from statek.sub_task_handler import SubTaskHandler, find_handler, handler_tag
from statek.task_door import NewJob
from statek.tools import current_tool_context

__all__ = ["JobTasks"]

T = TypeVar("T")

HANDLER_VARIABLE = "sub_task_handler"
"""Under this name a child finds its handler among its variables."""


class JobTasks:
    """A ``TaskDoor``: of one job's tools, or of the application itself.

    Args:
        access: the jobs of this process.
        record: the job whose tools call (store thread only); None for the application.
    """

    def __init__(self, access: JobAccess, record: JobRecord | None = None) -> None:
        self._access = access
        self._record = record
        self._made: dict[str, int] = {}

    @property
    def prefix(self) -> str:
        """Name of the store's prefix."""
        return self._access.store.prefix

    def run(self, change: Callable[[Any], T], value: Any) -> T:
        """Run a change on the store thread; durable on return, unless it is part of a tool's call."""
        store = self._access.store
        if store.on_store_thread():
            return store.write_sync(lambda: change(unwrap(value)))
        write = store.commit_sync if self._record is None else store.write_sync
        result: T = write(lambda: wrap(change(unwrap(value)), store))
        return result

    def create(self, agent: Agent | str, given: NewJob) -> Job:
        """Make a READY job."""
        chosen = self._access.agent(agent)
        origin = self._origin()

        def make() -> int:
            known = next(iter(durable.find(JobRecord, origin)), None) if origin else None
            if known is not None:  # an idempotent call that is made again
                return int(known.number)
            record = self._access.create(chosen, given, parent=self._parent(given))
            if origin:
                durable.tag(record, origin)
            return int(record.number)

        write = self._access.store.write_sync if self._record is not None else self._access.store.commit_sync
        if self._access.store.on_store_thread():
            write = self._access.store.write_sync
        return self._access.job(write(make))

    def create_batch(self, agent: Agent | str, given: Sequence[NewJob]) -> list[Job]:
        """Make several jobs: one atomic block each, one flush for all."""
        chosen = self._access.agent(agent)
        store, jobs = self._access.store, []
        for one in given:

            def make(one: NewJob = one) -> int:
                return int(self._access.create(chosen, one, parent=self._parent(one)).number)

            jobs.append(self._access.job(store.write_sync(make)))
        if not store.on_store_thread():
            store.flush_sync()
        return jobs

    def link(
        self, job: Job, id_: str | None, handler_type: type[SubTaskHandler], attributes: Mapping[str, Any]
    ) -> SubTaskHandler:
        """Make the handler of a READY job's work."""
        if not (isinstance(handler_type, type) and issubclass(handler_type, SubTaskHandler)):
            raise InvalidRequest(f"handler_type must be a SubTaskHandler class, not {handler_type!r:.80}")

        def make() -> SubTaskHandler:
            record = self._access.record(job.id)
            if record.handler is not None:
                raise InvalidRequest(f"job {job.id} is a sub-task already, id={record.handler.id}")
            if record.status != JobStatus.READY.value or record.next_step > 1:
                raise InvalidRequest(f"job {job.id} has begun; a sub-task is made of a new job")
            handler = handler_type(record, id_, **attributes)
            record.handler = handler
            if record.parent is not None:
                durable.tag(handler, handler_tag(record.parent, handler.id))
            self._access.add_start_variables(record, {HANDLER_VARIABLE: handler})
            return handler

        made: SubTaskHandler = self._given(make)
        return made

    def name(self, handler: SubTaskHandler, id_: str) -> SubTaskHandler:
        """Give a handler the id by which its parent knows it."""

        def rename() -> SubTaskHandler:
            found: SubTaskHandler = unwrap(handler)
            found.rename(id_)
            return found

        named: SubTaskHandler = self._given(rename)
        return named

    def complete(self, result: Any, error: str | None) -> None:
        """End the sub-task that this job is."""
        record = self._record
        if record is None:
            raise RuntimeError("complete_sub_task ends the sub-task of the job whose tool calls it; no tool call runs")

        def end() -> None:
            if record.handler is None:
                raise RuntimeError(f"job j{record.number} is no sub-task")
            record.handler.complete(unwrap(result), error)

        self._access.store.write_sync(end)

    def find_handler(self, id_: str | None) -> SubTaskHandler | None:
        """The handler of a sub-task of this job."""
        record = self._record
        if record is None:
            raise RuntimeError("find_sub_task_handler looks for sub-tasks of the job whose tool calls it")
        found: SubTaskHandler | None = self._given(lambda: find_handler(record, id_))
        return found

    def _given(self, make: Any) -> Any:
        """Run on the store thread; elsewhere its durable result is seen through a proxy."""
        store = self._access.store
        if store.on_store_thread():
            return store.write_sync(make)
        return store.write_sync(lambda: wrap(make(), store))

    def _parent(self, given: NewJob) -> JobRecord | None:
        """Who gives a new job its work (store thread)."""
        return self._access.record(given.parent) if given.parent else self._record

    def _origin(self) -> str:
        """Tag of what this call makes, for external calls that may be made again; empty for others."""
        if self._record is None or self._access.store.on_store_thread():
            return ""
        key = current_tool_context().idempotency_key
        if not key:
            return ""
        self._made[key] = self._made.get(key, 0) + 1
        return "statek-made-" + hashlib.sha256(f"{key}/{self._made[key]}".encode()).hexdigest()[:32]
