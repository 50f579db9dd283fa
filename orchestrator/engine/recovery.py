"""What a start of the service does with the jobs that an earlier process left."""

from __future__ import annotations

from functools import partial

from orchestrator.engine.durability import Durability
from orchestrator.engine.jobs import JobRepository
from statek.job_status import JobStatus

__all__ = ["recover"]

_AT_ONCE = 100
"""Jobs that one visit to the store thread looks at: a few milliseconds."""


async def recover(durability: Durability, jobs: JobRepository) -> list[tuple[int, str]]:
    """Count crashes and list the jobs that can go on, by number and tenant; thousands may have waited.

    Preconditions:
        No job is driven yet.
    """
    seen: set[int] = set()
    runnable: list[tuple[int, str]] = []
    start = 0
    while count := await durability.commit(partial(_recover_page, jobs, start, seen, runnable)):
        start += count
    return sorted(runnable)


def _recover_page(jobs: JobRepository, start: int, seen: set[int], runnable: list[tuple[int, str]]) -> int:
    """Recover some of the active jobs (store thread); gives how many, 0 past the last."""
    page = jobs.active_page(start, _AT_ONCE)
    for record in page:
        number = record.number
        if number in seen:
            continue
        seen.add(number)
        jobs.put_down(record, crashed=True)
        if not jobs.in_flight(record) and record.status == JobStatus.STARTED.value:
            record.repeated_replies += 1  # the model may have been asked; its reply was not durable
        if record.status != JobStatus.SUSPENDED.value:
            runnable.append((number, record.tenant))
    return len(page)
