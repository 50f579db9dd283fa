"""The executor's messages without a protobuf library.

The classes mirror proto/sandbox_runner/wire/v1/runner.proto; a contract test holds both codecs against each other.
Repeated fields are lists. Unknown fields are skipped, as the evolution rule asks.
"""

# ruff: noqa: RUF009 -- the called functions give fresh dataclass field specifications
from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from sandbox_runner.wire.framing import FrameError

__all__ = [
    "FROM_EXECUTOR",
    "FROM_KINDS",
    "TO_EXECUTOR",
    "TO_KINDS",
    "Action",
    "Block",
    "Blocks",
    "CallResult",
    "Component",
    "File",
    "FrameError",
    "HostCall",
    "Lost",
    "Message",
    "Output",
    "Restore",
    "Restored",
    "RunStep",
    "StepFinished",
    "StepStarted",
    "ToolSpec",
    "Usage",
    "decode_message",
    "encode_message",
    "read_varint",
    "varint",
]

_DOUBLE = struct.Struct("<d")
_Kind = Literal["uint", "int", "bool", "double", "string", "bytes"]


class Message:
    """Base of the message classes; ``_TABLE`` is filled from the field metadata."""

    __slots__ = ()


def _f(number: int, kind: _Kind) -> Any:
    empty: dict[str, object] = {"uint": 0, "int": 0, "bool": False, "double": 0.0, "string": "", "bytes": b""}
    return field(default=empty[kind], metadata={"number": number, "kind": kind})


def _many(number: int, kind: _Kind | type[Message]) -> Any:
    return field(default_factory=list, metadata={"number": number, "kind": kind, "repeated": True})


def _one(number: int, kind: type[Message]) -> Any:
    return field(default=None, metadata={"number": number, "kind": kind})


@dataclass(slots=True)
class Lost(Message):
    """A variable or file that cannot be kept."""

    name: str = _f(1, "string")
    reason: str = _f(2, "string")


@dataclass(slots=True)
class Restored(Message):
    """The starting commit is in place."""

    lost: list[Lost] = _many(1, Lost)


@dataclass(slots=True)
class StepStarted(Message):
    """The start acknowledgement of RunStep."""

    step: int = _f(1, "uint")


@dataclass(slots=True)
class Output(Message):
    """One console element."""

    step: int = _f(1, "uint")
    kind: int = _f(2, "uint")
    text: str = _f(3, "string")
    action: int = _f(4, "uint")


@dataclass(slots=True)
class HostCall(Message):
    """The executor waits for the CallResult with the same call number."""

    step: int = _f(1, "uint")
    call: int = _f(2, "uint")
    kind: int = _f(3, "uint")
    handle: int = _f(4, "uint")
    name: str = _f(5, "string")
    args: bytes = _f(6, "bytes")
    version: bytes = _f(7, "bytes")


@dataclass(slots=True)
class Block(Message):
    """Data of a checkpoint."""

    id: int = _f(1, "uint")
    data: bytes = _f(2, "bytes")


@dataclass(slots=True)
class Component(Message):
    """Variables that share mutable objects, serialized together."""

    names: list[str] = _many(1, "string")
    form: int = _f(2, "uint")
    blocks: list[int] = _many(3, "uint")
    size_bytes: int = _f(4, "uint")
    previews: list[str] = _many(5, "string")


@dataclass(slots=True)
class File(Message):
    """A file of the work directory."""

    path: str = _f(1, "string")
    mode: int = _f(2, "uint")
    size_bytes: int = _f(3, "uint")
    blocks: list[int] = _many(4, "uint")


@dataclass(slots=True)
class Usage(Message):
    """What a step took."""

    wall_seconds: float = _f(1, "double")
    cpu_seconds: float = _f(2, "double")
    max_rss_bytes: int = _f(3, "uint")
    checkpoint_seconds: float = _f(4, "double")


@dataclass(slots=True)
class StepFinished(Message):
    """The end of a step, with the whole workspace as a list of blocks."""

    step: int = _f(1, "uint")
    outcome: int = _f(2, "uint")
    error_type: str = _f(3, "string")
    error_message: str = _f(4, "string")
    exit_value: bytes = _f(5, "bytes")
    components: list[Component] = _many(6, Component)
    files: list[File] = _many(7, File)
    lost: list[Lost] = _many(8, Lost)
    held: list[int] = _many(9, "uint")
    statement: int = _f(10, "uint")
    output_dropped_bytes: int = _f(11, "uint")
    usage: Usage | None = _one(12, Usage)
    error_traceback: str = _f(13, "string")


