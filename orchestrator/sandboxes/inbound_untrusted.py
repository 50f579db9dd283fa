"""The only place where bytes from a runner are decoded. Assume that every one of them is hostile.

Two layers, each refusing with :class:`RunnerViolation` whose message starts with the rule's name:

* :class:`InboundSequence`: FromRunner, its sequence numbers, Hello first and once.
* :func:`decode_executor`: FromExecutor into plain dataclasses, every field within :class:`InboundLimits`.

What a decoded message may refer to is checked next door: block ids in ``block_ledger``, whose turn it is
in ``sandbox`` and ``link``. Nothing from a runner is imported, evaluated, unpickled or used as a path.

Rules: decode, seq, turn, enum, text, name, path, number, count, size, block, protocol, one-stream.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from google.protobuf.message import DecodeError

from orchestrator.sandboxes.inbound_messages import (
    BlockList,
    BlockMessage,
    ExecutorFrame,
    ExecutorFrames,
    ExecutorMessage,
    FinishedMessage,
    HelloInfo,
    InboundLimits,
    OutputMessage,
    RestoredMessage,
    RunnerDeath,
    RunnerMessage,
    RunnerPong,
    RunnerReady,
    StartedMessage,
    violation,
)
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
    StepUsage,
    WorkFile,
)
from sandbox_runner.wire.v1 import runner_pb2 as pb

__all__ = ["InboundSequence", "decode_executor"]

_UINT63 = (1 << 63) - 1
_MAX_FRAMES = 16
_MAX_FRAMES_BYTES = 32 << 10
"""What comes in one message is read without a break, so it is no more than one frame that is read on the event loop."""

_CAUSES = {
    pb.CAUSE_FINISHED: DeathCause.FINISHED,
    pb.CAUSE_DEADLINE: DeathCause.DEADLINE,
    pb.CAUSE_MEMORY: DeathCause.MEMORY,
    pb.CAUSE_CRASHED: DeathCause.CRASHED,
    pb.CAUSE_VIOLATION: DeathCause.VIOLATION,
}
_E = TypeVar("_E", bound=enum.Enum)


# ---------------------------------------------------------------- checks


def _text(value: str, limit: int, what: str) -> str:
    # Protobuf has checked that it is UTF-8.
    if len(value) > limit or len(value.encode()) > limit:
        raise violation("text", f"{what} is longer than {limit} bytes")
    return value


def _line(value: str, limit: int, what: str) -> str:
    """A text for the audit and the log: on one line, whatever was written into it."""
    _text(value, limit, what)
    return value if value.isprintable() else "".join(letter if letter.isprintable() else " " for letter in value)


def _name(value: str, limits: InboundLimits, what: str) -> str:
    # Not only identifiers: globals() and getattr take any text, and using it is not an attack.
    if not value or not value.isprintable():
        raise violation("name", f"{what} is not printable text: {value[:80]!r}")
    return _text(value, limits.name_bytes, what)


def _number(value: int, limit: int, what: str) -> int:
    if value > limit:
        raise violation("number", f"{what} is {value}, at most {limit}")
    return value


def _positive(value: int, what: str) -> int:
    if not 0 < value <= _UINT63:
        raise violation("number", f"{what} is {value}, expected 1 to {_UINT63}")
    return value


def _amount(value: float, what: str) -> float:
    if not (math.isfinite(value) and value >= 0):
        raise violation("number", f"{what} is {value}")
    return value


def _member(kind: type[_E], value: int, what: str) -> _E:
    try:
        return kind(value)  # the numbers of orchestrator.sandboxes.step are those of the proto
    except ValueError:
        raise violation("enum", f"{what} is {value}") from None


def _count(values: Sequence[Any], limit: int, what: str) -> None:
    if len(values) > limit:
        raise violation("count", f"{len(values)} {what}, at most {limit}")


def _path(value: str, limits: InboundLimits) -> str:
    _text(value, limits.path_bytes, "a file's path")
    if "\0" in value or any(part in {"", ".", ".."} for part in value.split("/")):
        raise violation("path", f"not a plain relative path: {value[:80]!r}")
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
            raise violation("decode", f"{len(data)} bytes are not a FromRunner") from None
        self._seq += 1
        if message.seq != self._seq:
            raise violation("seq", f"message {message.seq} came where {self._seq} was due")
        body = message.WhichOneof("body")
        if (body == "hello") != (self._seq == 1):
            raise violation("turn", f"{body or 'nothing'} as message {self._seq}")
        match body:
            case "executor":
                return ExecutorFrame(message.executor)
            case "executors":
                return _frames(message.executors)
            case "pong":
                return RunnerPong(message.pong.nonce)
            case "ready":
                return RunnerReady(message.ready.pid, _amount(message.ready.lockdown_ms, "lockdown_ms"))
            case "death":
                return _death(message.death)
            case "hello":
                return _hello(message.hello)
            case _:
                raise violation("decode", "a FromRunner without a known body")


def _frames(message: pb.ExecutorFrames) -> ExecutorFrames:
    _count(message.frames, _MAX_FRAMES, "frames in one message")
    size = sum(map(len, message.frames))
    if size > _MAX_FRAMES_BYTES:
        raise violation("size", f"{size} bytes of frames in one message, at most {_MAX_FRAMES_BYTES}")
    return ExecutorFrames(tuple(map(ExecutorFrame, message.frames)))


def _hello(hello: pb.Hello) -> HelloInfo:
    return HelloInfo(
        protocol=hello.protocol,
        python_version=_line(hello.python_version, 64, "python_version"),
        image_digest=_line(hello.image_digest, 255, "image_digest"),
        landlock_abi=_number(hello.landlock_abi, 1000, "landlock_abi"),
        seccomp=hello.seccomp,
        separate_uids=hello.separate_uids,
    )


def _death(death: pb.ExecutorDeath) -> RunnerDeath:
    cause = _CAUSES.get(death.cause)
    if cause is None:
        raise violation("enum", f"cause of death is {death.cause}")
    return RunnerDeath(
        cause=cause,
        exit_code=death.exit_code,
        signal=death.signal,
        max_rss_bytes=_number(death.max_rss_bytes, _UINT63, "max_rss_bytes"),
        cpu_seconds=_amount(death.cpu_seconds, "cpu_seconds"),
        detail=_line(death.detail, 4096, "detail"),
    )


# ---------------------------------------------------------------- FromExecutor


def decode_executor(data: bytes, limits: InboundLimits) -> ExecutorMessage:
    """Decode one executor frame.

    Raises:
        RunnerViolation: malformed, or a field outside its limits.
    """
    if len(data) > limits.frame_bytes:
        raise violation("size", f"a frame of {len(data)} bytes, at most {limits.frame_bytes}")
    _check_single_body(data)
    try:
        message = pb.FromExecutor.FromString(data)
    except DecodeError:
        raise violation("decode", f"{len(data)} bytes are not a FromExecutor") from None
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
            raise violation("decode", "a FromExecutor without a known body")


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
    raise violation("decode", "a FromExecutor is exactly one body")


def _output(output: pb.Output, limits: InboundLimits) -> OutputMessage:
    # NUL is legal console text; the size is bounded by the frame and, over a step, by the sandbox.
    return OutputMessage(
        step=_positive(output.step, "step"),
        # Whether the step has that many actions is checked by the sandbox, which knows the step.
        item=OutputItem(_member(OutputKind, output.kind, "output kind"), output.text, output.action),
        size_bytes=len(output.text.encode()),
    )


def _call(call: pb.HostCall, limits: InboundLimits) -> CallRequest:
    kind = _member(CallKind, call.kind, "call kind")
    if (kind in {CallKind.TOOL, CallKind.AWAIT, CallKind.NAME}) != (call.handle == 0):
        raise violation("number", f"a {kind.name} call with handle {call.handle}")
    only_state = kind is CallKind.GET_ATTRIBUTE and not call.name  # reads nothing, brings the state
    return CallRequest(
        step=_positive(call.step, "step"),
        call=_positive(call.call, "call"),
        kind=kind,
        handle=_number(call.handle, _UINT63, "handle"),
        name="" if only_state else _name(call.name, limits, "a call's name"),
        args=call.args,
        version=call.version,
    )


def _finished(done: pb.StepFinished, limits: InboundLimits) -> FinishedMessage:
    outcome = _member(Outcome, done.outcome, "outcome")
    # An exception type may be made with an empty name.
    if done.error_type and outcome is not Outcome.ERROR:
        raise violation("text", f"outcome {outcome.name} with error type {done.error_type[:80]!r}")
    if done.error_traceback and outcome is not Outcome.ERROR:
        raise violation("text", f"outcome {outcome.name} with a traceback")
    if done.exit_value and outcome is not Outcome.EXIT:
        raise violation("size", f"outcome {outcome.name} with an exit value")
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
        error_type=_text(done.error_type, limits.message_bytes, "error type"),
        error_message=_text(done.error_message, limits.message_bytes, "error message"),
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
        error_traceback=_text(done.error_traceback, limits.message_bytes, "traceback"),
    )


def _check_unique(values: Iterable[str], limit: int, what: str) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise violation("name", f"{what} {value[:80]!r} is named twice")
        seen.add(value)
        if len(seen) > limit:
            raise violation("count", f"more than {limit} of kind {what}")


def _component(item: pb.Component, limits: InboundLimits) -> BlockList:
    _count(item.names, limits.names, "names in a component")
    _count(item.blocks, limits.blocks, "blocks of a component")
    if not item.names:
        raise violation("count", "a component without a name")
    # All or none: an executor leaves them out when the message would not fit its frame.
    if item.previews and len(item.previews) != len(item.names):
        raise violation("count", f"{len(item.previews)} previews for {len(item.names)} names")
    value = Component(
        names=tuple(_name(name, limits, "a variable") for name in item.names),
        form=_member(Form, item.form, "form"),
        blocks=(),
        size_bytes=_number(item.size_bytes, _UINT63, "size_bytes"),
        previews=tuple(_text(line, limits.preview_bytes, "a preview") for line in item.previews)
        or ("",) * len(item.names),
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
