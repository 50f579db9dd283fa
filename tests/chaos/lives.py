"""Makes orchestrators to be killed: forked from a process that has imported everything, so that a life costs little."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.life import LifePlan, live, reopen
from tests.chaos.observer import RUNNER_TARGETS, runner_processes
from tests.chaos.processes import runner_roots
from tests.support.private_engine import PrivateEngine

__all__ = ["Life", "read_store", "run_life"]

_LOOK_SECONDS = 0.05
_REOPEN_SECONDS = 30.0

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.chaos.life"])


@dataclass(frozen=True, slots=True)
class Life:
    """One process, after its end.

    Attributes:
        code: exit status, negative for a signal.
        hung: it came to no end by itself, and was killed for that.
        said: its lines.
        fired: the faults that happened, those from outside included, as dictionaries.
        seconds: how long it lived.
    """

    code: int
    hung: bool
    said: list[dict[str, Any]]
    fired: list[dict[str, Any]]
    seconds: float

    def last(self, key: str) -> Any:
        """The newest value said under a key; None if there is none."""
        found = [line[key] for line in self.said if key in line]
        return found[-1] if found else None


def run_life(plan: LifePlan, *, seconds: float, engine: PrivateEngine | None = None) -> Life:
    """Start a process, kill it at the moment that the plan says, or wait for its end.

    Args:
        plan: what it does.
        seconds: after which it counts as hung.
        engine: is started again whenever it was killed.
    """
    log = plan.folder / "said"
    before = log.stat().st_size if log.exists() else 0
    began = time.monotonic()
    process = _context.Process(target=live, args=(plan,))
    process.start()
    fired = []
    for fault in (fault for fault in plan.faults if fault.point == "time"):
        process.join(fault.nth / 1000)
        if process.exitcode is None and process.pid and _kill_from_outside(process.pid, fault.action):
            fired.append({"point": fault.point, "nth": fault.nth, "action": fault.action})
    while process.exitcode is None and time.monotonic() < began + seconds:
        process.join(_LOOK_SECONDS if engine is not None else seconds)
        if engine is not None and engine.died:
            engine.revive()
    hung = process.exitcode is None
    if hung:
        process.kill()
        process.join()
    said = _lines(log, before)
    fired += [line["fired"] for line in said if "fired" in line]
    code = process.exitcode
    process.close()
    return Life(code if code is not None else -1, hung, said, fired, time.monotonic() - began)


def read_store(folder: Path) -> tuple[Any, int]:
    """What a store that nobody has open holds, blocks included, and how the process that read it ended.

    The first is None where it could not be read; ``stderr`` in the folder says why.
    """
    log = folder / "said"
    before = log.stat().st_size if log.exists() else 0
    process = _context.Process(target=reopen, args=(folder,))
    process.start()
    process.join(_REOPEN_SECONDS)
    if process.exitcode is None:
        process.kill()
        process.join()
    lines, code = _lines(log, before), process.exitcode
    return (lines[-1].get("reopened") if lines and code == 0 else None), code if code is not None else -1


def _lines(log: Path, start: int) -> list[dict[str, Any]]:
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(start)
        return [json.loads(line) for line in file if line.endswith(b"\n")]


def _kill_from_outside(orchestrator: int, action: str) -> bool:
    """SIGKILL the orchestrator, or a process of each of its runners; whether there was any."""
    pids = [orchestrator]
    if action in RUNNER_TARGETS:
        pids = [found[action] for root in runner_roots(orchestrator) if action in (found := runner_processes(root))]
    killed = False
    for pid in pids[:1]:
        try:
            os.kill(pid, signal.SIGKILL)
            killed = True
        except ProcessLookupError:
            continue
    return killed
