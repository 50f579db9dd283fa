"""Frames between supervisor and executor.

A local frame on the stream socket pair is: payload length (u32, little-endian, the payload alone), kind (u8, the
field number of the body in ``FromExecutor`` / ``ToExecutor``), payload (the serialized ``FromExecutor`` or
``ToExecutor``). The supervisor relays payloads unread. The message classes are those of ``messages``.
"""

from __future__ import annotations

import socket
import struct

from sandbox_runner.wire.messages import (
    FROM_EXECUTOR,
    FROM_KINDS,
    TO_EXECUTOR,
    TO_KINDS,
    Action,
    Block,
    Blocks,
    CallResult,
    Component,
    File,
    FrameError,
    HostCall,
    Lost,
    Message,
    Output,
    Restore,
    Restored,
    RunStep,
    StepFinished,
    StepStarted,
    ToolSpec,
    Usage,
    decode_message,
    encode_message,
    read_varint,
    varint,
)

__all__ = [
    "FROM_EXECUTOR",
    "TO_EXECUTOR",
    "Action",
    "Block",
    "Blocks",
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
Frame = tuple[int, bytes]
"""Kind byte and payload."""


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
    kind = (TO_KINDS if to_executor else FROM_KINDS)[type(message)]
    data = encode_message(message)
    head = bytes((kind << 3 | 2,)) + varint(len(data))
    return _HEADER.pack(len(head) + len(data), kind) + head + data


def block_frame(number: int, size: int) -> bytes:
    """Everything of a FromExecutor block frame that comes before its ``size`` bytes of data.

    The data can then be sent from where it lies, without a copy.
    """
    head = b"\x08" + varint(number) + b"\x12" + varint(size) if size else b"\x08" + varint(number)
    kind = FROM_KINDS[Block]
    outer = bytes((kind << 3 | 2,)) + varint(len(head) + size)
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
        length, pos = read_varint(view, 1)
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
