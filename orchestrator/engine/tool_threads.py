"""Daemon threads for blocking calls, used again.

Starting a thread makes the event loop wait until the system has let it run. Not a pool of the standard library: that is
joined at interpreter exit, so that one hung call would keep a stopped service alive; and a call never waits for a free
thread here, the caller bounds them.
"""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable

__all__ = ["ToolThreads"]

_Call = Callable[[], Callable[[], None]]


class ToolThreads:
    """Threads that run one call after the other.

    Args:
        keep: idle threads that are kept; further ones end with their call.
    """

    def __init__(self, *, keep: int) -> None:
        self._keep = keep
        self._idle: list[queue.SimpleQueue[tuple[str, _Call] | None]] = []
        self._lock = threading.Lock()

    def run(self, name: str, call: _Call) -> None:
        """Begin a call in an idle thread, or in a new one.

        Args:
            name: of the thread meanwhile.
            call: raises nothing; what it gives is called when the thread takes calls again, to tell of the end.
        """
        with self._lock:
            found = self._idle.pop() if self._idle else None
        if found is not None:
            found.put((name, call))
            return
        mine: queue.SimpleQueue[tuple[str, _Call] | None] = queue.SimpleQueue()
        mine.put((name, call))
        thread = threading.Thread(target=self._serve, args=(mine,), name=name, daemon=True)
        contextvars.Context().run(thread.start)  # it is of no call: each brings its own context

    def close(self) -> None:
        """End the idle threads, and each other with its call."""
        with self._lock:
            self._keep, idle, self._idle = 0, self._idle, []
        for each in idle:
            each.put(None)

    def _serve(self, mine: queue.SimpleQueue[tuple[str, _Call] | None]) -> None:
        thread = threading.current_thread()
        while True:
            given = mine.get()
            if given is None:
                return
            thread.name, call = given
            tell = call()
            thread.name = "statek-tools"
            del given, call  # an idle thread keeps nothing of a call alive
            with self._lock:
                kept = len(self._idle) < self._keep
                if kept:
                    self._idle.append(mine)
            tell()
            del tell
            if not kept:
                return
