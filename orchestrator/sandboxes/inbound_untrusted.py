"""The only place where bytes from a runner are decoded. Assume that every one of them is hostile.

Three layers, each refusing with :class:`RunnerViolation` whose message starts with the rule's name:

* :class:`InboundSequence`: FromRunner, its sequence numbers, Hello first and once.
* :func:`decode_executor`: FromExecutor into plain dataclasses, every field within :class:`InboundLimits`.
* :class:`BlockLedger`: which block ids exist, what they hold, and the budget for data not yet committed.

What a message means in the course of a step (whose turn it is) is checked in ``sandbox``.
Nothing from a runner is imported, evaluated, unpickled or used as a path here.

Rules: decode, seq, turn, enum, text, name, path, number, count, size, block.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from google.protobuf.message import DecodeError

from orchestrator.sandboxes.step import (
    CallKind,
    CallRequest,
    Component,
    DeathCause,
    Form,
    LostValue,
    Outcome,
    OutputItem,
    OutputKind,
    StepLimits,
    StepUsage,
    WorkFile,
)
from sandbox_runner.wire.v1 import runner_pb2 as pb
from statek.exceptions import RunnerViolation

__all__ = [
    "BlockLedger",
    "BlockMessage",
    "ExecutorFrame",
    "ExecutorMessage",
    "FinishedMessage",
    "HelloInfo",
    "InboundLimits",
    "InboundSequence",
    "OutputMessage",
    "RestoredMessage",
    "RunnerDeath",
    "RunnerPong",
    "RunnerReady",
    "StartedMessage",
    "decode_executor",
]

_UINT63 = (1 << 63) - 1
_CAUSES = {
    pb.CAUSE_FINISHED: DeathCause.FINISHED,
    pb.CAUSE_DEADLINE: DeathCause.DEADLINE,
    pb.CAUSE_MEMORY: DeathCause.MEMORY,
    pb.CAUSE_CRASHED: DeathCause.CRASHED,
    pb.CAUSE_VIOLATION: DeathCause.VIOLATION,
}
_E = TypeVar("_E", bound=enum.Enum)


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
        held: handle ids.
        checkpoint_bytes: block data that no commit holds yet.
    """

    frame_bytes: int = 1 << 20
    name_bytes: int = 255
    message_bytes: int = 64 << 10
    preview_bytes: int = 4 << 10
    path_bytes: int = 1024
    names: int = 20_000
    files: int = 1024
    file_bytes: int = 64 << 20
    lost: int = 20_000
    blocks: int = 65_536
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


RunnerMessage = HelloInfo | RunnerPong | RunnerReady | RunnerDeath | ExecutorFrame
ExecutorMessage = RestoredMessage | StartedMessage | OutputMessage | CallRequest | BlockMessage | FinishedMessage


# ---------------------------------------------------------------- checks


def _refuse(rule: str, what: str) -> RunnerViolation:
    return RunnerViolation(f"{rule}: {what}")


def _text(value: str, limit: int, what: str) -> str:
    # Protobuf has checked that it is UTF-8. NUL would cut it short wherever C reads it.
    if len(value) > limit or len(value.encode()) > limit:
        raise _refuse("text", f"{what} is longer than {limit} bytes")
    if "\0" in value:
        raise _refuse("text", f"{what} contains NUL")
    return value


def _name(value: str, limits: InboundLimits, what: str, *, dotted: bool = False) -> str:
    parts = value.split(".") if dotted else (value,)
    if len(value.encode()) > limits.name_bytes or not all(part.isidentifier() for part in parts):
        raise _refuse("name", f"{what} is not a Python name: {value[:80]!r}")
    return value


def _number(value: int, limit: int, what: str) -> int:
    if value > limit:
        raise _refuse("number", f"{what} is {value}, at most {limit}")
    return value


def _positive(value: int, what: str) -> int:
    if not 0 < value <= _UINT63:
        raise _refuse("number", f"{what} is {value}, expected 1 to {_UINT63}")
    return value


def _amount(value: float, what: str) -> float:
    if not (math.isfinite(value) and value >= 0):
        raise _refuse("number", f"{what} is {value}")
    return value


