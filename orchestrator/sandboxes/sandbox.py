"""A claimed runner: restores a workspace, runs steps, and tells how they ended.

Everything that a runner can do wrong ends in a :class:`Death`: the engine never sees an exception that a
runner chose. The host trusts no clock but its own: the runner's zygote kills at the deadline, and the
host kills the whole runner when nothing has come ``backstop_seconds`` later.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from orchestrator.digests import content_digest
from orchestrator.sandboxes.block_ledger import BlockLedger
from orchestrator.sandboxes.driver import Driver, RunnerRef, Tier
from orchestrator.sandboxes.inbound_messages import (
    BlockList,
    BlockMessage,
    ExecutorFrame,
    FinishedMessage,
    InboundLimits,
    OutputMessage,
    RestoredMessage,
    RunnerDeath,
    StartedMessage,
)
from orchestrator.sandboxes.inbound_untrusted import decode_executor
from orchestrator.sandboxes.link import RunnerLink
from orchestrator.sandboxes.outbound import restore_frame, result_frame, run_frame
from orchestrator.sandboxes.running_step import RunningStep
from orchestrator.sandboxes.starting_blocks import BlockSender
from orchestrator.sandboxes.step import (
    CallAnswer,
    CallHandler,
    CallRequest,
    Component,
    Death,
    DeathCause,
    FetchBlocks,
    LostValue,
    RestoreOptions,
    StepEnd,
    StepInput,
    StepLimits,
    StepResult,
    StepUsage,
    WorkFile,
    Workspace,
)
from sandbox_runner.wire.v1 import runner_pb2 as pb
from statek.exceptions import InvalidRequest, RunnerError, RunnerLost, RunnerViolation

__all__ = ["Sandbox", "SandboxTiming"]

_HASH_ON_LOOP_BYTES = 512 << 10
_DECODE_ON_LOOP_BYTES = 32 << 10
_RESULT_ON_LOOP_ITEMS = 1000
_BLOCK_TAG = pb.FromExecutor.BLOCK_FIELD_NUMBER << 3 | 2
# Notes and the final error come on top of what the code itself printed.
_OUTPUT_ALLOWANCE_BYTES = 256 << 10
_ACTION_ALLOWANCE_BYTES = 32 << 10
"""The error, notes and counts of one action, which an executor shows whatever was printed before."""

_MAX_OUTPUT_ITEMS = 200_000
_SAVED = RestoreOptions()


@dataclass(frozen=True, slots=True)
class SandboxTiming:
    """Times of the host, in seconds.

    Attributes:
        start_ack_seconds: until StepStarted.
        restore_seconds: until Restored, counted from the last message of the restore.
        backstop_seconds: how long after a deadline the host itself kills.
    """

    start_ack_seconds: float = 0.5
    restore_seconds: float = 30.0
    backstop_seconds: float = 0.15


class Sandbox:
    """A claimed runner and its executor.

    Args:
        link: claimed (``RunnerLink.claim`` has returned).
        driver: made the runner and ends it.
        runner: as the driver knows it.
        limits: those of the claim.
        image_digest: of what the runner runs, from the driver.
        timing: times of the host.

    Attributes:
        held: handles that the variables reach, as of the last step that ended by itself.

    Preconditions:
        One task uses a sandbox at a time. After a Death it is only good for :meth:`destroy`.
    """

    def __init__(
        self,
        link: RunnerLink,
        driver: Driver,
        runner: RunnerRef,
        *,
        limits: StepLimits,
        image_digest: str,
        timing: SandboxTiming | None = None,
    ) -> None:
        self._link = link
        self._driver = driver
        self.runner = runner
        self.image_digest = image_digest
        self._limits = limits
        self._inbound = InboundLimits.of(limits)
        self._timing = timing or SandboxTiming()
        self._ledger = BlockLedger(self._inbound)
        self._step: RunningStep | None = None
        self._restoring: asyncio.Future[RestoredMessage | Death] | None = None
        self._restored = False
        self._unsaved = False
        self.held: tuple[int, ...] = ()
        self._last_step = 0
        self._death: Death | None = None
        link.receive_with(self._receive)

    @property
    def tier(self) -> Tier:
        """How strong the isolation really is."""
        return self._driver.tier

    @property
    def death(self) -> Death | None:
        """How the executor ended; None while it can run steps."""
        return self._death

    # ------------------------------------------------------------ restore

    async def restore(
        self, workspace: Workspace, fetch: FetchBlocks, how: RestoreOptions = _SAVED
    ) -> tuple[LostValue, ...]:
        """Put a workspace in place; once, before the first step.

        Args:
            workspace: the starting commit.
            fetch: gives the data of blocks by digest.
            how: how the executor treats it.

        Returns:
            The values that could not be restored.

        Raises:
            InvalidRequest: restored before.
            LimitExceeded: a stored block does not fit into a frame of this runner.
            RunnerViolation: the runner broke a rule; it is killed.
            RunnerLost: the runner went away, crashed or took too long; ``death`` tells which.
        """
        if self._restored:
            raise InvalidRequest("a sandbox is restored once, before its first step")
        self._restored = True
        self._unsaved = how.unsaved
        self._restoring = asyncio.get_running_loop().create_future()
        seconds = self._timing.restore_seconds
        try:
            sender = BlockSender(self._link, self._ledger, self._inbound.frame_bytes)
            ids = await sender.send(workspace, fetch)
            frame = restore_frame(workspace, ids, how)
            await self._link.send_frame(frame, deadline_ms=_milliseconds(seconds))
            answer = await self._outcome(self._restoring, seconds + self._timing.backstop_seconds)
        except RunnerError as error:
            answer = _death_of(error)
        finally:
            self._restoring = None
        if isinstance(answer, Death):
            await self._die(answer)
            message = f"restoring the workspace ended the runner: {answer.cause.value}: {answer.detail}"
            raise RunnerViolation(message) if answer.cause is DeathCause.VIOLATION else RunnerLost(message)
        return answer.lost

    # ------------------------------------------------------------ step

    async def run_step(self, step: StepInput, handler: CallHandler) -> StepEnd:
        """Run one block of code.

        Args:
            step: what to run; ``step.step`` rises from step to step.
            handler: answers the code's calls and takes its output. What ``handler.call`` raises
                kills the runner and is raised from here.

        Returns:
            The result, or how the runner died; nothing that a runner does raises.

        Raises:
            InvalidRequest: a step number that does not rise, or a step that does not fit into a frame.
        """
        if step.step <= self._last_step:
            raise InvalidRequest(f"step {step.step} after step {self._last_step}")
        if self._death is not None:
            return self._death
        if not self._restored:
            try:
                await self.restore(Workspace(), _no_blocks)
            except RunnerError as error:
                return self._death or _death_of(error)
        frame = run_frame(step)
        if len(frame) > self._inbound.frame_bytes:
            raise InvalidRequest(f"the step needs a frame of {len(frame)} bytes, {self._inbound.frame_bytes} at most")
        self._last_step = step.step
        running = self._step = RunningStep(
            number=step.step,
            handler=handler,
            max_calls=step.max_calls,
            output_bytes_left=_output_allowance(self._limits) + len(step.actions) * _ACTION_ALLOWANCE_BYTES,
            output_items_left=_MAX_OUTPUT_ITEMS,
            actions=len(step.actions),
            end=asyncio.get_running_loop().create_future(),
        )
        try:
            end = await self._converse(running, frame, step.deadline_seconds)
        except RunnerError as error:
            end = _death_of(error)
        except BaseException:
            # The handler raised, or this task was cancelled: the executor waits for nothing any more.
            await self._die(Death(DeathCause.FINISHED, "the host ended the step"), kill=True)
            raise
        finally:
            self._step = None
        if isinstance(end, FinishedMessage):
            try:
                if len(end.components) + len(end.files) > _RESULT_ON_LOOP_ITEMS:
                    return await asyncio.to_thread(self._result, end)
                return self._result(end)
            except RunnerViolation as error:
                end = _death_of(error)
                self._link.fail(error)
        await self._die(end)
        return end

    async def _converse(self, step: RunningStep, frame: bytes, seconds: float) -> FinishedMessage | Death:
        self._link.lost.add_done_callback(step.wake)
        try:
            return await self._talk(step, frame, seconds)
        finally:
            self._link.lost.remove_done_callback(step.wake)

    async def _talk(self, step: RunningStep, frame: bytes, seconds: float) -> FinishedMessage | Death:
        lost, clock = self._link.lost, asyncio.get_running_loop().time
        remaining, begun = seconds, clock()
        await self._link.send_frame(frame, deadline_ms=_milliseconds(remaining))
        await self._await_start(step, begun + remaining + self._timing.backstop_seconds)
        while True:
            limit = begun + remaining + self._timing.backstop_seconds
            while step.call is None and not step.end.done() and not lost.done() and clock() < limit:
                await step.wait(limit)
            if step.end.done():
                return step.end.result()
            if lost.done():
                return _death_of(lost.result())
            if step.call is None:
                return await self._backstop("the step ran past its deadline and the runner did not end it")
            remaining -= clock() - begun
            request, step.call = step.call, None
            answer = await self._answer(step, request)
            if lost.done():
                return _death_of(lost.result())
            if step.end.done():
                return step.end.result()
            reply = result_frame(request, answer, self._inbound.frame_bytes)
            step.answering = False
            begun = clock()
            # At least a millisecond: 0 would leave the clock stopped.
            await self._link.send_frame(reply, deadline_ms=_milliseconds(remaining))

    async def _answer(self, step: RunningStep, request: CallRequest) -> CallAnswer:
        """Let the handler finish whatever the runner does meanwhile: its effect must get its outcome."""
        work = asyncio.ensure_future(step.handler.call(request))
        try:
            await asyncio.wait((work, self._link.lost), return_when=asyncio.FIRST_COMPLETED)
            if self._link.lost.done():
                await self._die(_death_of(self._link.lost.result()))
            return await work
        finally:
            work.cancel()

    async def _await_start(self, step: RunningStep, limit: float) -> None:
        # Not woken by StepStarted: what comes after it tells as well, and most steps are over long before.
        clock = asyncio.get_running_loop().time
        until = min(clock() + self._timing.start_ack_seconds, limit)
        while step.call is None and not step.end.done() and not self._link.lost.done() and clock() < until:
            await step.wait(until)
        if not step.started and not step.end.done() and not self._link.lost.done():
            self._link.fail(
                RunnerLost(f"the runner did not start the step within {self._timing.start_ack_seconds:g} s")
            )

    async def _backstop(self, detail: str) -> Death:
        death = Death(DeathCause.DEADLINE, detail)
        await self._die(death, kill=True)
        return death

    async def _outcome(
        self, future: asyncio.Future[RestoredMessage | Death], seconds: float
    ) -> RestoredMessage | Death:
        await asyncio.wait((future, self._link.lost), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if future.done():
            return future.result()
        if self._link.lost.done():
            return _death_of(self._link.lost.result())
        return await self._backstop("the workspace was not restored in time")

    def _result(self, done: FinishedMessage) -> StepResult:
        components = tuple(_with_digests(item, self._ledger) for item in done.components)
        files = tuple(_with_digests(item, self._ledger) for item in done.files)
        new_blocks = self._ledger.finish()
        if self._unsaved and (components or files or done.lost):
            raise RunnerViolation("turn: a workspace that is not saved was sent")
        self.held = done.held
        return StepResult(
            outcome=done.outcome,
            error_type=done.error_type,
            error_message=done.error_message,
            exit_value=done.exit_value,
            workspace=Workspace(
                components=tuple(item for item in components if isinstance(item, Component)),
                files=tuple(item for item in files if isinstance(item, WorkFile)),
                lost=done.lost,
            ),
            new_blocks=new_blocks,
            held=done.held,
            statement=done.statement,
            output_dropped_bytes=done.output_dropped_bytes,
            usage=done.usage,
            error_traceback=done.error_traceback,
        )

    # ------------------------------------------------------------ end

    async def _die(self, death: Death, *, kill: bool = False) -> None:
        """Note the death; where the runner cannot be trusted to end itself, end it now."""
        if self._death is None:
            self._death = death
            if kill or death.cause in {DeathCause.VIOLATION, DeathCause.LOST}:
                self._link.fail(RunnerLost("the runner was killed"))
                await self._driver.kill(self.runner)

    async def destroy(self) -> None:
        """End the runner with everything in it. Idempotent."""
        if self._death is None:
            self._death = Death(DeathCause.FINISHED, "the sandbox was destroyed")
        try:
            await self._link.aclose()
        finally:
            await self._driver.kill(self.runner)

    # ------------------------------------------------------------ receiver

    async def _receive(self, message: ExecutorFrame | RunnerDeath) -> None:
        if isinstance(message, RunnerDeath):
            await self._receive_death(message)
            return
        data = message.data
        if len(data) > _DECODE_ON_LOOP_BYTES and data[0] != _BLOCK_TAG:
            # A StepFinished of twenty thousand variables takes 0.1 s, which no other job is to wait for.
            decoded = await asyncio.to_thread(decode_executor, data, self._inbound)
        else:
            decoded = decode_executor(data, self._inbound)
        if isinstance(decoded, RestoredMessage):
            if self._restoring is None or self._restoring.done():
                raise RunnerViolation("turn: Restored was not asked for")
            self._restoring.set_result(decoded)
            return
        step = self._step
        if step is None or step.end.done():
            raise RunnerViolation(f"turn: {type(decoded).__name__} while no step runs")
        if isinstance(decoded, BlockMessage):
            if not step.started:
                raise RunnerViolation("turn: a block before StepStarted")
            if self._unsaved:
                raise RunnerViolation("turn: a block of a workspace that is not saved")
            self._ledger.admit(decoded)
            if len(decoded.data) > _HASH_ON_LOOP_BYTES:
                digest = await asyncio.to_thread(content_digest, decoded.data)
            else:
                digest = content_digest(decoded.data)
            self._ledger.enter(decoded, digest)
            return
        if decoded.step != step.number:
            raise RunnerViolation(f"turn: a message of step {decoded.step} in step {step.number}")
        self._receive_in_step(step, decoded)

    def _receive_in_step(
        self, step: RunningStep, message: StartedMessage | OutputMessage | CallRequest | FinishedMessage
    ) -> None:
        if isinstance(message, StartedMessage):
            if step.started:
                raise RunnerViolation("turn: StepStarted twice")
            step.started = True
            return
        if not step.started:
            raise RunnerViolation(f"turn: {type(message).__name__} before StepStarted")
        match message:
            case OutputMessage():
                step.output_bytes_left -= message.size_bytes
                step.output_items_left -= 1
                if step.output_bytes_left < 0:
                    raise RunnerViolation("size: more output than output_head_bytes and output_tail_bytes allow")
                if step.output_items_left < 0:
                    raise RunnerViolation(f"count: more than {_MAX_OUTPUT_ITEMS} console elements")
                if message.item.action > step.actions:
                    raise RunnerViolation(f"number: output of action {message.item.action} of {step.actions}")
                step.handler.output(message.item)
            case CallRequest():
                if step.answering:
                    raise RunnerViolation(f"turn: call {message.call} before the answer to call {step.calls}")
                step.calls += 1
                if message.call != step.calls:
                    raise RunnerViolation(f"turn: call {message.call} came where {step.calls} was due")
                if step.max_calls and step.calls > step.max_calls:
                    raise RunnerViolation(f"count: more than max_calls = {step.max_calls} calls")
                step.answering = True
                step.call = message
                step.wake()
            case FinishedMessage():
                if step.answering:
                    raise RunnerViolation(f"turn: StepFinished before the answer to call {step.calls}")
                step.end.set_result(message)
                step.wake()

    async def _receive_death(self, message: RunnerDeath) -> None:
        usage = StepUsage(cpu_seconds=message.cpu_seconds, max_rss_bytes=message.max_rss_bytes)
        death = Death(message.cause, message.detail, usage)
        unstarted = self._step is not None and not self._step.started
        if unstarted and message.cause in {DeathCause.CRASHED, DeathCause.MEMORY}:
            # This step's code has not begun, so it is not what ended the executor.
            death = Death(DeathCause.LOST, f"the executor ended before the step began: {message.detail}", usage)
        for waiting in (self._restoring, self._step.end if self._step else None):
            if waiting is not None and not waiting.done():
                waiting.set_result(death)
                if self._step is not None:
                    self._step.wake()
                return
        if self._death is None:
            # Between steps nobody asked it to end: the runner is lost, not the step.
            self._death = Death(DeathCause.LOST, f"the executor ended between steps: {message.detail}", usage)
        else:
            raise RunnerViolation("turn: a second death")


async def _no_blocks(digests: Sequence[str]) -> dict[str, bytes]:
    raise InvalidRequest(f"an empty workspace has no blocks {digests}")


def _output_allowance(limits: StepLimits) -> float:
    if not limits.output_head_bytes:
        return math.inf
    return limits.output_head_bytes + limits.output_tail_bytes + _OUTPUT_ALLOWANCE_BYTES


def _milliseconds(seconds: float) -> int:
    return max(1, min(int(seconds * 1000), (1 << 32) - 1))


def _death_of(error: RunnerError) -> Death:
    cause = DeathCause.VIOLATION if isinstance(error, RunnerViolation) else DeathCause.LOST
    return Death(cause, str(error))


def _with_digests(item: BlockList, ledger: BlockLedger) -> Component | WorkFile:
    return replace(item.value, blocks=ledger.resolve(item))
