"""What happens next in a job: one pure function from (job, event) to a command.

No I/O, no clock, no store: the orchestrator's engine carries out the command, makes its result
durable, and asks again with the event that came of it. Stepping this function by hand is the test of
the job loop.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from statek.harness import LLM_Harness
from statek.job_mode import JobMode
from statek.job_status import JobStatus

__all__ = [
    "CancelRequested",
    "Command",
    "Deliver",
    "Delivered",
    "Event",
    "Execute",
    "ExecuteAgain",
    "FailureKind",
    "Finish",
    "FutureAwaited",
    "InDoubt",
    "JobView",
    "ModelFailed",
    "ProcessorFailed",
    "RecordDeath",
    "ReplyReceived",
    "ReplySuppressed",
    "Resumed",
    "StepDied",
    "StepEnded",
    "StepLost",
    "Think",
    "VariablesGone",
    "Wait",
    "decide",
]

MAX_ENVIRONMENT_RERUNS = 2
"""Design, invariant 4: a step whose environment died runs again at most twice."""


class FailureKind(enum.Enum):
    """Why a job ended by failure; recorded beside the status."""

    WARMUP = "warmup"
    LIMIT = "limit"
    MODEL = "model"
    POST_PROCESSOR = "post_processor"
    QUARANTINE = "quarantine"
    RESTORE = "restore"
    LOST = "lost"
    CANCELLED = "cancelled"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class JobView:
    """The durable facts of a job that a decision may depend on.

    Attributes:
        status: its status.
        warmup_next: index of the next warmup block.
        warmup_blocks: how many there are.
        has_current: a step is in flight (its code is durable, its end is not).
        current_is_warmup: that step is a warmup block.
        attempts: how often it was begun and not put down in good order: its runs and the losses of them.
        crashes: orchestrator crashes that it was in flight at.
        turns, exceptions, consecutive_exceptions, tokens: harness counters.
        cancel_requested: reason of a cancellation, empty for none.
        exited: exit(...) was called; the job's end itself may not have been written.
        warmup_failure: why the newest warmup block failed, empty for none; likewise.
        answered: the newest reply was a text that ends the job; the job's end itself may not have been written.
        completions: how often a user message made it go on after it was done.
        inbox: entries that wait to be told to the job.
        limits: harness limits, before their extension by completions.
        mode: what becomes of its variables between steps.
        runner_held: a runner has, or had, the variables of this live job.
    """

    status: JobStatus
    warmup_next: int = 0
    warmup_blocks: int = 0
    has_current: bool = False
    current_is_warmup: bool = False
    attempts: int = 0
    crashes: int = 0
    turns: int = 0
    exceptions: int = 0
    consecutive_exceptions: int = 0
    tokens: int = 0
    cancel_requested: str = ""
    exited: bool = False
    warmup_failure: str = ""
    answered: bool = False
    completions: int = 0
    inbox: int = 0
    limits: LLM_Harness = field(default_factory=LLM_Harness)
    mode: JobMode = JobMode.DURABLE
    runner_held: bool = False


# ------------------------------------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class Resumed:
    """The job came to a worker: new, after a wait, or after a restart.

    Attributes:
        runner: the worker has the runner with the variables of this live job.
    """

    runner: bool = False


@dataclass(frozen=True, slots=True)
class ReplyReceived:
    """The model's reply is durable and is the current step."""


@dataclass(frozen=True, slots=True)
class ModelFailed:
    """The model gave no reply, after the gateway's own retries."""

    message: str


@dataclass(frozen=True, slots=True)
class ReplySuppressed:
    """A post-processor suppressed the reply; what the model is told instead is durable."""