@dataclass(slots=True)
class Blocks(Message):
    """Several blocks of the starting commit at once."""

    blocks: list[Block] = _many(1, Block)


@dataclass(slots=True)
class Restore(Message):
    """Puts the starting commit in place."""

    components: list[Component] = _many(1, Component)
    files: list[File] = _many(2, File)
    lost: list[Lost] = _many(3, Lost)
    shared_context: bool = _f(4, "bool")
    unsaved: bool = _f(5, "bool")
    one_step: bool = _f(6, "bool")


@dataclass(slots=True)
class ToolSpec(Message):
    """A Python tool of the job."""

    name: str = _f(1, "string")
    signature: str = _f(2, "string")
    doc: str = _f(3, "string")
    objects: list[str] = _many(4, "string")
    subject: str = _f(5, "string")


@dataclass(slots=True)
class Action(Message):
    """Something that runs before the step's own code."""

    kind: int = _f(1, "uint")
    code: str = _f(2, "string")
    tool: str = _f(3, "string")
    args: bytes = _f(4, "bytes")
    error_type: str = _f(5, "string")
    error_message: str = _f(6, "string")


@dataclass(slots=True)
class RunStep(Message):
    """Runs one block of code."""

    step: int = _f(1, "uint")
    code: str = _f(2, "string")
    time_us: int = _f(3, "int")
    seed: int = _f(4, "uint")
    tools: list[ToolSpec] = _many(5, ToolSpec)
    handles: bytes = _f(6, "bytes")
    echo: bool = _f(7, "bool")
    max_calls: int = _f(8, "uint")
    actions: list[Action] = _many(9, Action)
    shared_context: bool = _f(16, "bool")
    shared_names: list[str] = _many(17, "string")
    enums: bytes = _f(18, "bytes")


@dataclass(slots=True)
class CallResult(Message):
    """Answer to a HostCall."""

    step: int = _f(1, "uint")
    call: int = _f(2, "uint")
    value: bytes = _f(3, "bytes")
    error_type: str = _f(4, "string")
    error_message: str = _f(5, "string")
    handles: bytes = _f(6, "bytes")
    shown: list[str] = _many(7, "string")


FROM_EXECUTOR: dict[int, type[Message]] = {
    1: Restored,
    2: StepStarted,
    3: Output,
    4: HostCall,
    5: Block,
    6: StepFinished,
}
"""Bodies of FromExecutor by field number, which is also the kind byte."""

TO_EXECUTOR: dict[int, type[Message]] = {1: Block, 2: Restore, 3: RunStep, 4: CallResult, 5: Blocks}
"""Bodies of ToExecutor by field number, which is also the kind byte."""

FROM_KINDS = {message: kind for kind, message in FROM_EXECUTOR.items()}
TO_KINDS = {message: kind for kind, message in TO_EXECUTOR.items()}


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    kind: _Kind | type[Message]
    repeated: bool
    tag: bytes


def varint(number: int) -> bytes:
    """Encode a number; a negative one as 64 bits."""
    if number < 0x80:
        if number < 0:
            number &= (1 << 64) - 1
        else:
            return bytes((number,))
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _is_packed(kind: _Kind | type[Message]) -> bool:
    return kind in {"uint", "int", "bool", "double"}


def _table(message: type[Message]) -> dict[int, _Field]:
    fields: dict[int, _Field] = {}
    for name, info in message.__dataclass_fields__.items():  # type: ignore[attr-defined]
        number, kind = info.metadata["number"], info.metadata["kind"]
        repeated = info.metadata.get("repeated", False)
        wire = 1 if kind == "double" else 0 if _is_packed(kind) else 2
        fields[number] = _Field(
            name, kind, repeated, varint(number << 3 | (2 if repeated and _is_packed(kind) else wire))
        )
    return fields


_TABLES: dict[type[Message], dict[int, _Field]] = {
    message: _table(message) for message in {*FROM_KINDS, *TO_KINDS, Action, Component, File, Lost, ToolSpec, Usage}
}


