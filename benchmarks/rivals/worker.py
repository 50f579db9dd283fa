"""A rival in a process of its own: reads commands as JSON lines, times itself, answers with JSON lines.

Run as ``python -m benchmarks.rivals.worker RIVAL WORKLOAD FOLDER`` by that rival's own Python. Whatever it prints by
itself goes to stderr, so that stdout holds answers only.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.rivals.rival import Rival
from benchmarks.rivals.workloads import WORKLOADS, Workload, digest_of

__all__ = ["RIVALS", "answer"]


def _pickling(folder: Path, workload: Workload) -> Rival:
    from benchmarks.rivals.pickling import Pickling

    return Pickling(folder, workload)


def _langgraph(folder: Path, workload: Workload) -> Rival:
    from benchmarks.rivals.langgraph_saver import LangGraph

    return LangGraph(folder, workload)


def _langgraph_delta(folder: Path, workload: Workload) -> Rival:
    from benchmarks.rivals.langgraph_saver import LangGraphDelta

    return LangGraphDelta(folder, workload)


def _kishu(folder: Path, workload: Workload) -> Rival:
    from benchmarks.rivals.kishu_session import Kishu

    return Kishu(folder, workload)


RIVALS: dict[str, Callable[[Path, Workload], Rival]] = {
    "pickle": _pickling,
    "langgraph": _langgraph,
    "langgraph_delta": _langgraph_delta,
    "kishu": _kishu,
}
"""By name; each imports what only its own environment has."""


def answer(rival: Rival, workload: Workload, command: dict[str, Any]) -> dict[str, Any]:
    """Do one command.

    Args:
        rival: that does it.
        workload: its values.
        command: ``do`` names what, further fields its arguments.

    Raises:
        RuntimeError: a view shows something else than its turn did, or the command is unknown.
    """
    match command["do"]:
        case "begin":
            rival.begin()
            return {"facts": rival.facts()}
        case "steps":
            return {"ms": rival.steps(command["first"], command["count"])}
        case "prepare":
            rival.prepare()
            return {}
        case "view":
            name, index, expected = workload.probe(command["turn"])
            return {"ms": _timed(lambda: _viewed(rival, command["turn"], name, index, expected))}
        case "fork":
            return {"ms": _timed(lambda: rival.fork(command["turn"]))}
        case "resume":
            kept: dict[str, Any] = {}
            taken = _timed(lambda: kept.update(rival.resume()))
            return {"ms": taken, "digest": digest_of(workload, kept)}
        case other:
            raise RuntimeError(f"no such command: {other}")


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def _viewed(rival: Rival, turn: int, name: str, index: int, expected: str) -> None:
    found = rival.view(turn, name, index)
    if found != expected:
        raise RuntimeError(f"the view of turn {turn} shows {found!r}, not {expected!r}")


def _main(name: str, workload_name: str, folder: str) -> int:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    workload = WORKLOADS[workload_name]
    rival = RIVALS[name](Path(folder), workload)
    gc.collect()
    for line in sys.stdin:
        try:
            said = {**answer(rival, workload, json.loads(line)), "fsyncs": rival.fsyncs()}
        except Exception as error:  # noqa: BLE001 - told to who asked, with all of it in stderr
            traceback.print_exc()
            said = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(said), file=answers, flush=True)
    rival.close()
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
