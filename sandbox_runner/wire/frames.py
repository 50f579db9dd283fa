"""Frames between supervisor and executor with what is in them: ``framing`` and ``messages`` together."""

from __future__ import annotations

from sandbox_runner.wire.framing import (
    HEADER,
    Frame,
    FrameError,
    FrameParser,
    kind_of_payload,
    pack_frame,
    receive_frame,
)
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


def frame_of(message: Message, *, to_executor: bool = False) -> bytes:
    """Serialize a body as a whole local frame.

    Args:
        message: the body of a FromExecutor, or of a ToExecutor.
        to_executor: which of the two (Block exists in both).
    """
    kind = (TO_KINDS if to_executor else FROM_KINDS)[type(message)]
    data = encode_message(message)
    head = bytes((kind << 3 | 2,)) + varint(len(data))
    return HEADER.pack(len(head) + len(data), kind) + head + data


def block_frame(number: int, size: int) -> bytes:
    """Everything of a FromExecutor block frame that comes before its ``size`` bytes of data.

    The data can then be sent from where it lies, without a copy.
    """
    head = b"\x08" + varint(number) + b"\x12" + varint(size) if size else b"\x08" + varint(number)
    kind = FROM_KINDS[Block]
    outer = bytes((kind << 3 | 2,)) + varint(len(head) + size)
    return HEADER.pack(len(outer) + len(head) + size, kind) + outer + head


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
