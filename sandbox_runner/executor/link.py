"""The executor's end of the socket pair to the supervisor."""

from __future__ import annotations

import os
import socket
import threading

from sandbox_runner.wire.frames import TO_EXECUTOR, Message, block_frame, frame_of, receive_frame, unpack_payload

__all__ = ["Link"]

_RECEIVE_LIMIT = 1 << 30  # the host is trusted; this only keeps a broken stream from asking for everything


class Link:
    """Sends whole frames, from any thread, and receives them, one reader at a time.

    Args:
        sock: blocking stream socket.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        # Reentrant: the collector may run a __del__ that prints while this thread is sending.
        self._lock = threading.RLock()

    def send(self, message: Message) -> None:
        """Send one FromExecutor body."""
        data = frame_of(message)
        with self._lock:
            self._sendall(data)

    def send_block(self, number: int, data: bytes | memoryview) -> None:
        """Send the data of a block from where it lies."""
        head = block_frame(number, len(data))
        with self._lock:
            if len(data) < 16384:
                self._sendall(head + bytes(data))
            else:
                self._sendall(head)
                self._sendall(data)

    def receive(self) -> Message:
        """Wait for one ToExecutor body. Ends the process when the supervisor is gone."""
        frame = receive_frame(self._sock, _RECEIVE_LIMIT)
        if frame is None:
            os._exit(0)
        return unpack_payload(frame[1], TO_EXECUTOR)

    def _sendall(self, data: bytes | memoryview) -> None:
        try:
            self._sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            os._exit(0)
