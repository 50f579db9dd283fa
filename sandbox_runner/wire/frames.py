"""Frames between supervisor and executor, and the executor's messages without a protobuf library.

A local frame on the stream socket pair is: payload length (u32, little-endian, the payload alone), kind (u8, the
field number of the body in ``FromExecutor`` / ``ToExecutor``), payload (the serialized ``FromExecutor`` or
``ToExecutor``). The supervisor relays payloads unread.

The message classes mirror proto/sandbox_runner/wire/v1/runner.proto; a contract test holds both against the
generated code. Repeated fields are lists. Unknown fields are skipped, as the evolution rule asks.
"""

# ruff: noqa: RUF009 -- the called functions give fresh dataclass field specifications
from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

__all__ = [
    "FROM_EXECUTOR",
    "TO_EXECUTOR",
    "Block",
    "CallResult",
    "Component",
    "File",
    "Frame",
    "FrameError",
    "FrameParser",
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
    "block_frame",
    "decode_message",
    "encode_message",
    "frame_of",
    "kind_of_payload",
    "pack_frame",
    "receive_frame",
    "unpack_payload",
]

_HEADER = struct.Struct("<IB")
_DOUBLE = struct.Struct("<d")
_Kind = Literal["uint", "int", "bool", "double", "string", "bytes"]
Frame = tuple[int, bytes]
"""Kind byte and payload."""


class FrameError(ValueError):
    """A frame or message that breaks the format or its size limit; the message says which."""


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


@dataclass(slots=True)
class Restore(Message):
    """Puts the starting commit in place."""

    components: list[Component] = _many(1, Component)
    files: list[File] = _many(2, File)
    lost: list[Lost] = _many(3, Lost)


@dataclass(slots=True)
class ToolSpec(Message):
    """A Python tool of the job."""

    name: str = _f(1, "string")
    signature: str = _f(2, "string")
    doc: str = _f(3, "string")


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


@dataclass(slots=True)
class CallResult(Message):
    """Answer to a HostCall."""

    step: int = _f(1, "uint")
    call: int = _f(2, "uint")
    value: bytes = _f(3, "bytes")
    error_type: str = _f(4, "string")
    error_message: str = _f(5, "string")
    handles: bytes = _f(6, "bytes")


FROM_EXECUTOR: dict[int, type[Message]] = {
    1: Restored,
    2: StepStarted,
    3: Output,
    4: HostCall,
    5: Block,
    6: StepFinished,
}
"""Bodies of FromExecutor by field number, which is also the kind byte."""

TO_EXECUTOR: dict[int, type[Message]] = {1: Block, 2: Restore, 3: RunStep, 4: CallResult}
"""Bodies of ToExecutor by field number, which is also the kind byte."""

_FROM_KINDS = {message: kind for kind, message in FROM_EXECUTOR.items()}
_TO_KINDS = {message: kind for kind, message in TO_EXECUTOR.items()}


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    kind: _Kind | type[Message]
    repeated: bool
    tag: bytes


def _varint(number: int) -> bytes:
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
            name, kind, repeated, _varint(number << 3 | (2 if repeated and _is_packed(kind) else wire))
        )
    return fields


