"""When a process is killed: after some time, or after it has made so many flushes of its store."""

from __future__ import annotations

import random
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FlushCount", "Moment", "choose_moment"]

_LOOK_SECONDS = 0.0005


class FlushCount:
    """Flushes seen from outside: every one writes a record to one of the redo logs, which changes its size or time."""

    def __init__(self, data_dir: Path) -> None:
        self._logs = [data_dir / "store" / "statek" / f"default.redo.{index}" for index in (0, 1)]
        self._seen: list[tuple[int, int] | None] = [None, None]
        self.count = 0

    def look(self) -> int:
        """How many there were so far; those between two looks count as one."""
        now = [_state(log) for log in self._logs]
        # A log that was emptied is the mirror catching up, not a flush.
        self.count += any(
            new is not None and new[0] > 0 and new != old for new, old in zip(now, self._seen, strict=True)
        )
        self._seen = now
        return self.count


def _state(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of a process's life.

    Attributes:
        seconds: after the start, or after the last flush that is waited for.
        flushes: to wait for first; 0 for none.
    """

    seconds: float
    flushes: int = 0

    def reached(self, process: subprocess.Popen[bytes], data_dir: Path) -> bool:
        """Wait for it; False if the process ended first."""
        flushes = FlushCount(data_dir)
        while self.flushes and flushes.look() < self.flushes:
            if process.poll() is not None:
                return False
            time.sleep(_LOOK_SECONDS)
        try:
            process.wait(self.seconds)
        except subprocess.TimeoutExpired:
            return True
        return False


def choose_moment(chance: random.Random, whole_seconds: float, whole_flushes: int, by_progress: float) -> Moment:
    """A moment anywhere in a run like one that was measured.

    Args:
        chance: where it comes from.
        whole_seconds: how long that run took.
        whole_flushes: how many flushes it made.
        by_progress: share of the moments that are spread over the flushes; the others over the time, start-up included.
    """
    if chance.random() >= by_progress:
        return Moment(chance.uniform(0, whole_seconds))
    # Before the next flush, between it and what follows, or in the middle of a step.
    return Moment(
        chance.choice([0.0, chance.uniform(0, 0.003), chance.uniform(0, 0.03)]), chance.randint(1, whole_flushes)
    )
