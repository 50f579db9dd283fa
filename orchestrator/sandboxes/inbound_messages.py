"""What a runner's messages look like once they are decoded and within their limits."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.sandboxes.step import (
    CallRequest,
    Component,
    DeathCause,
    LostValue,
    Outcome,
    OutputItem,
    StepLimits,
    StepUsage,
    WorkFile,
)
from statek.exceptions import RunnerViolation

__all__ = [
    "BlockList",
    "BlockMessage",
    "ExecutorFrame",
    "ExecutorFrames",
    "ExecutorMessage",
    "FinishedMessage",
    "HelloInfo",
    "InboundLimits",
    "OutputMessage",
    "RestoredMessage",
    "RunnerDeath",
    "RunnerMessage",
    "RunnerPong",
    "RunnerReady",
    "StartedMessage",
    "violation",
]


def violation(rule: str, what: str) -> RunnerViolation:
    """The error for a broken rule; its message starts with the rule's name."""
    return RunnerViolation(f"{rule}: {what}")


@dataclass(frozen=True, slots=True)
class InboundLimits:
    """Largest acceptable counts and sizes (bytes of UTF-8 for texts).

    Attributes:
        frame_bytes: one executor frame.
        name_bytes: a variable, tool, attribute or type name.
        message_bytes: an error message, a reason, a detail.
        preview_bytes: one preview line.
        path_bytes: a file's path.
        names: variables over all components.
        files: files of /work.
        file_bytes: bytes of all files of /work.
        lost: lost values.
        blocks: block ids in one StepFinished, and blocks sent in one step.
        known_blocks: block ids over the life of a runner.
        held: handle ids.
        checkpoint_bytes: block data of one step; a block counts with 1 KiB at least.
    """

    frame_bytes: int = 1 << 20
    name_bytes: int = 1000
    message_bytes: int = 64 << 10
    preview_bytes: int = 4 << 10
    path_bytes: int = 4096
    names: int = 20_000
    files: int = 1024
    file_bytes: int = 64 << 20
    lost: int = 20_000
    blocks: int = 262_144
    known_blocks: int = 524_288
    held: int = 100_000
    checkpoint_bytes: int = 256 << 20

    @classmethod
    def of(cls, limits: StepLimits) -> InboundLimits:
        """The inbound limits that belong to what a claim allows; zero there leaves the default here."""
        default = cls()
        return cls(
            frame_bytes=limits.frame_bytes or default.frame_bytes,
            files=limits.work_files or default.files,
            file_bytes=limits.work_bytes or default.file_bytes,
            checkpoint_bytes=limits.checkpoint_bytes or default.checkpoint_bytes,
        )


@dataclass(frozen=True, slots=True)
class HelloInfo:
    """What a runner says of itself; shown, never trusted for a decision."""

    protocol: int
    python_version: str
    image_digest: str
    landlock_abi: int
    seccomp: bool
    separate_uids: bool


@dataclass(frozen=True, slots=True)
class RunnerPong:
    """Answer to a ping."""

    nonce: int


@dataclass(frozen=True, slots=True)
class RunnerReady:
    """The executor is locked down; what it took in milliseconds."""

    pid: int
    lockdown_ms: float


@dataclass(frozen=True, slots=True)
class RunnerDeath:
    """How the executor ended, in the runner's words."""

    cause: DeathCause
    exit_code: int
    signal: int
    max_rss_bytes: int
    cpu_seconds: float
    detail: str


@dataclass(frozen=True, slots=True)
class ExecutorFrame:
    """A FromExecutor, still serialized."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ExecutorFrames:
    """Some that came in one message, in their order."""

    frames: tuple[ExecutorFrame, ...]


@dataclass(frozen=True, slots=True)
class RestoredMessage:
    """The starting commit is in place, but for these."""

    lost: tuple[LostValue, ...]


@dataclass(frozen=True, slots=True)
class StartedMessage:
    """The start acknowledgement of a step."""

    step: int


@dataclass(frozen=True, slots=True)
class OutputMessage:
    """One console element of a step; ``size_bytes`` is its UTF-8 length."""

    step: int
    item: OutputItem
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BlockMessage:
    """Data for a checkpoint under an id that the runner chose."""

    id: int
    data: bytes


@dataclass(frozen=True, slots=True)
class BlockList:
    """A component or file whose blocks are still ids: the finished value, but for its digests."""

    value: Component | WorkFile
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FinishedMessage:
    """The end of a step; blocks are still ids of the runner."""

    step: int
    outcome: Outcome
    error_type: str
    error_message: str
    exit_value: bytes
    components: tuple[BlockList, ...]
    files: tuple[BlockList, ...]
    lost: tuple[LostValue, ...]
    held: tuple[int, ...]
    statement: int
    output_dropped_bytes: int
    usage: StepUsage
    error_traceback: str = ""


RunnerMessage = HelloInfo | RunnerPong | RunnerReady | RunnerDeath | ExecutorFrame | ExecutorFrames
ExecutorMessage = RestoredMessage | StartedMessage | OutputMessage | CallRequest | BlockMessage | FinishedMessage
