"""One line on standard error that says what takes so long."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self, TextIO

from orchestrator.printable import printable

__all__ = ["Progress"]

_QUIET_SECONDS = 1.0
"""Nothing is shown before this time."""

_TICK_SECONDS = 0.25


class Progress:
    """Shows the current activity, with its seconds, once it lasts longer than a second.

    On a terminal the line is rewritten in place and gone in the end; elsewhere (``always``) each activity
    gets a line of its own. A thread of its own draws it, so it moves while the command is blocked.
    """

    def __init__(self, stream: TextIO, text: str = "", *, always: bool = False) -> None:
        """Args are where to write, the first activity, and whether to show it off a terminal too."""
        self._stream = stream
        self._text = text
        self._tty = stream.isatty()
        self._shown = self._tty or always
        self._began = time.monotonic()
        self._drawn = ""
        self._mutex = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._draw_until_stopped, name="progress", daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        if self._shown:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End, and take the line away."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self.clear()

    def say(self, text: str) -> None:
        """Name the activity that begins now (any thread)."""
        with self._mutex:
            self._text = text
            self._began = time.monotonic()

    def clear(self) -> None:
        """Take the line away before something else is printed (any thread)."""
        with self._mutex:
            self._wipe()

    def _wipe(self) -> None:
        if self._tty and self._drawn:
            self._stream.write("\r" + " " * len(self._drawn) + "\r")
            self._stream.flush()
            self._drawn = ""

    def _draw_until_stopped(self) -> None:
        while not self._stop.wait(_TICK_SECONDS):
            with self._mutex:
                self.draw_nowait(time.monotonic() - self._began)

    def draw_nowait(self, seconds: float) -> None:
        """Show the activity, which has taken ``seconds`` so far, if that is long enough."""
        if not self._text or seconds < _QUIET_SECONDS:
            return
        text = printable(self._text)
        if self._tty:
            line = f"statek: {text} ({seconds:.0f} s)"
            self._stream.write("\r" + line.ljust(len(self._drawn)))
            self._drawn = line
        elif self._drawn != text:
            self._stream.write(f"statek: {text}\n")
            self._drawn = text
        self._stream.flush()