_TABLES: dict[type[Message], dict[int, _Field]] = {
    message: _table(message) for message in {*_FROM_KINDS, *_TO_KINDS, Component, File, Lost, ToolSpec, Usage}
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
                out += info.tag + _varint(len(data)) + data
            else:
                for item in value:
                    out += info.tag + _scalar(info.kind, item)
        elif value:  # a message object is always true, None and the defaults are left out
            out += info.tag + _scalar(info.kind, value)
    return bytes(out)


def _scalar(kind: _Kind | type[Message], value: Any) -> bytes:
    data: bytes
    if kind in {"uint", "int", "bool"}:
        return _varint(value)
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
    return _varint(len(data)) + data


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


def _read_varint(view: memoryview, pos: int) -> tuple[int, int]:
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
        tag, pos = _read_varint(view, pos)
        number, wire = tag >> 3, tag & 7
        raw: int | memoryview
        if wire == 0:
            raw, pos = _read_varint(view, pos)
        elif wire == 2:
            length, pos = _read_varint(view, pos)
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
        number, pos = _read_varint(raw, pos)
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


# ---------------------------------------------------------------- frames


def pack_frame(kind: int, payload: bytes) -> bytes:
    """Put the local header before a payload that is already a serialized FromExecutor or ToExecutor."""
    return _HEADER.pack(len(payload), kind) + payload


def kind_of_payload(payload: bytes) -> int:
    """Give the kind of a serialized FromExecutor or ToExecutor: the field number of its body.

    Raises:
        FrameError: it does not start with a body.
    """
    if not payload or payload[0] & 7 != 2 or payload[0] >= 0x80:
        raise FrameError("the payload does not start with a message body")
    return payload[0] >> 3


def frame_of(message: Message, *, to_executor: bool = False) -> bytes:
    """Serialize a body as a whole local frame.

    Args:
        message: the body of a FromExecutor, or of a ToExecutor.
        to_executor: which of the two (Block exists in both).
    """
    kind = (_TO_KINDS if to_executor else _FROM_KINDS)[type(message)]
    data = encode_message(message)
    head = bytes((kind << 3 | 2,)) + _varint(len(data))
    return _HEADER.pack(len(head) + len(data), kind) + head + data


def block_frame(number: int, size: int) -> bytes:
    """Everything of a FromExecutor block frame that comes before its ``size`` bytes of data.

    The data can then be sent from where it lies, without a copy.
    """
    head = b"\x08" + _varint(number) + b"\x12" + _varint(size) if size else b"\x08" + _varint(number)
    kind = _FROM_KINDS[Block]
    outer = bytes((kind << 3 | 2,)) + _varint(len(head) + size)
    return _HEADER.pack(len(outer) + len(head) + size, kind) + outer + head


def unpack_payload(payload: bytes, bodies: dict[int, type[Message]]) -> Message:
    """Parse the body of a serialized FromExecutor (``FROM_EXECUTOR``) or ToExecutor (``TO_EXECUTOR``).

    Raises:
        FrameError: no known body, or a malformed one.
    """
    kind = kind_of_payload(payload)
    body = bodies.get(kind)
    if body is None:
        raise FrameError(f"unknown kind of message {kind}")
    view = memoryview(payload)
    try:
        length, pos = _read_varint(view, 1)
    except IndexError:
        raise FrameError("the payload ends too early") from None
    if pos + length != len(payload):
        raise FrameError("the payload is not exactly one message body")
    return decode_message(body, view[pos:])


def receive_frame(sock: socket.socket, max_bytes: int) -> Frame | None:
    """Wait for one frame on a blocking socket.

    Args:
        sock: stream socket.
        max_bytes: largest acceptable payload.

    Returns:
        Kind and payload, or None when the other side closed between frames.

    Raises:
        FrameError: too large, or the stream ended inside a frame.
    """
    header = _receive(sock, _HEADER.size)
    if header is None:
        return None
    size, kind = _HEADER.unpack(header)
    if size > max_bytes:
        raise FrameError(f"frame of {size} bytes, at most {max_bytes} are accepted")
    payload = _receive(sock, size) if size else b""
    if payload is None:
        raise FrameError("the stream ended inside a frame")
    return kind, payload


def _receive(sock: socket.socket, size: int) -> bytes | None:
    data = sock.recv(size)
    if len(data) == size:
        return data
    if not data:
        return None
    parts = bytearray(data)
    while len(parts) < size:
        data = sock.recv(size - len(parts))
        if not data:
            raise FrameError("the stream ended inside a frame")
        parts += data
    return bytes(parts)


class FrameParser:
    """Cuts a byte stream into frames, for a reader that must not block.

    Args:
        max_bytes: largest acceptable payload.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()

    @property
    def pending_bytes(self) -> int:
        """Bytes of an incomplete frame."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """Take what arrived and give the frames that it completes.

        Raises:
            FrameError: a header announces more than the limit; the stream is of no use any more.
        """
        buffer = self._buffer
        buffer += data
        frames: list[Frame] = []
        pos = 0
        while len(buffer) - pos >= _HEADER.size:
            size, kind = _HEADER.unpack_from(buffer, pos)
            if size > self._max_bytes:
                raise FrameError(f"frame of {size} bytes, at most {self._max_bytes} are accepted")
            stop = pos + _HEADER.size + size
            if stop > len(buffer):
                break
            frames.append((kind, bytes(memoryview(buffer)[pos + _HEADER.size : stop])))
            pos = stop
        if pos:
            del buffer[:pos]
        return frames
