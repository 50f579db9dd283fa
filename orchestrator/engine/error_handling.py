"""Calls the error handlers of jobs that a failure ended: each once, or in doubt like an external effect.

That a handler is about to be called is flushed before the call, what became of it after: a service that died in between
finds it ``called`` and does not call it again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from orchestrator.engine.access import JobAccess
from orchestrator.engine.agent_book import AgentBook
from orchestrator.engine.durability import Durability
from orchestrator.engine.future_store import FutureStore
from orchestrator.engine.jobs import HANDLERS_TAG, JobRepository, job_id
from orchestrator.engine.journal import Journal
from orchestrator.engine.objects.host_proxy import wrap
from orchestrator.engine.tool_runner import ToolRunner
from sandbox_runner.wire import values
from sandbox_runner.wire.values import FutureRef
from statek import durable
from statek.error_handlers import ErrorHandler, handlers_from_text, with_state
from statek.exceptions import JobFailed, LLM_HarnessError, NotFound, StoreError
from statek.executors.decision import FailureKind
from statek.packing import unpack
from statek.records import JobRecord
from statek.tools import ToolContext, ToolDef

__all__ = ["ErrorHandling"]

_log = logging.getLogger("statek.jobs")


@dataclass(frozen=True, slots=True)
class _Next:
    """A handler whose call is noted durably."""

    at: int
    handler: ErrorHandler
    result: bytes
    error: JobFailed
    value: Any = None


class ErrorHandling:
    """The error handlers of one service's jobs."""

    def __init__(
        self,
        durability: Durability,
        jobs: JobRepository,
        runner: ToolRunner,
        access: JobAccess,
        agents: AgentBook,
    ) -> None:
        self._durability = durability
        self._jobs = jobs
        self._runner = runner
        self._access = access
        self._agents = agents

    def recover(self) -> list[tuple[int, str]]:
        """Number and tenant of the jobs whose handlers are still to be called, at a start (store thread)."""
        waiting: list[JobRecord] = list(durable.find(JobRecord, HANDLERS_TAG))
        for record in waiting:
            handlers = handlers_from_text(record.error_handlers)
            for at, handler in enumerate(handlers):
                if handler.state == "called":
                    _log.error("the error handler of %s in job %s is in doubt", handler.tool, job_id(record.number))
                    record.error_handlers = with_state(handlers, at, "in doubt")
        return [(record.number, record.tenant) for record in waiting]

    async def run(self, number: int) -> None:
        """Call the handlers of a job that a failure ended; nothing happens for any other job."""
        try:
            if not await self._durability.store.read(partial(self._is_waiting, number)):
                return
            while (found := await self._durability.commit(partial(self._begin_next, number))) is not None:
                state = await self._call(number, found)
                await self._durability.commit(partial(self._note, number, found.at, state))
        except StoreError as error:
            _log.error("the error handlers of job %s wait for the next start: %s", job_id(number), error)

    def _is_waiting(self, number: int) -> bool:
        """Whether the job failed and keeps handlers (store thread)."""
        record = self._jobs.get(number) if self._jobs.has(number) else None
        return record is not None and bool(record.failure) and bool(record.error_handlers)

    def _begin_next(self, number: int) -> _Next | None:
        """Note that the next handler is being called; None when there is none (store thread)."""
        if not self._is_waiting(number):
            return None
        record = self._jobs.get(number)
        failure = unpack(record.failure)
        if failure["kind"] == FailureKind.CANCELLED.value:
            return None
        handlers = handlers_from_text(record.error_handlers)
        for at, handler in enumerate(handlers):
            if handler.state == "kept":
                record.error_handlers = with_state(handlers, at, "called")
                result = self._result(handler)
                value = self._value(handler, result) if handler.future else None
                return _Next(at, handler, result, _error(failure), value)
        durable.untag(record, HANDLERS_TAG)
        return None

    def _result(self, handler: ErrorHandler) -> bytes:
        """Graph form of the result of the call that a handler is for."""
        record = self._jobs.get(handler.job)
        blobs = self._jobs.journal_blobs(record, self._jobs.item(record, handler.item))
        calls = {call.number: call for call in Journal.load(blobs).calls}
        answer = calls[handler.call].answer
        return b"" if answer is None else answer.value

    def _value(self, handler: ErrorHandler, result: bytes) -> Any:
        """The value of the future that the call gave, durable objects in it as proxies (store thread)."""
        futures, ref = FutureStore(), values.decode(result)
        value = futures.reading(futures.get(handler.future)).value
        if isinstance(ref, FutureRef) and ref.index >= 0:
            value = value[ref.index]
        return wrap(value, self._durability.store)

    def _note(self, number: int, at: int, state: str) -> None:
        record = self._jobs.get(number)
        record.error_handlers = with_state(handlers_from_text(record.error_handlers), at, state)

    async def _call(self, number: int, found: _Next) -> str:
        """Call a handler in its thread and give what became of it."""
        handler = found.handler
        tool = self._tool(handler)
        if tool is None or tool.error_handler is None:
            _log.error("the error handler of %s in job %s is not there any more", handler.tool, job_id(number))
            return "failed"
        try:
            await self._runner.run(tool, partial(self._handle, tool.error_handler, found), ToolContext(job_id(number)))
        except Exception:  # noqa: BLE001 -- the application's code may raise anything
            _log.exception("the error handler of %s in job %s failed", handler.tool, job_id(number))
            return "failed"
        return "done"

    def _handle(self, handle: Callable[..., Any], found: _Next) -> Any:
        """The call itself: the context as the application knows it (any thread but the store's)."""
        if found.handler.future:
            return handle(found.value, found.error)
        proxies = self._access.handle_proxy(job_id(found.handler.job))
        context = values.decode(found.result, from_handle=proxies) if found.result else None
        return handle(context, found.error)

    def _tool(self, handler: ErrorHandler) -> ToolDef | None:
        try:
            agent = self._agents.of_job(handler.role, handler.job)
        except NotFound:
            return None
        return next((tool for tool in agent.tool_defs() if tool.name == handler.tool), None)


def _error(failure: Mapping[str, str]) -> JobFailed:
    message = failure.get("message", "")
    return LLM_HarnessError(message) if failure["kind"] == "limit" else JobFailed(message, kind=failure["kind"])
