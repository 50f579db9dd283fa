"""Error handlers that a job takes over from others, so that they are called if it fails."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.engine.job_reader import JobReader, job_id
from statek.error_handlers import MAX_HANDLERS, ErrorHandler, handlers_from_text, handlers_text
from statek.exceptions import InvalidRequest, LimitExceeded, NotFound
from statek.job_status import JobStatus
from statek.records import JobRecord

__all__ = ["add_handlers"]


def add_handlers(jobs: JobReader, record: JobRecord, handlers: Sequence[ErrorHandler]) -> None:
    """Let a job keep handlers of other jobs too; one that it has already stays one (store thread, atomic block).

    Raises:
        InvalidRequest: the job is done, or the job whose call a handler is for does not keep it any more.
        LimitExceeded: it would keep too many.
    """
    if record.status == JobStatus.DONE.value:
        raise InvalidRequest(f"job {job_id(record.number)} is done; its error handlers have been called if it failed")
    own = handlers_from_text(record.error_handlers)
    known = {_call(handler) for handler in own}
    for handler in handlers:
        if not isinstance(handler, ErrorHandler):
            raise InvalidRequest(f"an error handler is one of job.error_handlers, not a {type(handler).__name__}")
        if _call(handler) in known:
            continue
        if handler not in _kept(jobs, handler.job):
            raise InvalidRequest(
                f"job {job_id(handler.job)} does not keep this error handler of {handler.tool}, or it was called"
            )
        known.add(_call(handler))
        own.append(handler)
    if len(own) > MAX_HANDLERS:
        raise LimitExceeded("error_handlers", MAX_HANDLERS, len(own), "handle what belongs together by one tool")
    record.error_handlers = handlers_text(own)


def _call(handler: ErrorHandler) -> tuple[int, int, int]:
    """Which call a handler is for."""
    return handler.job, handler.item, handler.call


def _kept(jobs: JobReader, number: int) -> list[ErrorHandler]:
    """The handlers that a job keeps and that nobody has called for it."""
    try:
        record = jobs.get(number)
    except NotFound:
        return []
    return [handler for handler in handlers_from_text(record.error_handlers) if handler.state == "kept"]
