"""What the calls of one step have to do with futures: waiting for them, taking them, making them."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from orchestrator.engine.future_arguments import (
    FUTURE_MARK,
    future_arguments,
    read_awaited,
    take_futures,
    takes_futures,
)
from orchestrator.engine.futures import Awaited
from orchestrator.engine.job_futures import CallFutures, FutureWaits, JobFutures, outcome_of
from orchestrator.engine.objects import ObjectGateway
from orchestrator.engine.objects.failures import failure_answer
from orchestrator.engine.step_aborted import StepSuspended
from orchestrator.sandboxes.step import CallAnswer, CallRequest
from orchestrator.store.store import Store
from sandbox_runner.wire.values import GraphError
from statek.exceptions import AccessDenied, InvalidRequest, LimitExceeded, StoreError
from statek.records import JobRecord
from statek.tools import ToolDef

__all__ = ["FutureCalls"]

_MAX_ANSWERED_BYTES = 1 << 20
"""Values of the futures of one answer, before they are read: no message takes more (``ObjectLimits.result_bytes``)."""

_LONG_ARGUMENTS_BYTES = 2000
"""Longer arguments are looked through off the loop: those of 20,000 nodes take 20 ms."""


class FutureCalls:
    """The futures of one run of one step.

    Args:
        record: the job.
        job: its number.
        futures: its futures.
        objects: its durable objects.
        waits: lets steps wait.
        store: the store.
    """

    def __init__(
        self,
        record: JobRecord,
        job: int,
        futures: JobFutures,
        objects: ObjectGateway,
        *,
        waits: FutureWaits,
        store: Store,
    ) -> None:
        self._record = record
        self._job = job
        self._futures = futures
        self._objects = objects
        self._waits = waits
        self._store = store

    # ------------------------------------------------------------------------------------ waiting

    async def answer(self, request: CallRequest) -> CallAnswer:
        """Answer code that needs the value of futures, once they have come to an end.

        Raises:
            StepSuspended: they take longer than the sandbox is held.
        """
        try:
            awaited = read_awaited(request.name, request.args)
            await self._require(awaited.futures)
        except (GraphError, InvalidRequest, AccessDenied) as error:
            return failure_answer(error)
        await self._until(awaited)
        return await self._store.write(partial(self._outcomes, awaited))

    async def _require(self, numbers: tuple[int, ...]) -> None:
        await self._store.read(lambda: [self._futures.require(number) for number in numbers])

    async def _until(self, awaited: Awaited) -> None:
        put_down = await self._waits.until(self._record, self._job, awaited)
        if put_down is not None:
            raise StepSuspended(put_down)

    def _outcomes(self, awaited: Awaited) -> CallAnswer:
        """What became of the futures, as the executor reads it (store thread)."""
        records = self._waits.board.records
        try:
            if awaited.mode == "any":
                position = awaited.first(records)
                found: Any = [position, *outcome_of(records.reading(records.get(awaited.futures[position])))]
            else:
                each = dict.fromkeys(awaited.futures)  # a hostile runner may name one a thousand times
                held = sum(records.stored_bytes(records.get(number)) for number in each)
                if held > _MAX_ANSWERED_BYTES:
                    advice = "wait for fewer futures at a time"
                    raise LimitExceeded("future_value_bytes", _MAX_ANSWERED_BYTES, held, advice)
                outcomes = {number: list(outcome_of(records.reading(records.get(number)))) for number in each}
                found = [outcomes[number] for number in awaited.futures]
            return self._objects.answer(found)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 -- a value that cannot cross is an error of whoever uses it
            return failure_answer(error)

    # ---------------------------------------------------------------------------------- arguments

    async def arguments_there(self, request: CallRequest, tool: ToolDef | None) -> CallAnswer | None:
        """Wait for the futures among a call's arguments, but for those that a tool takes as futures.

        Returns:
            None, or the answer to a call that cannot be made.

        Raises:
            StepSuspended: they take longer than the sandbox is held.
        """
        if FUTURE_MARK not in request.args:
            return None
        try:
            if len(request.args) > _LONG_ARGUMENTS_BYTES:
                numbers = tuple(await asyncio.to_thread(future_arguments, request.args, tool))
            else:
                numbers = tuple(future_arguments(request.args, tool))
            await self._require(numbers)
        except (GraphError, InvalidRequest, AccessDenied) as error:
            return failure_answer(error)
        if numbers:
            await self._until(Awaited("all", numbers))
        return None

    def decoded(self, tool: ToolDef, args: bytes) -> tuple[list[Any], dict[str, Any]]:
        """A tool's arguments; futures as their values, or as futures where the tool takes such (store thread)."""
        if FUTURE_MARK not in args and not takes_futures(tool):
            return self._objects.decode_args(args)
        result = partial(self._futures.result, door=self.call(""))
        return take_futures(tool, *self._objects.decode_args(args, result), self._futures.settled_value)

    # ------------------------------------------------------------------------------------- making

    def call(self, key: str) -> CallFutures:
        """The futures that a call with this idempotency key makes."""
        return CallFutures(self._waits.board, key)

    def write(self, made: CallFutures) -> bool:
        """Make them durable (store thread, in the block of the outcome); whether this block has made any."""
        made.write(self._futures)
        return self._futures.has_made

    def done(self, *, stands: bool) -> None:
        """The block stands, or was undone."""
        self._futures.done(stands=stands)
