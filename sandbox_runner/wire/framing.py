"""The stream between supervisor and executor: where a frame begins and ends, and of which kind it is.

A frame is: payload length (u32, little-endian, the payload alone), kind (u8, the field number of the body in
``FromExecutor`` / ``ToExecutor``), payload (the serialized ``FromExecutor`` or ``ToExecutor``). The supervisor relays
payloads unread, so it loads this and not the message classes.
"""

from __future__ import annotations

import socket
import struct

__all__ = ["HEADER", "Frame", "FrameError", "FrameParser", "kind_of_payload", "pack_frame", "receive_frame"]

HEADER = struct.Struct("<IB")
Frame = tuple[int, bytes]
"""Kind byte and payload."""


class FrameError(ValueError):
    """A frame or message that breaks the format or its size limit; the message says which."""


def pack_frame(kind: int, payload: bytes) -> bytes:
    """Put the local header before a payload that is already a serialized FromExecutor or ToExecutor."""
    return HEADER.pack(len(payload), kind) + payload


def kind_of_payload(payload: bytes) -> int:
    """Give the kind of a serialized FromExecutor or ToExecutor: the field number of its body.

    Raises:
        FrameError: it does not start with a body.
    """
    if not payload or payload[0] & 7 != 2 or payload[0] >= 0x80:
        raise FrameError("the payload does not start with a message body")
    return payload[0] >> 3


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
    header = _receive(sock, HEADER.size)
    if header is None:
        return None
    size, kind = HEADER.unpack(header)
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
        while len(buffer) - pos >= HEADER.size:
            size, kind = HEADER.unpack_from(buffer, pos)
            if size > self._max_bytes:
                raise FrameError(f"frame of {size} bytes, at most {self._max_bytes} are accepted")
            stop = pos + HEADER.size + size
            if stop > len(buffer):
                break
            frames.append((kind, bytes(memoryview(buffer)[pos + HEADER.size : stop])))
            pos = stop
        if pos:
            del buffer[:pos]
        return frames