def _member(kind: type[_E], value: int, what: str) -> _E:
    try:
        return kind(value)  # the numbers of orchestrator.sandboxes.step are those of the proto
    except ValueError:
        raise _refuse("enum", f"{what} is {value}") from None


def _count(values: Sequence[Any], limit: int, what: str) -> None:
    if len(values) > limit:
        raise _refuse("count", f"{len(values)} {what}, at most {limit}")


def _path(value: str, limits: InboundLimits) -> str:
    _text(value, limits.path_bytes, "a file's path")
    if any(part in {"", ".", ".."} for part in value.split("/")):
        raise _refuse("path", f"not a plain relative path: {value[:80]!r}")
    return value


# ---------------------------------------------------------------- FromRunner


class InboundSequence:
    """Decodes FromRunner messages in their order."""

    def __init__(self) -> None:
        self._seq = 0

    def decode(self, data: bytes) -> RunnerMessage:
        """Decode the next message.

        Raises:
            RunnerViolation: malformed, out of sequence, or Hello at the wrong place.
        """
        try:
            message = pb.FromRunner.FromString(data)
        except DecodeError:
            raise _refuse("decode", f"{len(data)} bytes are not a FromRunner") from None
        self._seq += 1
        if message.seq != self._seq:
            raise _refuse("seq", f"message {message.seq} came where {self._seq} was due")
        body = message.WhichOneof("body")
        if (body == "hello") != (self._seq == 1):
            raise _refuse("turn", f"{body or 'nothing'} as message {self._seq}")
        match body:
            case "executor":
                return ExecutorFrame(message.executor)
            case "pong":
                return RunnerPong(message.pong.nonce)
            case "ready":
                return RunnerReady(message.ready.pid, _amount(message.ready.lockdown_ms, "lockdown_ms"))
            case "death":
                return _death(message.death)
            case "hello":
                return _hello(message.hello)
            case _:
                raise _refuse("decode", "a FromRunner without a known body")


def _hello(hello: pb.Hello) -> HelloInfo:
    return HelloInfo(
        protocol=hello.protocol,
        python_version=_text(hello.python_version, 64, "python_version"),
        image_digest=_text(hello.image_digest, 255, "image_digest"),
        landlock_abi=_number(hello.landlock_abi, 1000, "landlock_abi"),
        seccomp=hello.seccomp,
        separate_uids=hello.separate_uids,
    )


def _death(death: pb.ExecutorDeath) -> RunnerDeath:
    cause = _CAUSES.get(death.cause)
    if cause is None:
        raise _refuse("enum", f"cause of death is {death.cause}")
    return RunnerDeath(
        cause=cause,
        exit_code=death.exit_code,
        signal=death.signal,
        max_rss_bytes=_number(death.max_rss_bytes, _UINT63, "max_rss_bytes"),
        cpu_seconds=_amount(death.cpu_seconds, "cpu_seconds"),
        detail=_text(death.detail, 4096, "detail"),
    )


# ---------------------------------------------------------------- FromExecutor


def decode_executor(data: bytes, limits: InboundLimits) -> ExecutorMessage:
    """Decode one executor frame.

    Raises:
        RunnerViolation: malformed, or a field outside its limits.
    """
    if len(data) > limits.frame_bytes:
        raise _refuse("size", f"a frame of {len(data)} bytes, at most {limits.frame_bytes}")
    _check_single_body(data)
    try:
        message = pb.FromExecutor.FromString(data)
    except DecodeError:
        raise _refuse("decode", f"{len(data)} bytes are not a FromExecutor") from None
    match message.WhichOneof("body"):
        case "output":
            return _output(message.output, limits)
        case "call":
            return _call(message.call, limits)
        case "block":
            return BlockMessage(_positive(message.block.id, "a block's id"), message.block.data)
        case "started":
            return StartedMessage(_positive(message.started.step, "step"))
        case "finished":
            return _finished(message.finished, limits)
        case "restored":
            return RestoredMessage(_lost(message.restored.lost, limits))
        case _:
            raise _refuse("decode", "a FromExecutor without a known body")


