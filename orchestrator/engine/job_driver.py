"""Drives one job: asks for the next command, carries it out, makes its result durable, asks again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from orchestrator.engine.active_job import ActiveJob
from orchestrator.engine.broker import SandboxBroker
from orchestrator.engine.clock import now_us
from orchestrator.engine.durability import Durability
from orchestrator.engine.elements import ChatItem
from orchestrator.engine.jobs import JobRepository, job_id
from orchestrator.engine.processing import ReplyProcessor
from orchestrator.engine.provider_calls import accept_calls, calls_to_data, framework_calls
from orchestrator.engine.step_run import StepRunner, refuse_code
from orchestrator.engine.subtasks import grant_results
from orchestrator.sandboxes.sandbox import Sandbox
from orchestrator.sandboxes.step import DeathCause
from statek.exceptions import ModelError, RestoreFailed, RunnerError, RunnerLost, RunnerViolation
from statek.executors.decision import (
    CancelRequested,
    Deliver,
    Delivered,
    Event,
    Execute,
    ExecuteAgain,
    FailureKind,
    Finish,
    ModelFailed,
    ProcessorFailed,
    RecordDeath,
    ReplyReceived,
    ReplySuppressed,
    Resumed,
    StepLost,
    Think,
    VariablesGone,
    Wait,
    decide,
)
from statek.inbox import REVIVABLE_FAILURES
from statek.job_mode import JobMode
from statek.job_status import JobStatus
from statek.model import Model, ModelReply, ModelRequest
from statek.pricing import price_of
from statek.styles import ParsedReply

__all__ = ["JobDriver"]

_log = logging.getLogger("statek.jobs")

_CLAIM_ATTEMPTS = 5
_RESTORE_ATTEMPTS = 3
_LONG_REPLY_CHARS = 20_000
"""A longer reply is parsed off the loop: a hostile one takes up to a second (measured at 120,000 lines)."""

_FIRST_CLAIM_RETRY_SECONDS = 0.25


class JobDriver:
    """One worker's hold on one job, from its first decision to its end or its next wait."""

    def __init__(
        self,
        job: ActiveJob,
        *,
        durability: Durability,
        jobs: JobRepository,
        steps: StepRunner,
        broker: SandboxBroker,
        model: Model,
        processor: ReplyProcessor,
        changed: Callable[[int], None],
    ) -> None:
        self.job = job
        self._changed = changed
        self._durability = durability
        self._jobs = jobs
        self._steps = steps
        self._broker = broker
        self._model = model
        self._processor = processor
        self._sandbox: Sandbox | None = None
        self._cancelled: asyncio.Event = asyncio.Event()
        self._asked: asyncio.Task[bool] | None = None

    async def run(self) -> None:
        """Drive the job until it is done or waits.

        Raises:
            RunnerLost: no sandbox could be had; the job is put down as it was, with the reason.
            HistoryFull: no further commit may be kept; likewise.
        """
        if self.job.mode is JobMode.LIVE:
            self._take_parked()
        event: Event = self._resumed()
        try:
            while True:
                self._changed(self.job.number)
                command = decide(self.job.view, event)
                if command is None:
                    return
                match command:
                    case Think():
                        event = await self._interruptible(self._think())
                    case Execute(warmup=None):
                        event = await self._interruptible(self._first_run())
                    case Execute(warmup=int(block)):
                        event = await self._interruptible(self._warm_up(block))
                    case ExecuteAgain():
                        event = await self._interruptible(self._run_again())
                    case RecordDeath(reason):
                        event = await self._steps.record_death(self.job, reason)
                    case Wait(reason):
                        if await self._suspend(reason):
                            return
                        event = self._resumed()
                    case Deliver():
                        event = await self._deliver()
                    case Finish() as finish:
                        if await self._finish(finish):
                            return
                        event = self._resumed()
        finally:
            if self._asked is not None:
                self._asked.cancel()
            await self._release()
            self._changed(self.job.number)

    def _resumed(self) -> Resumed:
        """The job is in the hands of this worker, with or without a runner."""
        return Resumed(runner=self._sandbox is not None)

    def _take_parked(self) -> None:
        """Go on with the runner in which a live job that was done has its variables, if it is still there."""
        self._sandbox = self._broker.unpark(self.job.number)
        if self._sandbox is not None:
            self.job.head = replace(self.job.head, held=self._sandbox.held)

    def cancel(self) -> None:
        """Make the driver notice a durable cancellation now, whatever it is doing."""
        self._cancelled.set()

    async def _interruptible(self, work: object) -> Event:
        """Carry out a command unless the job is cancelled meanwhile."""
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]
        if self._asked is None:  # one for all commands: a task for each would cost every step two
            self._asked = asyncio.ensure_future(self._cancelled.wait())
        try:
            await asyncio.wait({task, self._asked}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                result: Event = task.result()
                return result
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await self._release()
            await self._durability.store.read(self.job.refresh)
            return CancelRequested(self.job.view.cancel_requested)
        finally:
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    # -------------------------------------------------------------------------------------- model

    async def _think(self) -> Event:
        """Ask the model and make its reply the step in flight."""
        job = self.job
        job.check_room()
        job.renew_prompt()
        asked = time.monotonic()
        try:
            request = self._request()
            reply = priced(request.model, await self._complete(request))
        except ModelError as error:
            return ModelFailed(str(error))
        except _HoldOver as over:
            return VariablesGone(str(over))
        seconds = round(time.monotonic() - asked, 3)
        try:
            processed = await self._processor.process(reply)
        except Exception as error:  # noqa: BLE001 -- the application's code may raise anything
            return ProcessorFailed(f"{type(error).__name__}: {error}")
        if processed.step is None:
            return await self._suppress(reply, processed.notes, seconds)
        reply = replace(reply, text=processed.step.text, tool_calls=processed.step.call_requests)
        if len(reply.text) > _LONG_REPLY_CHARS:
            parsed = await asyncio.to_thread(job.style.parse_reply, reply.text)
        else:
            parsed = job.style.parse_reply(reply.text)
        calls, left_out = accept_calls(reply.tool_calls, job.conversation.call_ids, job.turn)
        parsed = replace(parsed, calls=calls)
        refusal = refuse_code(
            parsed, finishes_on_text=job.style.finishes_on_text
        ) or await self._steps.refuse_by_policy(job, parsed.code)
        if refusal is not None:
            refused = partial(self._write_reply, reply, replace(parsed, prose=""), seconds, begun=False)
            return await self._steps.commit_refused(job, refusal, refused, calls=len(calls))
        begun = self._sandbox is not None or parsed.runs_nothing
        write = partial(self._write_reply, reply, parsed, seconds, begun=begun, left_out=left_out)

        def write_all() -> list[ChatItem]:
            items = self._write_notes(processed.notes, {})
            write()
            return items

        for item in await self._durability.commit(write_all):
            job.note(item)
        return ReplyReceived()

    def _request(self) -> ModelRequest:
        """The next request to the model.

        Raises:
            ModelError: it cannot be made to fit the model's context window.
        """
        job = self.job
        return ModelRequest(
            model=job.definition.model_for(job.difficulty),
            messages=job.conversation.messages(),
            temperature=job.definition.temperature_for(job.difficulty),
            job_id=job_id(job.number),
            turn=job.turn,
            tools=job.provider_specs,
            options=job.definition.model_options_for(job.difficulty),
        )

    async def _suppress(self, reply: ModelReply, notes: Sequence[tuple[str, str]], seconds: float) -> Event:
        """Make durable what the model is told instead of its reply; the reply counts, and stays visible in the log."""
        usage = asdict(reply.usage)

        def write() -> list[ChatItem]:
            record = self.job.record
            if record.status != JobStatus.STARTED.value:
                self._jobs.set_status(record, JobStatus.STARTED, now_us())
            self._jobs.add_model_usage(record, usage)
            record.turns += 1
            remarks = {"draft": reply.text, "model": {**usage, "seconds": seconds}, **self._raised()}
            items = [*self._write_notes(notes[:-1], {}), *self._write_notes(notes[-1:], remarks)]
            self.job.refresh()
            return items

        for item in await self._durability.commit(write):
            self.job.note(item)
        return ReplySuppressed()

    def _raised(self) -> dict[str, str]:
        """The difficulty that the newest request was made at, where it is not the one that the job began with."""
        asked = self.job.prompted
        return {} if asked is self.job.definition.difficulty else {"difficulty": asked.value}

    def _write_notes(self, notes: Sequence[tuple[str, str]], remarks: dict[str, Any]) -> list[ChatItem]:
        """Chat items of what post-processors tell the model (store thread)."""
        return [
            self._jobs.add_message(
                self.job.record, "post_processed", text, now_us(), usage={"post_processor": name, **remarks}
            )
            for name, text in notes
        ]

    async def _complete(self, request: ModelRequest) -> ModelReply:
        """The model's reply; the sandbox is held meanwhile as long as nobody needs it more.

        Raises:
            _HoldOver: the sandbox of a live job could be held no longer.
        """
        if self._sandbox is None:
            return await self._model.complete(request)
        live = self.job.mode is JobMode.LIVE
        task = asyncio.ensure_future(self._model.complete(request))
        try:
            held = self._broker.wait_live(task) if live else self._broker.wait_idle(self.job.number, task)
            if not await held:
                await self._release()
                if live:
                    raise _HoldOver("its runner was held for its time while the model had not answered")
            return await task
        finally:
            task.cancel()

    def _write_reply(
        self, reply: ModelReply, parsed: ParsedReply, seconds: float, *, begun: bool, left_out: int = 0
    ) -> None:
        """The durable reply (store thread)."""
        job, record, at = self.job, self.job.record, now_us()
        usage = asdict(reply.usage)
        notes: dict[str, Any] = {"model": {**usage, "seconds": seconds}, **self._raised()}
        if parsed.prose:
            notes |= {"prose": parsed.prose, "text_only": parsed.runs_nothing}
        if parsed.calls:
            notes["calls"] = calls_to_data(parsed.calls)
        if left_out:
            notes["calls_left_out"] = left_out
        if record.status != JobStatus.STARTED.value:
            self._jobs.set_status(record, JobStatus.STARTED, at)
        self._jobs.add_model_usage(record, usage)
        item = self._jobs.add_step(
            record, kind="reply", text=reply.text, code=parsed.code, begun=begun, usage=notes, now_us=at
        )
        job.current = job.source_of(item)
        job.refresh()
        if begun:
            self._steps.prepare(job)

    # ------------------------------------------------------------------------------------ running

    async def _ready_sandbox(self) -> Sandbox:
        """The held sandbox, or a fresh one with the newest commit in it."""
        if self._sandbox is not None:
            return self._sandbox
        self.job.check_room()
        delay = _FIRST_CLAIM_RETRY_SECONDS
        for attempt in range(1, _CLAIM_ATTEMPTS + 1):
            try:
                self._sandbox = await self._broker.claim()
                await self._steps.restore(self.job, self._sandbox)
            except (RunnerLost, RunnerViolation) as error:
                self._check_restore(attempt, error)
                await self._release()
                _log.warning("job %s has no sandbox yet (%d): %s", job_id(self.job.number), attempt, error)
                if attempt == _CLAIM_ATTEMPTS:
                    raise
                await asyncio.sleep(delay)
                delay *= 2
            else:
                return self._sandbox
        raise AssertionError("unreachable")

    def _check_restore(self, attempt: int, error: RunnerError) -> None:
        """Give up on a workspace that ends every runner it is restored in.

        Raises:
            RestoreFailed: the executor died of it for the third time.
        """
        death = self._sandbox.death if self._sandbox is not None else None
        if death is not None and death.cause is not DeathCause.LOST and attempt >= _RESTORE_ATTEMPTS:
            raise RestoreFailed(f"the variables of the job cannot be restored: {error}") from error

    async def _first_run(self) -> Event:
        """Run a reply that is durable; begun already if a sandbox was held when it came, or none is needed."""
        if self.job.current is not None and self.job.current.text_only:
            return await self._steps.run_text(self.job)
        sandbox = await self._ready_sandbox()
        if self.job.view.attempts == 0:
            await self._durability.commit(self._begin)
        return await self._run_step(sandbox)

    async def _run_again(self) -> Event:
        """Run the step in flight again from its starting commit, against its journal."""
        if self.job.current is not None and self.job.current.text_only:
            self.job.journal = await self._steps.load_journal(self.job)
            await self._durability.commit(self._begin)
            return await self._steps.run_text(self.job)
        await self._release()
        sandbox = await self._ready_sandbox()
        self.job.journal = await self._steps.load_journal(self.job)
        await self._durability.commit(self._begin)
        return await self._run_step(sandbox)

    async def _warm_up(self, block: int) -> Event:
        """Run one warmup block."""
        sandbox = await self._ready_sandbox()
        await self._durability.commit(partial(self._write_warmup, block))
        return await self._run_step(sandbox)

    def _write_warmup(self, block: int) -> None:
        """The durable beginning of a warmup block (store thread)."""
        job, record, at = self.job, self.job.record, now_us()
        if record.status != JobStatus.WARMING_UP.value:
            self._jobs.set_status(record, JobStatus.WARMING_UP, at)
        warmup = job.definition.warmup[block]
        usage: dict[str, Any] = {"hidden": True} if warmup.hidden else {}
        if warmup.calls:
            usage["calls"] = calls_to_data(framework_calls(warmup.calls, job.parameters_of))
        item = self._jobs.add_step(record, kind="warmup", text="", code=warmup.code, begun=True, usage=usage, now_us=at)
        job.current = job.source_of(item)
        job.refresh()
        self._steps.prepare(job)

    def _begin(self) -> None:
        """Note durably that the step is being run (store thread)."""
        record = self.job.record
        if record.status == JobStatus.SUSPENDED.value:
            self._jobs.set_status(record, self._jobs.running_status(record), now_us())
        if record.reason:
            record.reason = ""
        self._jobs.begin(record)
        self.job.refresh()
        self._steps.prepare(self.job)

    async def _run_step(self, sandbox: Sandbox) -> Event:
        """Run the step; a sandbox that did not end it cleanly is not used again."""
        event = await self._steps.run(self.job, sandbox)
        if self.job.mode is JobMode.STATELESS or not self._steps.is_reusable(event):
            await self._release()
        if isinstance(event, StepLost):
            _log.warning("job %s lost its runner: %s", job_id(self.job.number), event.reason)
            # While the job waits for another sandbox, a crash of the service hits no code.
            await self._durability.commit(partial(self._jobs.note_loss, self.job.record))
        return event

    async def _release(self) -> None:
        """Destroy the held sandbox."""
        sandbox, self._sandbox = self._sandbox, None
        if sandbox is not None:
            await self._broker.destroy(sandbox)

    # ------------------------------------------------------------------------------------- ending

    async def _suspend(self, reason: str) -> bool:
        """Put the job to sleep durably; False when what it waits for has come meanwhile."""
        await self._release()

        def write() -> bool:
            if self.job.futures.has_nothing_to_await(self.job.record):
                return False
            self._jobs.set_status(self.job.record, JobStatus.SUSPENDED, now_us(), reason)
            return True

        return await self._durability.commit(write)

    async def _deliver(self) -> Event:
        """Put what waits in the inbox into the chat log, durably before the model is asked with it."""
        job = self.job

        def write() -> list[ChatItem]:
            job.objects.reopen()  # of a job that was done
            grant_results(job.record, job.objects)
            items = self._jobs.deliver(job.record)
            job.refresh()
            return items

        for item in await self._durability.commit(write):
            job.note(item)
        return Delivered()

    async def _finish(self, finish: Finish) -> bool:
        """End the job durably; False when something came for it meanwhile, so that it goes on."""
        if finish.drop_current:
            await self._steps.record_death(self.job, finish.message, final=True)
        failure = None
        if finish.failure is not None:
            failure = {"kind": finish.failure.value, "message": finish.message}
        reason = finish.failure.value if finish.failure else ""

        def write() -> bool:
            if self.job.record.inbox and failure is None and not finish.keeps_inbox:
                self.job.refresh()
                return False
            if finish.failure is FailureKind.LIMIT:
                self._jobs.record_harness_error(self.job.record, finish.message, now_us())
            self._jobs.finish(self.job.record, now_us(), failure=failure, reason=reason, policy=self.job.policy)
            self.job.objects.close()
            return True

        if not await self._durability.commit(write):
            return False
        if self.job.mode is JobMode.LIVE and self._sandbox is not None and reason in REVIVABLE_FAILURES:
            self._broker.park(self.job.number, self._sandbox)
            self._sandbox = None
        await self._release()
        if finish.failure not in {None, FailureKind.CANCELLED}:
            _log.warning("job %s ended by %s: %s", job_id(self.job.number), reason, finish.message)
        return True


class _HoldOver(Exception):
    """The sandbox of a live job could be held no longer."""


def priced(model: str, reply: ModelReply) -> ModelReply:
    """The reply with the cost that the application's prices give; as it is where there are none for the model."""
    pricing, used = price_of(model), reply.usage
    if pricing is None or not used.input_tokens + used.output_tokens:
        return reply
    cost = pricing.cost_microusd(used.input_tokens, used.cached_tokens, used.output_tokens)
    return replace(reply, usage=replace(used, cost_microusd=cost))