def encode_message(message: Message) -> bytes:
    """Serialize one message. Surrogates in text must be escaped before.

    Raises:
        FrameError: a text cannot be UTF-8.
    """
    out = bytearray()
    for info in _TABLES[type(message)].values():
        value = getattr(message, info.name)
        if info.repeated:
            if not value:
                continue
            if _is_packed(info.kind):
                data = b"".join([_scalar(info.kind, item) for item in value])
                out += info.tag + varint(len(data)) + data
            else:
                for item in value:
                    out += info.tag + _scalar(info.kind, item)
        elif value:  # a message object is always true, None and the defaults are left out
            out += info.tag + _scalar(info.kind, value)
    return bytes(out)


def _scalar(kind: _Kind | type[Message], value: Any) -> bytes:
    data: bytes
    if kind in {"uint", "int", "bool"}:
        return varint(value)
    if kind == "double":
        return _DOUBLE.pack(value)
    if kind == "string":
        try:
            data = value.encode()
        except UnicodeEncodeError as error:
            raise FrameError(f"text with a lone surrogate at {error.start}") from None
    elif kind == "bytes":
        data = value
    else:
        data = encode_message(value)
    return varint(len(data)) + data


_M = TypeVar("_M", bound=Message)


def decode_message(kind: type[_M], data: bytes | memoryview) -> _M:
    """Parse one message.

    Raises:
        FrameError: the bytes are not a message of this kind.
    """
    view = memoryview(data)
    try:
        return _decode(kind, view)
    except (IndexError, struct.error):
        raise FrameError(f"{kind.__name__} ends too early") from None
    except UnicodeDecodeError:
        raise FrameError(f"{kind.__name__} has a text that is not UTF-8") from None


def read_varint(view: memoryview, pos: int) -> tuple[int, int]:
    """Give a number and the position after it."""
    byte = view[pos]
    if byte < 0x80:
        return byte, pos + 1
    result = shift = 0
    while True:
        byte = view[pos]
        pos += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & (1 << 64) - 1, pos
        shift += 7
        if shift > 63:
            raise FrameError("number longer than 64 bits")


def _decode(kind: type[_M], view: memoryview) -> _M:
    message = kind()
    table = _TABLES[kind]
    pos, end = 0, len(view)
    while pos < end:
        tag, pos = read_varint(view, pos)
        number, wire = tag >> 3, tag & 7
        raw: int | memoryview
        if wire == 0:
            raw, pos = read_varint(view, pos)
        elif wire == 2:
            length, pos = read_varint(view, pos)
            if length > end - pos:
                raise IndexError
            raw = view[pos : pos + length]
            pos += length
        elif wire in {1, 5}:
            length = 8 if wire == 1 else 4
            if length > end - pos:
                raise IndexError
            raw = view[pos : pos + length]
            pos += length
        else:
            raise FrameError(f"unknown wire type {wire} in {kind.__name__}")
        info = table.get(number)
        if info is None:
            continue
        if info.repeated and wire == 2 and _is_packed(info.kind):
            getattr(message, info.name).extend(_unpacked(info, raw))
            continue
        value = _value(info, wire, raw)
        if info.repeated:
            getattr(message, info.name).append(value)
        else:
            setattr(message, info.name, value)
    return message


def _unpacked(info: _Field, raw: int | memoryview) -> Iterator[Any]:
    if isinstance(raw, int):
        raise FrameError(f"field {info.name} has the wrong wire type")
    pos = 0
    while pos < len(raw):
        number, pos = read_varint(raw, pos)
        yield _number(info.kind, number)


def _number(kind: _Kind | type[Message], number: int) -> int | bool:
    if kind == "bool":
        return bool(number)
    return number - (1 << 64) if kind == "int" and number >> 63 else number


def _value(info: _Field, wire: int, raw: int | memoryview) -> Any:
    kind = info.kind
    if isinstance(raw, int):
        if kind in {"uint", "int", "bool"}:
            return _number(kind, raw)
    elif kind == "double":
        if wire == 1:
            return _DOUBLE.unpack(raw)[0]
    elif wire == 2:
        if kind == "string":
            return str(raw, "utf-8")
        if kind == "bytes":
            return bytes(raw)
        if isinstance(kind, type):
            return _decode(kind, raw)
    raise FrameError(f"field {info.name} has the wrong wire type")
