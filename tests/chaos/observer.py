"""Acts at named points of a process's life: kills processes, fails writes, turns the clock.

One ``Observer`` lives in a process that is made to be killed (``tests.chaos.life``). The product has no seam for it:
``tests.chaos.points`` wraps what is to be watched in that process only.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator.sandboxes.children import tree_of

__all__ = ["RUNNER_TARGETS", "Fault", "Observer", "runner_processes"]

RUNNER_TARGETS = ("pid1", "supervisor", "executor")
_FULL_SECONDS = 0.7
_DAY_NS = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong once.

    Attributes:
        point: where; ``time`` is a moment that the harness chooses from outside.
        nth: at which of its visits in a process; of ``time`` milliseconds after the start.
        action: ``orchestrator``, ``pid1``, ``supervisor``, ``executor``, ``engine`` (SIGKILL of it), ``ENOSPC`` or
            ``EIO`` (a write that fails), ``fill`` (the disk), ``forward``, ``back`` or ``still`` (the wall clock).
    """

    point: str
    nth: int
    action: str


class Observer:
    """Counts visits of points and acts when a fault is due.

    Args:
        faults: what is to go wrong; each waits for its own visit.
        log: file that is told what happened; what is written survives SIGKILL.
        engine: pid of a Docker engine to be killed, 0 for none.
        data_dir: whose disk is filled.

    Attributes:
        unsettled: steps in flight at the start, as (job, step): the orchestrator is not killed before they have ended.
            Two crashes of one step are quarantine, by design; a plan may ask for them by leaving this empty.
    """

    def __init__(self, faults: list[Fault], log: Path, data_dir: Path, engine: int = 0) -> None:
        self._waiting: defaultdict[str, list[Any]] = defaultdict(list)
        for fault in faults:
            if fault.point != "time":
                self._waiting[fault.point].append([fault, 0])
        self._data_dir = data_dir
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._engine = engine
        self._lock = threading.Lock()
        self.visits: Counter[str] = Counter()
        self.last_runner = 0
        self.unsettled: set[tuple[int, int]] = set()

    def say(self, **what: Any) -> None:
        """One line for the harness."""
        os.write(self._log, (json.dumps({**what, "at": round(time.monotonic(), 3)}) + "\n").encode())

    def hit(self, point: str, *, runner: int = 0, before: Callable[[], object] | None = None) -> None:
        """A visit of a point; does not return where this process is killed there.

        Args:
            point: its name.
            runner: pid of the PID 1 that it is about; 0 for the one that was heard last.
            before: done first if a fault is due (half of a write).

        Raises:
            OSError: the write of this point is to fail.
        """
        due = []
        with self._lock:
            self.visits[point] += 1
            self.last_runner = runner or self.last_runner
            for entry in self._waiting.get(point, ()):
                fault, seen = entry
                if self.unsettled and fault.action == "orchestrator" and not point.startswith("start."):
                    continue
                entry[1] = seen + 1
                if seen + 1 == fault.nth:
                    due.append(fault)
            runner = self.last_runner
        for fault in due:
            if before is not None:
                before()
            self._act(fault, runner)

    def _act(self, fault: Fault, runner: int) -> None:
        match fault.action:
            case "orchestrator":
                self.say(fired=asdict(fault))
                os.kill(os.getpid(), signal.SIGKILL)
            case "ENOSPC" | "EIO":
                self.say(fired=asdict(fault))
                code = getattr(errno, fault.action)
                raise OSError(code, os.strerror(code))
            case "fill":
                self.say(fired=asdict(fault))
                self._fill_disk()
            case "forward" | "back" | "still":
                self._turn_clock(fault.action)
                self.say(fired=asdict(fault))
            case action:
                pid = self._engine if action == "engine" else runner_processes(runner).get(action, 0)
                if pid and _kill(pid):
                    self.say(fired=asdict(fault))
                else:
                    self.say(missed=asdict(fault))

    def _fill_disk(self) -> None:
        """Leave no byte on the data directory's disk for a while."""
        filler = self._data_dir / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        timer = threading.Timer(_FULL_SECONDS, lambda: filler.unlink(missing_ok=True))
        timer.daemon = True
        timer.start()

    def _turn_clock(self, how: str) -> None:
        """Give this process another wall clock: a day off, or one that stands still."""
        real = time.time_ns
        stopped = real()
        day = _DAY_NS if how == "forward" else -_DAY_NS

        def turned() -> int:
            return stopped if how == "still" else real() + day

        time.time_ns = turned
        time.time = lambda: turned() / 1e9


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def runner_processes(pid1: int) -> dict[str, int]:
    """The processes of a runner by what they are; those that do not exist are left out."""
    if not pid1:
        return {}
    children = sorted(pid for pid in tree_of(pid1) if pid != pid1)
    return dict(zip(RUNNER_TARGETS, [pid1, *children], strict=False))