def _check_single_body(data: bytes) -> None:
    """Demand one length-delimited field that fills the frame.

    Of several bodies protobuf would take the last, while the supervisor, which reads the first tag
    only, would stop the clock for another one.
    """
    length = shift = 0
    for index, byte in enumerate(data[1:11], start=1):
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if data[0] & 0x87 == 2 and index + 1 + length == len(data):
                return
            break
    raise _refuse("decode", "a FromExecutor is exactly one body")


def _output(output: pb.Output, limits: InboundLimits) -> OutputMessage:
    # NUL is legal console text; the size is bounded by the frame and, over a step, by the sandbox.
    return OutputMessage(
        step=_positive(output.step, "step"),
        item=OutputItem(_member(OutputKind, output.kind, "output kind"), output.text),
        size_bytes=len(output.text.encode()),
    )


def _call(call: pb.HostCall, limits: InboundLimits) -> CallRequest:
    kind = _member(CallKind, call.kind, "call kind")
    if (kind is CallKind.TOOL) != (call.handle == 0):
        raise _refuse("number", f"a {kind.name} call with handle {call.handle}")
    return CallRequest(
        step=_positive(call.step, "step"),
        call=_positive(call.call, "call"),
        kind=kind,
        handle=_number(call.handle, _UINT63, "handle"),
        name=_name(call.name, limits, "a call's name", dotted=kind is CallKind.TOOL),
        args=call.args,
        version=call.version,
    )


def _finished(done: pb.StepFinished, limits: InboundLimits) -> FinishedMessage:
    outcome = _member(Outcome, done.outcome, "outcome")
    if (outcome is Outcome.ERROR) != bool(done.error_type):
        raise _refuse("text", f"outcome {outcome.name} with error type {done.error_type[:80]!r}")
    if done.exit_value and outcome is not Outcome.EXIT:
        raise _refuse("size", f"outcome {outcome.name} with an exit value")
    _count(done.held, limits.held, "held handles")
    _count(done.components, limits.names, "components")
    _count(done.files, limits.files, "files")
    components = tuple(_component(item, limits) for item in done.components)
    files = tuple(_file(item, limits) for item in done.files)
    _check_unique((name for item in done.components for name in item.names), limits.names, "variable")
    _check_unique((item.path for item in done.files), limits.files, "file")
    _number(sum(item.size_bytes for item in done.files), limits.file_bytes, "the size of all files")
    _number(sum(len(item.ids) for item in (*components, *files)), limits.blocks, "the number of block ids")
    return FinishedMessage(
        step=_positive(done.step, "step"),
        outcome=outcome,
        error_type=_text(done.error_type, limits.name_bytes, "error type"),
        error_message=_text(done.error_message.replace("\0", "\\x00"), limits.message_bytes, "error message"),
        exit_value=done.exit_value,
        components=components,
        files=files,
        lost=_lost(done.lost, limits),
        held=tuple(_positive(handle, "a held handle") for handle in done.held),
        statement=done.statement,
        output_dropped_bytes=_number(done.output_dropped_bytes, _UINT63, "output_dropped_bytes"),
        usage=StepUsage(
            wall_seconds=_amount(done.usage.wall_seconds, "wall_seconds"),
            cpu_seconds=_amount(done.usage.cpu_seconds, "cpu_seconds"),
            max_rss_bytes=_number(done.usage.max_rss_bytes, _UINT63, "max_rss_bytes"),
            checkpoint_seconds=_amount(done.usage.checkpoint_seconds, "checkpoint_seconds"),
        ),
    )


def _check_unique(values: Iterable[str], limit: int, what: str) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise _refuse("name", f"{what} {value[:80]!r} is named twice")
        seen.add(value)
        if len(seen) > limit:
            raise _refuse("count", f"more than {limit} of kind {what}")


def _component(item: pb.Component, limits: InboundLimits) -> BlockList:
    _count(item.names, limits.names, "names in a component")
    _count(item.blocks, limits.blocks, "blocks of a component")
    if not item.names:
        raise _refuse("count", "a component without a name")
    if len(item.previews) != len(item.names):
        raise _refuse("count", f"{len(item.previews)} previews for {len(item.names)} names")
    value = Component(
        names=tuple(_name(name, limits, "a variable") for name in item.names),
        form=_member(Form, item.form, "form"),
        blocks=(),
        size_bytes=_number(item.size_bytes, _UINT63, "size_bytes"),
        previews=tuple(_text(line, limits.preview_bytes, "a preview") for line in item.previews),
    )
    return BlockList(value, tuple(item.blocks))


