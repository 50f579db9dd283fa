"""Job statuses and the one table of legal transitions."""

from __future__ import annotations

import enum

from statek.exceptions import InternalError

__all__ = ["ACTIVE_TAG", "TRANSITIONS", "JobStatus", "check_transition"]

ACTIVE_TAG = "statek-active"
"""Tag of the record of every job that is not DONE."""


class JobStatus(enum.Enum):
    """The persisted status of a job, as the core concepts document names them."""

    READY = "READY"
    WARMING_UP = "WARMING_UP"
    STARTED = "STARTED"
    SUSPENDED = "SUSPENDED"
    DONE = "DONE"


TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.READY: frozenset({JobStatus.WARMING_UP, JobStatus.STARTED, JobStatus.SUSPENDED, JobStatus.DONE}),
    JobStatus.WARMING_UP: frozenset({JobStatus.STARTED, JobStatus.SUSPENDED, JobStatus.DONE}),
    # Back to the warmup: a job that called exit() there and is told something runs the rest of it first.
    JobStatus.STARTED: frozenset({JobStatus.WARMING_UP, JobStatus.SUSPENDED, JobStatus.DONE}),
    JobStatus.SUSPENDED: frozenset({JobStatus.WARMING_UP, JobStatus.STARTED, JobStatus.DONE}),
    # A user message or a notification reactivates a finished job (behaviour reference, section 7).
    JobStatus.DONE: frozenset({JobStatus.STARTED}),
}


def check_transition(old: JobStatus, new: JobStatus) -> None:
    """Refuse a transition that the table does not have.

    Raises:
        InternalError: the engine asked for an illegal transition.
    """
    if old is not new and new not in TRANSITIONS[old]:
        raise InternalError(f"job status may not go from {old.value} to {new.value}")