@dataclass(frozen=True, slots=True)
class ProcessorFailed:
    """A post-processor raised, or gave something that is no answer."""

    message: str


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step ended by itself and its commit is durable.

    Attributes:
        exited: exit(...) was called.
        error: ``Type: message`` of the exception that ended it, empty for none.
        warmup: the step was a warmup block.
        final: it was a text that ends the job (dialog styles).
    """

    exited: bool = False
    error: str = ""
    warmup: bool = False
    final: bool = False


@dataclass(frozen=True, slots=True)
class StepDied:
    """A step was ended by its own doing (deadline, memory, crash, violation, divergence); recorded durably."""

    reason: str
    warmup: bool = False


@dataclass(frozen=True, slots=True)
class StepLost:
    """The environment of a step died without a verdict; nothing of it was committed."""

    reason: str


@dataclass(frozen=True, slots=True)
class InDoubt:
    """A call's intent is durable and its outcome is not; nobody but an operator can tell.

    Attributes:
        call: ``tool name`` and key, for the reason shown.
    """

    call: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """What waited in the inbox is in the chat log now."""


@dataclass(frozen=True, slots=True)
class FutureAwaited:
    """A step waits for futures and was put down; its re-run goes on where it stopped.

    Attributes:
        what: for the reason shown.
    """

    what: str


@dataclass(frozen=True, slots=True)
class VariablesGone:
    """The runner with the variables of a live job was given up between two steps.

    Attributes:
        reason: why.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Somebody asked to end the job."""

    reason: str


Event = (
    Resumed
    | ReplyReceived
    | ReplySuppressed
    | ProcessorFailed
    | ModelFailed
    | StepEnded
    | StepDied
    | StepLost
    | InDoubt
    | Delivered
    | FutureAwaited
    | VariablesGone
    | CancelRequested
)


# ----------------------------------------------------------------------------------------- commands


@dataclass(frozen=True, slots=True)
class Think:
    """Ask the model; its reply becomes the current step."""


@dataclass(frozen=True, slots=True)
class Execute:
    """Run the current step for the first time, or warmup block ``warmup`` when it is not None."""

    warmup: int | None = None


@dataclass(frozen=True, slots=True)
class ExecuteAgain:
    """Run the current step again from its starting commit, answering from its journal."""


@dataclass(frozen=True, slots=True)
class RecordDeath:
    """Count the lost step as a death caused by its code; the event StepDied follows."""

    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Suspend durably until somebody resolves ``reason``."""

    reason: str


@dataclass(frozen=True, slots=True)
class Deliver:
    """Move what waits in the inbox into the chat log; a job that called exit(...) goes on with it."""


@dataclass(frozen=True, slots=True)
class Finish:
    """End the job.

    Attributes:
        failure: None when it ended as it should.
        message: why, for a failure.
        drop_current: whether a step in flight is given up (recorded as died).
        keeps_inbox: it ends although something waits for it, because a limit forbids a further turn.
    """

    failure: FailureKind | None = None
    message: str = ""
    drop_current: bool = False
    keeps_inbox: bool = False


Command = Think | Execute | ExecuteAgain | RecordDeath | Wait | Deliver | Finish


def decide(job: JobView, event: Event) -> Command | None:
    """Say what the engine does next.

    Args:
        job: the durable facts after the event.
        event: what just happened.

    Returns:
        The command, or None when the job is done.
    """
    if job.status is JobStatus.DONE:
        return None
    if isinstance(event, CancelRequested) or job.cancel_requested:
        reason = job.cancel_requested or (event.reason if isinstance(event, CancelRequested) else "")
        return Finish(FailureKind.CANCELLED, reason, drop_current=job.has_current)
    loss = _loss(job, event)
    if loss:
        return Finish(FailureKind.LOST, f"{loss}; {JobMode.LIVE.remark}", drop_current=job.has_current)
    match event:
        case ReplyReceived() if job.has_current:
            return Execute()
        case ModelFailed(message):
            return Finish(FailureKind.MODEL, message, drop_current=job.has_current)
        case ProcessorFailed(message):
            return Finish(FailureKind.POST_PROCESSOR, message, drop_current=job.has_current)
        case InDoubt(call) if job.has_current:
            return Wait(f"in doubt: {call}; resolve it with: statek calls resolve")
        case FutureAwaited(what) if job.has_current:
            return Wait(what)
        case StepLost(reason) if job.has_current:
            if job.attempts <= MAX_ENVIRONMENT_RERUNS:
                return ExecuteAgain()
            return RecordDeath(f"its runner was lost {job.attempts} times, the last time: {reason}")
        case StepDied(reason, warmup=True):
            return Finish(FailureKind.WARMUP, reason, drop_current=job.has_current)
        case StepEnded(exited=True) | StepEnded(final=True) if not job.inbox:
            return Finish(drop_current=job.has_current)
        case StepEnded(error=error, warmup=True) if error:
            return Finish(FailureKind.WARMUP, error, drop_current=job.has_current)
    if job.has_current:
        return _resume_current(job)
    return _next_step(job)


