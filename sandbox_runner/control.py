"""What supervisor and zygote say to each other: datagrams on a SOCK_SEQPACKET pair, and one shared number.

The deadline is a shared number, not a message, because it is stopped and started around every host call.
A Wake names a time until which the zygote promises to look again, whatever the number says when the Wake
arrives; as long as that time is ahead, only a deadline before it needs another Wake.
"""

from __future__ import annotations

import mmap
import socket
import struct
import time
from dataclasses import astuple, dataclass

from sandbox_runner.lockdown.limits import ExecutorLimits

__all__ = [
    "MAX_MESSAGE_BYTES",
    "Claimed",
    "Ended",
    "KillOrder",
    "LockedDown",
    "SharedDeadline",
    "Wake",
    "Warm",
    "decode_control",
    "encode_control",
]

MAX_MESSAGE_BYTES = 4096
_MAX_DETAIL_BYTES = 1024

_LIMITS = struct.Struct("<11Q")
_WAKE = struct.Struct("<Q")
_LOCKED_DOWN = struct.Struct("<Id")
_ENDED = struct.Struct("<BiiQd")


@dataclass(frozen=True, slots=True)
class Warm:
    """Zygote: the libraries are loaded, a claim can come."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """Supervisor, and on from the zygote to the executor: its limits; the message carries its socket."""

    limits: ExecutorLimits


@dataclass(frozen=True, slots=True)
class Wake:
    """Supervisor: look at the shared deadline not later than at this time (monotonic, nanoseconds)."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class KillOrder:
    """Supervisor: end the executor for a violation."""

    detail: str


@dataclass(frozen=True, slots=True)
class LockedDown:
    """Zygote: the executor exists and has lost its rights."""

    pid: int
    lockdown_ms: float


@dataclass(frozen=True, slots=True)
class Ended:
    """Zygote: the executor is gone; ``cause`` is a number of the proto enum Cause."""

    cause: int
    exit_code: int
    signal: int
    max_rss_bytes: int
    cpu_seconds: float
    detail: str


ControlMessage = Warm | Claimed | Wake | KillOrder | LockedDown | Ended


def encode_control(message: ControlMessage) -> bytes:
    """Serialize one datagram."""
    match message:
        case Warm():
            return b"H"
        case Wake(at_ns):
            return b"W" + _WAKE.pack(at_ns)
        case Claimed(limits):
            return b"C" + _LIMITS.pack(*astuple(limits))
        case KillOrder(detail):
            return b"K" + _detail(detail)
        case LockedDown(pid, lockdown_ms):
            return b"R" + _LOCKED_DOWN.pack(pid, lockdown_ms)
        case Ended(cause, exit_code, signal, max_rss_bytes, cpu_seconds, detail):
            return b"D" + _ENDED.pack(cause, exit_code, signal, max_rss_bytes, cpu_seconds) + _detail(detail)


def _detail(text: str) -> bytes:
    # Cut at a character: what is not whole at the end is dropped.
    return text.encode("utf-8", "replace")[:_MAX_DETAIL_BYTES].decode("utf-8", "ignore").encode()


def decode_control(data: bytes) -> ControlMessage:
    """Parse one datagram.

    Raises:
        ValueError: not one of the messages.
    """
    kind, body = data[:1], data[1:]
    try:
        if kind == b"H" and not body:
            return Warm()
        if kind == b"W":
            return Wake(*_WAKE.unpack(body))
        if kind == b"C":
            return Claimed(ExecutorLimits(*_LIMITS.unpack(body)))
        if kind == b"K":
            return KillOrder(body.decode())
        if kind == b"R":
            return LockedDown(*_LOCKED_DOWN.unpack(body))
        if kind == b"D":
            cause, exit_code, signal, max_rss_bytes, cpu_seconds = _ENDED.unpack(body[: _ENDED.size])
            return Ended(cause, exit_code, signal, max_rss_bytes, cpu_seconds, body[_ENDED.size :].decode())
    except struct.error as error:
        raise ValueError(f"control message {kind!r}: {error}") from None
    raise ValueError(f"unknown control message {kind!r} of {len(data)} bytes")


class SharedDeadline:
    """A monotonic time in nanoseconds, 0 for none, shared by zygote and supervisor.

    The page is kept out of executors (MADV_DONTFORK), once the supervisor is forked.
    """

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
        # One aligned store of 8 bytes: the other side never sees half a number.
        self._cell = memoryview(self._page).cast("Q")
        self._told = 0

    def hide_from_forks(self) -> None:
        """Leave the page out of every process forked from now on; they must not touch this object."""
        self._page.madvise(mmap.MADV_DONTFORK)

    def read(self) -> int:
        """The deadline in nanoseconds of the monotonic clock, or 0."""
        return int(self._cell[0])

    def clear(self) -> None:
        """Stop the clock."""
        self._cell[0] = 0

    def arm(self, milliseconds: int, control: socket.socket) -> None:
        """Set the deadline, counted from now, and wake the zygote where it would sleep past it."""
        deadline = time.monotonic_ns() + milliseconds * 1_000_000
        self._cell[0] = deadline
        if not time.monotonic_ns() < self._told <= deadline:
            self._told = deadline
            control.send(encode_control(Wake(deadline)))
