"""Bounded console of one step: head streamed as it comes, tail kept, the middle counted.

A step's actions and its own code are *slots*, one after the other. What is left of the step's bounds is shared evenly
between the slots that are still to come, so that a noisy one leaves room for the rest.
Writes come from any thread. Text is cut at character boundaries and lone surrogates are escaped.
"""

from __future__ import annotations

import io
import threading
from collections import deque

from sandbox_runner.executor.link import Link
from sandbox_runner.wire.frames import Output

__all__ = ["ECHO", "ERROR", "NOTE", "PRINT", "STREAM", "Console", "ConsoleStream", "printable"]

PRINT, ECHO, ERROR, STREAM, NOTE = 1, 2, 3, 4, 5
_PIECE = 32 << 10  # characters per frame, at most four bytes each
_HEAD_ELEMENTS = 8192  # an element costs a frame and a place in the host's record, an empty one too
_TAIL_ELEMENTS = 2048
_FINAL_LIMIT = 4096  # characters of an error or note, which are shown whatever was printed before


def printable(text: str) -> str:
    """Escape lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def _size(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(len(text[at : at + _PIECE].encode("utf-8", "backslashreplace")) for at in range(0, len(text), _PIECE))


class Console:
    """Console elements of the step that runs.

    Args:
        link: where they go.
        head_bytes: bytes that are sent as they come; 0 for all.
        tail_bytes: bytes of the end that are kept for the end of the step.
    """

    def __init__(self, link: Link, head_bytes: int, tail_bytes: int) -> None:
        self._link = link
        self._head_bytes = head_bytes
        self._tail_bytes = tail_bytes
        self._lock = threading.RLock()
        self._head_limit, self._tail_limit = head_bytes, tail_bytes
        self._head_elements, self._tail_elements = _HEAD_ELEMENTS, _TAIL_ELEMENTS
        self._head_left, self._tail_left = head_bytes, tail_bytes
        self._head_elements_left, self._tail_elements_left = _HEAD_ELEMENTS, _TAIL_ELEMENTS
        self._slots_left = 1
        self._step: int | None = None
        self._slot = 0
        self._used = self._sent = 0
        self._tail: deque[tuple[int, str]] = deque()
        self._tail_used = 0
        self._line: list[str] = []
        self._dropped = 0
        self.dropped_bytes = 0

    def begin(self, step: int, slots: int = 1) -> None:
        """Start a step of that many slots; ``slot`` begins each. Until then, and after ``end``, output goes nowhere."""
        with self._lock:
            self._step = step
            self._head_left, self._tail_left = self._head_bytes, self._tail_bytes
            self._head_elements_left, self._tail_elements_left = _HEAD_ELEMENTS, _TAIL_ELEMENTS
            self.dropped_bytes = 0
            self.slot(0)
            self._slots_left = slots

    def slot(self, number: int) -> None:
        """Go on in a slot, after ``end`` of the one before: 0 for the step's own code, n for its n-th action."""
        with self._lock:
            self._slot = number
            share = max(self._slots_left, 1)
            self._slots_left -= 1
            # A bound of 0 bytes is none; a slot's share of a bound must not become that.
            self._head_limit = max(self._head_left // share, 1) if self._head_bytes else 0
            self._tail_limit = self._tail_left // share
            self._head_elements = self._head_elements_left // share
            self._tail_elements = self._tail_elements_left // share
            self._used = self._sent = self._tail_used = self._dropped = 0
            self._tail.clear()
            self._line.clear()

    def emit(self, kind: int, text: str) -> None:
        """Take one element."""
        with self._lock:
            if self._step is None:
                return
            self._flush_line()
            self._take(kind, text)

    def write(self, text: str) -> None:
        """Take a piece of a stream; whole lines become elements."""
        with self._lock:
            if self._step is None:
                return
            self._line.append(text)
            if "\n" in text or len(self._line) > 1000:
                whole = "".join(self._line)
                self._line.clear()
                lines, newline, rest = whole.rpartition("\n")
                if newline:
                    self._take(STREAM, lines)
                if len(rest) > _PIECE:
                    self._take(STREAM, rest)
                elif rest:
                    self._line.append(rest)

    def end(self) -> None:
        """Send what is kept of the end of the slot, with one note about what is not."""
        with self._lock:
            self._flush_line()
            if self._dropped:
                self._send(NOTE, f"({self._dropped} bytes of output left out)")
            for kind, text in self._tail:
                self._send(kind, text)
            self._head_left -= self._used
            self._head_elements_left -= self._sent
            self._tail_left -= self._tail_used
            self._tail_elements_left -= len(self._tail)
            self.dropped_bytes += self._dropped
            self._used = self._sent = self._tail_used = self._dropped = 0
            self._tail.clear()

    def final(self, kind: int, text: str) -> None:
        """Send an element after ``end``: the error, notes. Bounded on its own, outside the output limits."""
        with self._lock:
            if len(text) > _FINAL_LIMIT:
                text = f"{text[: _FINAL_LIMIT // 2]} ... {text[-_FINAL_LIMIT // 2 :]}"
            self._send(kind, text)

    def close(self) -> None:
        """The step is over: what leftover threads print is nobody's."""
        with self._lock:
            self._step = None

    def _flush_line(self) -> None:
        if self._line:
            text = "".join(self._line)
            self._line.clear()
            self._take(STREAM, text)

    def _take(self, kind: int, text: str) -> None:
        size = _size(text)
        room = self._head_limit - self._used
        if not self._head_bytes or (size <= room and self._sent < self._head_elements):
            self._used += size
            self._sent += 1
            self._send(kind, text)
            return
        if self._sent >= self._head_elements:
            room = 0
        self._used, self._sent = self._head_limit, self._head_elements
        if room > 0:
            head = _first(text, room)
            if head:
                self._send(kind, head)
                text = text[len(head) :]
                size = _size(text)
        self._keep(kind, text, size)

    def _keep(self, kind: int, text: str, size: int) -> None:
        if size > self._tail_limit:
            kept = _last(text, self._tail_limit)
            kept_size = _size(kept)
            self._dropped += size - kept_size
            text, size = kept, kept_size
        self._tail.append((kind, text))
        self._tail_used += size
        # An element also costs a frame: many empty ones are bounded like bytes.
        while self._tail_used > self._tail_limit or len(self._tail) > self._tail_elements:
            _, old = self._tail.popleft()
            old_size = _size(old)
            self._tail_used -= old_size
            self._dropped += old_size or 1  # an empty line is its line end

    def _send(self, kind: int, text: str) -> None:
        step = self._step
        if step is None:
            return
        text = printable(text)
        if len(text) <= _PIECE:
            self._link.send(Output(step, kind, text, self._slot))
            return
        for at in range(0, len(text), _PIECE):
            self._link.send(Output(step, kind, text[at : at + _PIECE], self._slot))


def _first(text: str, room: int) -> str:
    part = text[:room]
    while _size(part) > room:
        part = part[: max(len(part) - max((_size(part) - room) // 4, 1), 0)]
    return part


def _last(text: str, room: int) -> str:
    part = text[-room:] if room else ""
    while _size(part) > room:
        part = part[max((_size(part) - room) // 4, 1) :]
    return part


class ConsoleStream(io.TextIOBase):
    """What sys.stdout and sys.stderr are during a step."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self.buffer = _BinaryStream(console)

    def write(self, text: str, /) -> int:
        """Take a piece of text."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._console.write(text)
        return len(text)

    def writable(self) -> bool:
        """Always."""
        return True


class _BinaryStream(io.RawIOBase):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]
        self._console.write(bytes(data).decode("utf-8", "backslashreplace"))
        return len(data)

    def writable(self) -> bool:
        return True