def _loss(job: JobView, event: Event) -> str:
    """How the variables of a live job were lost; empty while they are there, and for every other job.

    Only a first step that no runner has begun can still be run: it needs nothing that a runner had.
    """
    if job.mode is not JobMode.LIVE:
        return ""
    match event:
        case Resumed(runner=False) if job.runner_held and not _is_over(job):
            return "its runner is gone: the service was restarted, it was held for its time, or another job needed one"
        case VariablesGone(reason):
            return reason
        case StepLost(reason):
            return f"its runner was lost: {reason}"
        case StepDied(reason, warmup=False):
            return f"a step ended its runner: {reason}"
        case FutureAwaited(what):
            return f"its runner was held for its time, and the job still {what}"
        case InDoubt(call):
            return f"its step was stopped because a call is in doubt: {call}"
    return ""


def _is_over(job: JobView) -> bool:
    """Whether only the end of the job is left to write: nothing will look for its variables."""
    ended = (job.exited or job.answered) and not job.inbox
    return not job.has_current and (ended or bool(job.warmup_failure))


def _resume_current(job: JobView) -> Command:
    """A step was in flight when the job was put down: run it again, or give up on it."""
    if job.crashes >= 2:
        return Finish(
            FailureKind.QUARANTINE,
            "the service went down twice while this step was running; it is not run a third time",
            drop_current=True,
        )
    if job.attempts > MAX_ENVIRONMENT_RERUNS:
        return RecordDeath(f"its runner or the service was lost {job.attempts} times")
    return ExecuteAgain()


def _next_step(job: JobView) -> Command:
    """Nothing is in flight: the next warmup block, or the model, unless the job has ended or a limit speaks.

    A crash between the end of the last step and the end of the job leaves only the facts to tell of it.
    """
    ended = job.exited or job.answered
    if ended and job.inbox and not _exceeded(job):
        return Deliver()
    if ended:
        return Finish(keeps_inbox=job.inbox > 0)
    if job.warmup_failure:
        return Finish(FailureKind.WARMUP, job.warmup_failure)
    if job.warmup_next < job.warmup_blocks:
        return Execute(warmup=job.warmup_next)
    exceeded = _exceeded(job)
    if exceeded:
        return Finish(FailureKind.LIMIT, exceeded)
    return Deliver() if job.inbox else Think()


def _exceeded(job: JobView) -> str:
    """Name the harness limit that a further turn would exceed; empty when none."""
    limits = job.limits.after(job.completions)
    checks = (
        ("max_turns", limits.max_turns, job.turns + 1),  # the turn that would follow
        ("max_exceptions", limits.max_exceptions, job.exceptions),
        ("max_consecutive_exceptions", limits.max_consecutive_exceptions, job.consecutive_exceptions),
        ("max_token_usage", limits.max_token_usage, job.tokens + 1),
    )
    for name, limit, needed in checks:
        if limit is not None and needed > limit:
            usage = needed - 1 if name in {"max_turns", "max_token_usage"} else needed
            return f"limit {name} is {limit}, the job has used {usage}"
    return ""
