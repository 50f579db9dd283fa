"""``statek.task_door.TaskDoor`` over the jobs of this process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from orchestrator.engine.access import JobAccess
from orchestrator.engine.objects.host_proxy import unwrap, wrap
from statek import durable
from statek.agents.agent import Agent
from statek.agents.dialog_agent import DialogAgent
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
        may_hand_on: raises AccessDenied for a value that the job may not give to its parent (store thread).
    """

    def __init__(
        self,
        access: JobAccess,
        record: JobRecord | None = None,
        *,
        may_hand_on: Callable[[Any], None] = lambda _value: None,
    ) -> None:
        self._access = access
        self._may_hand_on = may_hand_on
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

    def agent_of(self, job_id: str) -> Agent:
        """The agent of a job, as this process knows it now."""
        return self._access.agent(self._access.look_sync(job_id).summary.role)

    def job(self, job_id: str) -> Job:
        """The job of that id, to look at and to talk to."""
        return Job(job_id, self._access)

    def create(self, agent: Agent | str, given: NewJob, *, is_dialog: bool = False) -> Job:
        """Make a READY job."""
        chosen = self._chosen(agent, is_dialog=is_dialog)
        origin = self._origin("made")
        return self._access.job(self._written(lambda: int(self._made_once(chosen, given, origin).number)))

    def delegate(
        self, agent: Agent | str, given: NewJob, *, id_: str | None, muted: bool, is_dialog: bool
    ) -> SubTaskHandler:
        """Make a job and the handler of its work in one atomic block; its giver is not told of the end."""
        chosen = self._chosen(agent, is_dialog=is_dialog)
        origin = self._origin("made")

        def make() -> SubTaskHandler:
            record = self._made_once(chosen, given, origin)
            if record.handler is None:
                record.muted = muted
                self._link(record, SubTaskHandler(record, id_, silent=True, collects=muted))
            made: SubTaskHandler = record.handler
            return made

        made: SubTaskHandler = self._given(make)
        return made

    def _chosen(self, agent: Agent | str, *, is_dialog: bool) -> Agent:
        chosen = self._access.agent(agent)
        if is_dialog and not isinstance(chosen, DialogAgent):
            raise InvalidRequest(f"agent {chosen.role!r} is no DialogAgent: it talks with nobody; give it a task")
        return chosen

    def _made_once(self, chosen: Agent, given: NewJob, origin: str) -> JobRecord:
        """A new job, or the one that this very call made before (store thread)."""
        known = next(iter(durable.find(JobRecord, origin)), None) if origin else None
        if known is not None:  # an idempotent call that is made again
            return known
        record = self._access.create(chosen, given, parent=self._parent(given))
        if origin:
            durable.tag(record, origin)
        return record

    def _written(self, make: Callable[[], T]) -> T:
        """Write; durable on return for the application, part of the call for a tool."""
        store = self._access.store
        inside = self._record is not None or store.on_store_thread()
        return store.write_sync(make) if inside else store.commit_sync(make)

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

        origin = self._origin("linked")

        def make() -> SubTaskHandler:
            record = self._access.record(job.id)
            known = next(iter(durable.find(SubTaskHandler, origin)), None) if origin else None
            if known is not None and record.handler is known:  # an idempotent call that is made again
                return known
            if record.handler is not None:
                raise InvalidRequest(f"job {job.id} is a sub-task already, id={record.handler.id}")
            if record.status != JobStatus.READY.value or record.next_step > 1:
                raise InvalidRequest(f"job {job.id} has begun; a sub-task is made of a new job")
            handler = handler_type(record, id_, **attributes)
            self._link(record, handler)
            if origin:
                durable.tag(handler, origin)
            return handler

        made: SubTaskHandler = self._given(make)
        return made

    def _link(self, record: JobRecord, handler: SubTaskHandler) -> None:
        """Give a job that has not begun its handler, among its variables too (store thread)."""
        record.handler = handler
        if record.parent is not None:
            durable.tag(handler, handler_tag(record.parent, handler.id))
        self._access.add_start_variables(record, {HANDLER_VARIABLE: handler})

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
            given = unwrap(result)
            self._may_hand_on(given)
            record.handler.complete(given, error)

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
        return self._written(make if store.on_store_thread() else lambda: wrap(make(), store))

    def _parent(self, given: NewJob) -> JobRecord | None:
        """Who gives a new job its work (store thread)."""
        return self._access.record(given.parent) if given.parent else self._record

    def _origin(self, what: str) -> str:
        """Tag of what this call makes next, for external calls that may be made again; empty for others.

        Args:
            what: ``made`` for jobs, ``linked`` for handlers.
        """
        if self._record is None or self._access.store.on_store_thread():
            return ""
        key = current_tool_context().idempotency_key
        if not key:
            return ""
        counted = f"{what}/{key}"
        self._made[counted] = self._made.get(counted, 0) + 1
        return f"statek-{what}-" + hashlib.sha256(f"{key}/{self._made[counted]}".encode()).hexdigest()[:32]
