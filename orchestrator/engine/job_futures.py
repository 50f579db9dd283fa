"""The futures of one job: what its tools make, what its code may wait for, and the wait itself."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from functools import partial
from typing import Any

from orchestrator.engine.broker import SandboxBroker
from orchestrator.engine.clock import now_us
from orchestrator.engine.durability import Durability
from orchestrator.engine.future_store import future_id
from orchestrator.engine.futures import Awaited, FutureBoard, Made
from orchestrator.engine.jobs import JobRepository
from sandbox_runner.wire.values import FutureRef
from statek.exceptions import AccessDenied, FutureCancelled, FutureFailed, FutureSettled, NotFound
from statek.future import (
    CombinedFutureResult,
    FutureElement,
    FutureReading,
    FutureResult,
    FutureState,
    Settlement,
    check_timeout,
)
from statek.future_records import FutureRecord
from statek.job_mode import JobMode
from statek.packing import unpack
from statek.records import JobRecord

__all__ = ["CallFutures", "FutureWaits", "JobFutures", "outcome_of"]


def outcome_of(reading: FutureReading) -> tuple[Any, str, str]:
    """What code gets of a future that has come to an end: value, or type and text of the error it raises."""
    if reading.state is FutureState.RESOLVED:
        return reading.value, "", ""
    error = _error_of(reading)
    return None, type(error).__name__, str(error)


def _error_of(reading: FutureReading) -> Exception:
    """What the use of a future without a value raises."""
    message = reading.message or f"the future was {reading.state.value}"
    if reading.state is FutureState.EXPIRED:
        return TimeoutError(message)
    return (FutureCancelled if reading.state is FutureState.CANCELLED else FutureFailed)(message=message)


class JobFutures:
    """What the futures of one job are to its objects and calls.

    Preconditions:
        every method but ``done``: on the store thread, inside the atomic block.

    Args:
        job: the job's number.
        board: the service's futures.
    """

    def __init__(self, job: int, board: FutureBoard) -> None:
        self._job = job
        self._board = board
        self._records = board.records
        self._made: list[Made] = []

    # ------------------------------------------------------------------------------------ from code

    def require(self, number: int) -> FutureRecord:
        """A future that this job may wait for; the number comes from a sandbox.

        Raises:
            AccessDenied: it was never given to this job.
        """
        try:
            record = self._records.get(number)
        except NotFound:
            record = None
        if record is None or not self._records.of_job(record, self._job):
            raise AccessDenied(f"future {number} is not one of this job", rule="future")
        return record

    def value(self, ref: FutureRef) -> Any:
        """The value of a future that has come to an end.

        Raises:
            AccessDenied: it was never given to this job.
            FutureFailed, FutureCancelled, TimeoutError: it ended without a value.
        """
        reading = self._records.reading(self.require(ref.id))
        if reading.state is not FutureState.RESOLVED:
            raise _error_of(reading)
        return reading.value if ref.index < 0 else reading.value[ref.index]

    def has_nothing_to_await(self, record: JobRecord) -> bool:
        """Whether the futures that the job waits for have come to an end; False when it waits for none."""
        awaited = Awaited.of(record)
        return awaited is not None and awaited.is_over(self._records)

    def settled_value(self, future: FutureResult | FutureElement) -> Any:
        """``value`` of what ``result`` gave."""
        if isinstance(future, FutureElement):
            return self.settled_value(future.future)[future.index]
        if not future._id:  # noqa: SLF001 -- its keeper; a value that was in the sandbox already
            return future.value
        reading = self._records.reading(self._records.require(future._id))  # noqa: SLF001
        if reading.state is not FutureState.RESOLVED:
            raise _error_of(reading)
        return reading.value

    def result(self, ref: FutureRef, door: CallFutures) -> FutureResult | FutureElement:
        """What a tool gets for a future that it takes as such."""
        record = self.require(ref.id)
        future = FutureResult(what=unpack(record.what), id_=record.id, door=door)
        return future if ref.index < 0 else FutureElement(future, ref.index)

    # ------------------------------------------------------------------------------------ from tools

    def ref(self, future: FutureResult | FutureElement) -> FutureRef:
        """Make a future durable, where it is not, and give what stands for it in the sandbox.

        Raises:
            InvalidRequest: its details or dependencies have no form that can be kept, or its timeout makes no sense.
            LimitExceeded: too large, or too many.
        """
        if isinstance(future, FutureElement):
            return replace(self.ref(future.future), index=future.index)
        record = self.record(future)
        return FutureRef(record.number, unpack(record.what), record.size)

    def record(self, future: FutureResult, settlement: Settlement | None = None) -> FutureRecord:
        """The durable record of a future of a tool, made if need be."""
        id_ = future._id or future_id(self._board.secret, secrets.token_hex(16))  # noqa: SLF001 -- its keeper
        known = self._records.find(id_)
        if known is not None:
            self._records.attach(known, self._job)
            return known
        now = now_us()
        timeout = future.timeout_seconds
        check_timeout(timeout or None)
        parts = [self.record(part) for part in future.futures] if isinstance(future, CombinedFutureResult) else []
        record = self._records.create(
            id_=id_,
            job=self._job,
            what=future.what,
            details=future.details,
            deadline_us=now + round(timeout * 1e6) if timeout else 0,
            now_us=now,
            temporal=future.temporal,
            deps=future.deps,
            mode=future.kind,
            parts=parts,
            size=future.size,
        )
        self._made.append(Made(record.number, record.deadline_us, future.temporal is not None))
        if settlement is not None:
            self._records.settle(record, settlement, now)
        elif parts:
            self._records.settle_combined(record, now)
        elif future.temporal is not None:
            self._board.watch.look(record, now)
        return record

    @property
    def has_made(self) -> bool:
        """Whether futures were made since the last ``done``."""
        return bool(self._made)

    def done(self, *, stands: bool) -> None:
        """The block that made futures stands, or was undone (event loop)."""
        made, self._made = self._made, []
        if stands and made:
            self._board.track(made)


class CallFutures:
    """The futures that one tool call makes, until its outcome is durable (a ``FutureDoor``).

    Args:
        board: the service's futures.
        origin: names the call, the same for each attempt of it; empty for one that is never made again.
    """

    def __init__(self, board: FutureBoard, origin: str) -> None:
        self._board = board
        self._origin = origin
        self._announced: dict[str, FutureResult] = {}
        self._settlements: dict[str, Settlement] = {}

    @property
    def is_empty(self) -> bool:
        """Whether the call has made none so far."""
        return not self._announced

    def announce(self, future: FutureResult) -> str:
        """Take a new future of the tool (any thread); nobody else can end it before it is durable."""
        count = len(self._announced) + 1
        id_ = future_id(self._board.secret, f"{self._origin or secrets.token_hex(16)}.{count}")
        self._announced[id_] = future
        self._board.announce(id_)
        return id_

    def read(self, id_: str) -> FutureReading:
        """A future as it is now (any thread)."""
        if id_ in self._announced:
            settlement = self._settlements.get(id_)
            if settlement is None:
                return FutureReading(FutureState.PENDING)
            return FutureReading(settlement.state, settlement.value, settlement.message)
        return self._board.read_sync(id_)

    def settle(self, id_: str, settlement: Settlement) -> None:
        """End a future (any thread); one of this very call becomes durable as ended."""
        if id_ in self._announced:
            if self._settlements.setdefault(id_, settlement) is not settlement:
                raise FutureSettled(f"future {id_} was ended by this call already; the first answer counts")
            return
        self._board.settle_sync(id_, settlement)

    def write(self, futures: JobFutures) -> None:
        """Make everything durable that the call made (store thread, in the block of its outcome)."""
        for id_, future in self._announced.items():
            futures.record(future, self._settlements.get(id_))

    def close(self) -> None:
        """The outcome is durable, or there will be none (event loop)."""
        self._board.withdraw(self._announced)
        self._announced = {}


class FutureWaits:
    """Lets steps wait: held for a while, then put down.

    Args:
        board: the service's futures.
        durability, jobs: durable writes and the job records.
        broker: says how long a sandbox may be held.
    """

    def __init__(self, board: FutureBoard, durability: Durability, jobs: JobRepository, broker: SandboxBroker) -> None:
        self.board = board
        self._durability = durability
        self._jobs = jobs
        self._broker = broker

    async def until(self, record: JobRecord, job: int, awaited: Awaited) -> str | None:
        """Wait until the futures have come to an end.

        Returns:
            None when they have. What is waited for, when the sandbox can be held no longer: the step is durably put
            down then and must be ended.
        """
        records, store = self.board.records, self._durability.store

        live = False

        def begin() -> str | None:
            nonlocal live
            live = record.mode == JobMode.LIVE.value
            if awaited.is_over(records):
                return None
            text = awaited.text(records)
            self._jobs.begin_wait(record, awaited.packed(), text)
            return text

        async def over() -> None:
            while not await store.read(partial(awaited.is_over, records)):
                await event.wait()
                event.clear()

        with self.board.listening(awaited.futures) as event:
            if await store.read(partial(awaited.is_over, records)):
                return None
            text = await self._durability.commit(begin)
            if text is None:
                return None
            waiting = asyncio.ensure_future(over())
            try:
                held = self._broker.wait_live(waiting) if live else self._broker.wait_idle(job, waiting)
                if not await held:
                    return text
                await waiting
            finally:
                waiting.cancel()
        await self._durability.commit(partial(self._jobs.end_wait, record))
        return None
