"""Text files that grow to a bound and are then turned over, written off the event loop.

One thread per writer. Nobody waits for it: lines beyond a bounded backlog are counted, and the count is written when
there is room again, so a slow disk costs lines and never a job.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from pathlib import Path

__all__ = ["MAX_BACKLOG", "RotatingWriter", "append_rotating"]

_log = logging.getLogger("statek.files")

MAX_BACKLOG = 10_000
"""Texts that wait to be written."""


def append_rotating(path: Path, text: str, *, max_bytes: int, backups: int) -> None:
    """Append to a file; one that is full is renamed first (``name.1`` is the newest of its backups).

    Args:
        path: the file; made, with its folder, where there is none, for its owner only.
        text: whole lines.
        max_bytes: length at which a file is full.
        backups: files that are kept beside it; 0 for none.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode("utf-8", "backslashreplace")
    if path.exists() and path.stat().st_size + len(data) > max_bytes:
        for number in range(backups, 0, -1):
            older = path.with_name(f"{path.name}.{number}")
            newer = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
            if newer.exists():
                newer.replace(older)
        if not backups:
            path.unlink()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        file.write(data)


class RotatingWriter:
    """Writes texts to files in the order given, in a thread of its own.

    Args:
        max_bytes: length at which a file is full.
        backups: files that are kept beside each.
    """

    def __init__(self, *, max_bytes: int, backups: int) -> None:
        self._max_bytes = max_bytes
        self._backups = backups
        self._queue: queue.Queue[tuple[Path, str] | None] = queue.Queue(MAX_BACKLOG)
        self._lost = 0
        self._thread = threading.Thread(target=self._main, name="statek-files", daemon=True)
        self._thread.start()

    def write_nowait(self, path: Path, text: str) -> None:
        """Have a text appended; one that finds no room is counted."""
        try:
            if self._lost:
                self._queue.put_nowait((path, f"({self._lost} entries were not written: the disk is too slow)\n"))
                self._lost = 0
            self._queue.put_nowait((path, text))
        except queue.Full:
            self._lost += 1

    def close(self) -> None:
        """Write what waits, and end; blocking."""
        self._queue.put(None)
        self._thread.join()

    def _main(self) -> None:
        failed: set[Path] = set()
        while (entry := self._queue.get()) is not None:
            path, text = entry
            try:
                append_rotating(path, text, max_bytes=self._max_bytes, backups=self._backups)
                failed.discard(path)
            except OSError as error:
                if path not in failed:
                    _log.error("%s cannot be written: %s", path, error.strerror)
                failed.add(path)
