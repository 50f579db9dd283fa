"""Calls in doubt, and what an operator decides about them."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from orchestrator.engine.clock import now_us
from orchestrator.engine.jobs import JobRepository, job_id
from orchestrator.engine.journal import Journal, RecordedCall, outcome_blob, void_blob
from orchestrator.engine.views import CallView, call_view
from orchestrator.sandboxes.step import CallAnswer
from sandbox_runner.wire import values
from statek.event_feed import emit
from statek.exceptions import InvalidRequest
from statek.job_status import JobStatus
from statek.records import JobRecord

__all__ = ["Resolution", "Verdict", "calls_in_doubt", "resolve_call"]


class Verdict(enum.Enum):
    """What the operator found out."""

    HAPPENED = "happened"
    """It took effect; the code gets the given value."""
    FAILED = "failed"
    """It did not take effect and shall not; the code gets an error."""
    RETRY = "retry"
    """It did not take effect; make the call again."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """An operator's decision.

    Attributes:
        verdict: what became of the call.
        value: what the code gets for HAPPENED (None, bool, number, text, list or dict of those).
        message: text of the error for FAILED.
    """

    verdict: Verdict
    value: object = None
    message: str = ""


def _doubtful(jobs: JobRepository, record: JobRecord) -> list[RecordedCall]:
    """The calls of the step in flight whose outcome is not recorded."""
    if jobs.in_flight(record) is None:
        return []
    return [call for call in Journal.load(jobs.journal_in_flight(record)).calls if call.in_doubt]


def calls_in_doubt(jobs: JobRepository, record: JobRecord) -> list[CallView]:
    """The calls in doubt of a job, none of one that is not suspended (store thread)."""
    if record.status != JobStatus.SUSPENDED.value:
        return []
    flight = jobs.in_flight(record)
    step = flight.step if flight is not None else 0
    return [call_view(job_id(record.number), step, call) for call in _doubtful(jobs, record)]


def resolve_call(jobs: JobRepository, record: JobRecord, number: int, resolution: Resolution) -> None:
    """Write the decision into the step's journal and make the job runnable (store thread).

    Raises:
        InvalidRequest: the job has no such call in doubt.
    """
    name = job_id(record.number)
    if record.status != JobStatus.SUSPENDED.value:
        raise InvalidRequest(f"job {name} is {record.status}, not suspended; nothing of it is to be resolved")
    doubtful = {call.number: call for call in _doubtful(jobs, record)}
    call = doubtful.get(number)
    if call is None:
        listed = ", ".join(map(str, doubtful)) or "none"
        raise InvalidRequest(f"call {number} of job {name} is not in doubt; in doubt: {listed}")
    match resolution.verdict:
        case Verdict.HAPPENED:
            blob = outcome_blob(call, CallAnswer(value=values.encode(resolution.value)))
        case Verdict.FAILED:
            message = resolution.message or "an operator found that the call did not take effect"
            blob = outcome_blob(call, CallAnswer(error_type="ToolError", error_message=message))
        case Verdict.RETRY:
            blob = void_blob(call)
    jobs.add_journal(record, blob)
    emit(
        record,
        "call.resolved",
        call.key.name,
        step=jobs.require_flight(record).step,
        call=number,
        verdict=resolution.verdict.value,
    )
    if len(doubtful) == 1:
        jobs.set_status(record, jobs.running_status(record), now_us())
