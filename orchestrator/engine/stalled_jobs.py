"""Jobs that the service cannot drive: for now (tried again), or at all (ended)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from orchestrator.engine.clock import now_us
from orchestrator.engine.durability import Durability
from orchestrator.engine.jobs import JobRepository, job_id
from orchestrator.engine.submission import DEFAULT_TENANT
from statek.event_feed import emit
from statek.exceptions import NotFound, StoreError
from statek.executors.decision import FailureKind
from statek.job_status import JobStatus

__all__ = ["StalledJobs"]

_log = logging.getLogger("statek.service")

_RETRY_SECONDS = 15.0
"""A stalled job is tried again after this time."""


class StalledJobs:
    """Notes which jobs cannot go on now and why, and gives them back after a while."""

    def __init__(
        self,
        durability: Durability,
        jobs: JobRepository,
        *,
        notice: Callable[[int, str], None],
        changed: Callable[[int], None],
    ) -> None:
        """Nothing is stalled.

        Args:
            durability: writes that outwait a full disk.
            jobs: the records.
            notice: drives a job (its number, its tenant).
            changed: told of each job that stalls.
        """
        self._durability = durability
        self._jobs = jobs
        self._notice = notice
        self._changed = changed
        self._stalled: dict[int, str] = {}
        self._retries: set[asyncio.TimerHandle] = set()

    def __contains__(self, number: int) -> bool:
        """Whether that job is stalled."""
        return number in self._stalled

    def discard(self, number: int) -> None:
        """The job goes on, or ends."""
        self._stalled.pop(number, None)

    def again(self) -> None:
        """Try all of them again now: what held them up may be gone."""
        for number, tenant in self._stalled.items():
            self._notice(number, tenant)

    def close(self) -> None:
        """Try nothing again."""
        for timer in self._retries:
            timer.cancel()

    async def stall(self, number: int, reason: str, *, retry: bool = True) -> None:
        """Note that a job cannot go on now; one that was cancelled ends here.

        Args:
            number: of the job.
            reason: why, for its record and the log.
            retry: try it again after a while; not where only another start of the service can help.
        """
        later = f", it is tried again in {_RETRY_SECONDS:g}s" if retry else ""
        _log.error("job %s cannot go on now%s: %s", job_id(number), later, reason)

        def note() -> str:
            record = self._jobs.get(number)
            if record.cancel_requested and record.status != JobStatus.DONE.value:
                self._jobs.abandon(record, now_us(), kind=FailureKind.CANCELLED.value, message=record.cancel_requested)
            else:
                self._jobs.put_down(record, crashed=False)
                record.reason = reason
                emit(record, "job.stalled", reason=reason)
            return str(record.tenant)

        tenant = DEFAULT_TENANT
        try:
            tenant = await self._durability.commit(note)
        except (NotFound, StoreError) as error:
            _log.error("that job %s cannot go on could not be noted: %s", job_id(number), error)
        self._stalled[number] = tenant  # not before: whoever waits for the job reads the reason from its record
        self._changed(number)
        if not retry:
            return
        timer: asyncio.TimerHandle

        def again() -> None:
            self._retries.discard(timer)
            self._notice(number, tenant)

        timer = asyncio.get_running_loop().call_later(_RETRY_SECONDS, again)
        self._retries.add(timer)

    async def give_up(self, number: int, message: str, kind: FailureKind = FailureKind.INTERNAL) -> None:
        """End a job that the service cannot drive; the others go on."""

        def end() -> None:
            self._jobs.abandon(self._jobs.get(number), now_us(), kind=kind.value, message=message)

        try:
            await self._durability.commit(end)
        except Exception as error:  # noqa: BLE001 -- a job that can neither go on nor end is not forgotten
            _log.exception("job %s could not be ended", job_id(number))
            await self.stall(number, f"{message}; it could not be ended: {type(error).__name__}: {error}")
