"""The past of a job: looking at any of its commits, and forking from one."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from benchmarks.bench import Bench, make_agent
from benchmarks.fsyncs import per_operation
from benchmarks.measurement import median, percentile
from benchmarks.models import ClockedModel, python
from orchestrator.engine.time_travel import TimeTravel
from statek.model import ModelReply, ModelRequest

__all__ = ["measure_past"]

_MAKE = "rows = [f'{i:014d}' for i in range(1 << 16)]\nnotes = [f'note {i}' for i in range(500)]\nturn = 0"
_CHANGE = "for i in range(30000, 30064): rows[i] = f'{turn:014d}'\nnotes[turn % 500] = f'turn {turn}'"


async def measure_past(bench: Bench) -> None:
    """Views of random commits of a job that has 1,000 of them with 1 MB of variables each, and forks from them.

    A view names every variable and file of its commit and reads values when they are asked for: timed is opening one,
    and opening one and reading a variable of 10 KB from it. ``state`` reads everything that the host can read.
    """
    commits = bench.times(1000, 40)
    times = bench.times(200, 20)
    codes = {0: _MAKE, commits: "exit(turn)"}
    model = _FirstJobOnly(lambda turn: python(codes.get(turn, f"turn = {turn}\n{_CHANGE}")))
    chosen = random.Random(bench.seed).sample(range(2, commits), min(times, commits - 2))
    # One job at a time: the first fork holds that place, and the others are not driven while they are timed.
    async with bench.service([make_agent()], model, max_concurrency=1) as (service, _):
        job = await service.submit("bench", message="go")
        await service.wait(job)
        before = bench.fsyncs.count()
        opened, read = await asyncio.to_thread(_views, service.past, job, chosen)
        begun = time.perf_counter()
        await service.past.state(job, chosen[0])
        state_ms = (time.perf_counter() - begun) * 1000
        of = {"commits": str(commits), **per_operation(bench.fsyncs.count() - before, len(chosen) + 1)}
        await service.past.fork(job, 1)
        await model.waiting.wait()
        before = bench.fsyncs.count()
        forked = []
        for number in chosen:
            begun = time.perf_counter()
            await service.past.fork(job, number)
            forked.append((time.perf_counter() - begun) * 1000)
        notes = per_operation(bench.fsyncs.count() - before, len(chosen))
    bench.add("view_p50", median(read), "ms", 5, "target-5ms", notes=of)
    bench.add("view_p99", percentile(read, 99), "ms", median(read), "view_p50", notes=of)
    bench.add("view_open_p50", median(opened), "ms", median(read), "view_p50", notes=of)
    bench.add("view_state", state_ms, "ms", median(read), "view_p50", notes=of)
    bench.add("fork_p50", median(forked), "ms", 10, "target-10ms", notes=notes)
    bench.add("fork_p99", percentile(forked, 99), "ms", median(forked), "fork_p50", notes=notes)


class _FirstJobOnly(ClockedModel):
    """Answers the job that asked first; others wait for an answer that never comes.

    Attributes:
        waiting: set once another job has asked.
    """

    def __init__(self, reply: Callable[[int], str]) -> None:
        super().__init__(reply)
        self.waiting = asyncio.Event()

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Answer the first job."""
        if request.job_id not in (self.asked or [request.job_id]):
            self.waiting.set()
            await asyncio.Event().wait()
        return await super().complete(request)


def _views(past: TimeTravel, job: str, chosen: list[int]) -> tuple[list[float], list[float]]:
    """Milliseconds until each view is open, and until a variable is read from it.

    Raises:
        RuntimeError: a view shows another commit than was asked for.
    """
    opened, read = [], []
    for number in chosen:
        begun = time.perf_counter()
        view = past.view_sync(job, number)
        opened.append((time.perf_counter() - begun) * 1000)
        notes = view["notes"]
        read.append((time.perf_counter() - begun) * 1000)
        turn = number - 1  # the start is commit 0, the first turn made commit 1
        if notes[turn % 500] != f"turn {turn}":
            raise RuntimeError(f"the view of commit {number} shows {notes[turn % 500]!r}, not turn {turn}")
    return opened, read