def _file(item: pb.File, limits: InboundLimits) -> BlockList:
    _count(item.blocks, limits.blocks, "blocks of a file")
    value = WorkFile(
        path=_path(item.path, limits),
        mode=_number(item.mode, 0o777, "a file's mode"),
        size_bytes=_number(item.size_bytes, limits.file_bytes, "a file's size"),
        blocks=(),
    )
    return BlockList(value, tuple(item.blocks))


def _lost(values: Sequence[pb.Lost], limits: InboundLimits) -> tuple[LostValue, ...]:
    _count(values, limits.lost, "lost values")
    return tuple(
        LostValue(
            _text(item.name, limits.path_bytes, "a lost name"), _text(item.reason, limits.message_bytes, "a reason")
        )
        for item in values
    )


# ---------------------------------------------------------------- blocks


@dataclass(slots=True)
class BlockLedger:
    """The blocks that a runner may name, and the data of those that are new.

    Ids of the host are even, of the runner odd and rising. A block of the runner that the StepFinished
    of its step does not name is forgotten: the host would not hold its data.

    Attributes:
        limits: for the number of new blocks and their bytes.
    """

    limits: InboundLimits
    _known: dict[int, tuple[str, int]] = field(default_factory=dict)
    _new: dict[int, bytes] = field(default_factory=dict)
    _new_bytes: int = 0
    _highest: int = 0

    def know(self, block_id: int, digest: str, size: int) -> None:
        """Enter a block that the host sent (even id)."""
        self._known[block_id] = (digest, size)

    def admit(self, block: BlockMessage) -> None:
        """Check a new block of the runner before its digest is computed.

        Raises:
            RunnerViolation: an even, repeated or falling id, no data, or over the budget.
        """
        if block.id % 2 == 0:
            raise _refuse("block", f"id {block.id} is even, those are the host's")
        if block.id <= self._highest:
            raise _refuse("block", f"id {block.id} came after {self._highest}")
        if not block.data:
            raise _refuse("block", f"id {block.id} has no data")
        if len(self._new) >= self.limits.blocks:
            raise _refuse("count", f"more than {self.limits.blocks} blocks in a step")
        if self._new_bytes + len(block.data) > self.limits.checkpoint_bytes:
            raise _refuse("size", f"more than checkpoint_bytes = {self.limits.checkpoint_bytes} in blocks of a step")
        self._highest = block.id
        self._new_bytes += len(block.data)

    def enter(self, block: BlockMessage, digest: str) -> None:
        """Enter an admitted block under the digest that the host computed."""
        self._new[block.id] = block.data
        self._known[block.id] = (digest, len(block.data))

    def resolve(self, item: BlockList) -> tuple[str, ...]:
        """Give the digests of a component's or file's blocks.

        Raises:
            RunnerViolation: an unknown id, or sizes that do not add up.
        """
        digests, total = [], 0
        for block_id in item.ids:
            known = self._known.get(block_id)
            if known is None:
                raise _refuse("block", f"id {block_id} is unknown")
            digests.append(known[0])
            total += known[1]
        if total != item.value.size_bytes:
            raise _refuse("size", f"blocks of {total} bytes for a size of {item.value.size_bytes}")
        return tuple(digests)

    def finish(self, items: Iterable[BlockList]) -> dict[str, bytes]:
        """End a step: forget what was not named, and give the new data by digest."""
        named = {block_id for item in items for block_id in item.ids}
        taken: dict[str, bytes] = {}
        for block_id, data in self._new.items():
            if block_id in named:
                taken[self._known[block_id][0]] = data
        # What the newest commit does not name may be collected by the store at any time.
        self._known = {block_id: known for block_id, known in self._known.items() if block_id in named}
        self._new = {}
        self._new_bytes = 0
        return taken
