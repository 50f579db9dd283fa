"""The same work through this service and through its rivals, in turns and in one run."""

from __future__ import annotations

import asyncio
import random
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.fsyncs import FSYNC_NOTE, per_operation
from benchmarks.measurement import median
from benchmarks.rivals.contender import Contender, RivalContender, stored_bytes
from benchmarks.rivals.environment import ENVIRONMENTS, RivalMissing
from benchmarks.rivals.ours import running_ours
from benchmarks.rivals.process import running_rival
from benchmarks.rivals.workloads import WORKLOADS, Workload, apply_edits, digest_of

__all__ = ["Plan", "expected_digest", "measure_rivals", "share"]

_ENVIRONMENT_OF = {"langgraph": "langgraph", "langgraph_delta": "langgraph", "kishu": "kishu"}
_SLOW = {"kishu": 20}
"""By how much fewer steps and looks at the past are asked of one that takes half a second for each."""

_OURS = "statek"
_YARDSTICK = "pickle"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done of one workload.

    Attributes:
        commits: steps of each.
        bursts: in how many turns they do these.
        looks: views, and forks.
        resumes: resumptions.
    """

    commits: int
    bursts: int
    looks: int
    resumes: int

    def of(self, name: str) -> Plan:
        """What is asked of one contender."""
        slower = _SLOW.get(name, 1)
        commits, looks = -(-self.commits // slower), -(-self.looks // slower)
        return Plan(max(commits, min(self.commits, 5)), self.bursts, max(looks, min(self.looks, 3)), self.resumes)


@dataclass(slots=True)
class _Taken:
    """What one contender took.

    Attributes:
        plan: what was asked of it.
        facts: words for its lines.
        ms: milliseconds of each operation, by its name.
        fsyncs: how many these made, by name; absent where nobody counts.
        stored_kb: KB (1024 bytes) that its folder grew by, per step.
    """

    plan: Plan
    facts: dict[str, str]
    ms: dict[str, list[float]] = field(default_factory=dict)
    fsyncs: dict[str, int] = field(default_factory=dict)
    stored_kb: float = 0.0

    def add(self, what: str, ms: list[float], before: int | None, after: int | None) -> None:
        """Take times, and the fsyncs counted before and after."""
        self.ms.setdefault(what, []).extend(ms)
        if before is not None and after is not None:
            self.fsyncs[what] = self.fsyncs.get(what, 0) + after - before

    def notes(self, what: str) -> dict[str, str]:
        """The notes of a line."""
        notes = {"commits": str(self.plan.commits), **self.facts}
        if what in self.fsyncs:
            return {**notes, **per_operation(self.fsyncs[what], len(self.ms[what]))}
        return {**notes, FSYNC_NOTE: "uncounted"}


def share(total: int, burst: int, bursts: int) -> tuple[int, int]:
    """First turn and number of turns of one burst, such that all bursts together are turns 1 to ``total``."""
    before, after = total * burst // bursts, total * (burst + 1) // bursts
    return before + 1, after - before


def expected_digest(workload: Workload, turns: int) -> str:
    """The digest of the values after so many turns."""
    values = workload.initial()
    for turn in range(1, turns + 1):
        apply_edits(values, workload.edits(turn))
    return digest_of(workload, values)


async def measure_rivals(bench: Bench) -> None:
    """Steps, stored bytes, views, forks and resumptions of everybody who can be had here.

    Raises:
        RivalMissing: in a whole run, one or more cannot; the others were measured.
    """
    pythons, missing = await asyncio.to_thread(_pythons, bench)
    plans = {
        "list": Plan(bench.times(1000, 20), bench.times(100, 4), bench.times(100, 5), bench.times(10, 2)),
        "many": Plan(bench.times(200, 20), bench.times(20, 4), 0, bench.times(10, 2)),
    }
    for name, plan in plans.items():
        await _measure(bench, WORKLOADS[name], plan, pythons)
    if missing and not bench.smoke:
        raise RivalMissing("; ".join(missing))


def _pythons(bench: Bench) -> tuple[dict[str, Path], list[str]]:
    """The interpreter of each rival that can be had, and why the others cannot; a brief run installs nothing."""
    reasons: dict[str, str] = {}
    for name, environment in ENVIRONMENTS.items():
        try:
            if bench.smoke and not environment.is_ready():
                raise RivalMissing(f"{name} is not installed, and a brief run installs nothing")
            environment.install()
        except RivalMissing as error:
            reasons[name] = str(error)
    pythons = {_YARDSTICK: Path(sys.executable)}
    for rival, name in _ENVIRONMENT_OF.items():
        if name in reasons:
            bench.write(f"# rivals_{rival} MISSING: {reasons[name]}")
        else:
            pythons[rival] = ENVIRONMENTS[name].python
    return pythons, list(reasons.values())


async def _measure(bench: Bench, workload: Workload, plan: Plan, pythons: dict[str, Path]) -> None:
    """One workload."""
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(running_ours(bench, workload))
        contenders: list[Contender] = [ours]
        for name, python in pythons.items():
            folder = bench.fresh_folder()
            process = await stack.enter_async_context(running_rival(name, workload.name, python, folder))
            contenders.append(RivalContender(process, folder))
        taken = {each.name: _Taken(plan.of(each.name), await each.begin()) for each in contenders}
        await _steps(plan, contenders, taken)
        commit_ms = median(ours.commit_ms())
        await _past(bench, plan, contenders, taken)
        await _resumes(workload, plan, contenders, taken)
    _report(bench, workload, taken, commit_ms)


async def _steps(plan: Plan, contenders: list[Contender], taken: dict[str, _Taken]) -> None:
    """A burst of each, then the next of each; stored is what comes after the first."""
    start: dict[str, tuple[int, int]] = {}
    for burst in range(plan.bursts):
        for each in contenders:
            mine = taken[each.name]
            first, count = share(mine.plan.commits, burst, plan.bursts)
            if count:
                before = each.fsyncs()
                mine.add("step", await each.steps(first, count), before, each.fsyncs())
                if each.name not in start:
                    start[each.name] = first + count - 1, await asyncio.to_thread(stored_bytes, each.folder)
    for each in contenders:
        await each.prepare()
        made, size = start[each.name]
        mine = taken[each.name]
        grown = await asyncio.to_thread(stored_bytes, each.folder) - size
        mine.stored_kb = grown / 1024 / (mine.plan.commits - made)


async def _past(bench: Bench, plan: Plan, contenders: list[Contender], taken: dict[str, _Taken]) -> None:
    """Views of random turns, then forks from them, in turns."""
    chance = random.Random(bench.seed)
    for look in range(2 * plan.looks):
        for each in contenders:
            mine = taken[each.name]
            if look % plan.looks < mine.plan.looks:
                turn = chance.randint(1, mine.plan.commits)
                before = each.fsyncs()
                ms = await (each.view(turn) if look < plan.looks else each.fork(turn))
                mine.add("view" if look < plan.looks else "fork", [ms], before, each.fsyncs())


async def _resumes(workload: Workload, plan: Plan, contenders: list[Contender], taken: dict[str, _Taken]) -> None:
    """Resumptions in turns.

    Raises:
        RuntimeError: one has other values than its steps made.
    """
    expected = {
        each.name: await asyncio.to_thread(expected_digest, workload, taken[each.name].plan.commits)
        for each in contenders
    }
    for _ in range(plan.resumes):
        for each in contenders:
            before = each.fsyncs()
            ms, digest = await each.resume()
            taken[each.name].add("resume", [ms], before, each.fsyncs())
            if digest != expected[each.name]:
                raise RuntimeError(f"{each.name} does not hold the values of workload {workload.name} after a resume")


def _report(bench: Bench, workload: Workload, taken: dict[str, _Taken], commit_ms: float) -> None:
    """The lines: ours beside pickling everything, everybody else beside ours."""
    for what in taken[_OURS].ms:
        values = {name: median(each.ms[what]) for name, each in taken.items()}
        _lines(bench, f"rivals_{workload.name}_{what}", what, "ms", values, taken)
        if what == "step":
            name, notes = f"rivals_{workload.name}_commit_{_OURS}", taken[_OURS].notes("step")
            bench.add(name, commit_ms, "ms", values[_OURS], f"step_{_OURS}", notes=notes)
            stored = {name: each.stored_kb for name, each in taken.items()}
            _lines(bench, f"rivals_{workload.name}_stored", "step", "KB", stored, taken)


def _lines(bench: Bench, prefix: str, what: str, unit: str, values: dict[str, float], taken: dict[str, _Taken]) -> None:
    for name, value in values.items():
        other = _YARDSTICK if name == _OURS else _OURS
        bench.add(f"{prefix}_{name}", value, unit, values[other], other, notes=taken[name].notes(what))
