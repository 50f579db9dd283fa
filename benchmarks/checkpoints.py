"""Checkpoints: a little changed in much, and much touched or not, runner side and host side."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.bench import Bench, Console, make_agent, run_code
from benchmarks.fsyncs import per_operation
from benchmarks.measurement import median
from benchmarks.models import ClockedModel, python
from orchestrator.engine.service import Service
from orchestrator.sandboxes.step import StepLimits

__all__ = ["CommitTimes", "measure_checkpoints", "measure_large_buffer"]

_MAKE = "rows = [f'{i:014d}' for i in range(1 << 16)]"
_CHANGE = "for i in range(30000, 30064): rows[i] = f'{turn:014d}'"
_INSERT = "rows[30000:30000] = [f'{turn:014d}' for _ in range(64)]"
_NO_STORE = per_operation(0, 1)  # what a runner does by itself; it has no folder that outlives it
_PICKLE = """import pickle, time
taken = []
for _ in range(15):
    begun = time.perf_counter()
    pickle.dumps({'rows': rows}, 5)
    taken.append(time.perf_counter() - begun)
print(sorted(taken)[7] * 1000)
"""


class CommitTimes:
    """Notes how long the host takes to make the end of each step durable, and what it stores and syncs for it."""

    def __init__(self, service: Service, bench: Bench) -> None:
        self.host_ms: list[float] = []
        self.fsyncs: list[int] = []
        self.stored_bytes: list[int] = []
        self.runner_ms: list[float] = []
        steps = service._steps  # noqa: SLF001 - measured where it happens, without the model around it
        original = steps._commit  # noqa: SLF001

        async def timed(job: Any, source: Any, end: Any, *rest: Any) -> Any:
            begun, before = time.perf_counter(), bench.fsyncs.count()
            event = await original(job, source, end, *rest)
            self.host_ms.append((time.perf_counter() - begun) * 1000)
            self.fsyncs.append(bench.fsyncs.count() - before)
            self.stored_bytes.append(sum(map(len, end.new_blocks.values())))
            self.runner_ms.append(end.usage.checkpoint_seconds * 1000)
            return event

        steps._commit = timed  # type: ignore[method-assign, assignment]  # noqa: SLF001


async def measure_checkpoints(bench: Bench) -> None:
    """1 KB changed, or inserted, in a plain list of 1 MB."""
    times = bench.times(40, 6)
    codes = ["turn = 0\n" + _MAKE, _PICKLE]
    codes += [f"turn = {turn}\n{_CHANGE}" for turn in range(times)]
    codes += [f"turn = {turn}\n{_INSERT}" for turn in range(times)]
    codes += ["exit(len(rows))"]
    model = ClockedModel(lambda turn: python(codes[turn]))
    async with bench.service([make_agent()], model) as (service, _):
        commits = CommitTimes(service, bench)
        job = await service.submit("bench", message="go")
        await service.wait(job)
        printed = next(item.console for item in await service.items(job) if item.code == _PICKLE.strip())
    pickle_ms = float(printed[0][1])
    for name, first in (("change", 2), ("insert", 2 + times)):
        steps = slice(first, first + times)
        runner, host = median(commits.runner_ms[steps]), median(commits.host_ms[steps])
        stored = median(commits.stored_bytes[steps]) / 1024
        notes = per_operation(sum(commits.fsyncs[steps]), times)
        bench.add(f"checkpoint_{name}_runner", runner, "ms", 2 * pickle_ms, "target-2x-pickle", notes=_NO_STORE)
        bench.add(f"checkpoint_{name}_host", host, "ms", 2, "target-2ms", notes=notes)
        bench.add(f"checkpoint_{name}_stored", stored, "KB", 16, "target-16KB", notes=notes)
    runner = median(commits.runner_ms[2:])
    bench.add("checkpoint_pickle_dumps", pickle_ms, "ms", runner, "checkpoint_runner", notes=_NO_STORE)


async def measure_large_buffer(bench: Bench) -> None:
    """A writable buffer of 100 MB: left alone, and with one byte of it changed.

    A bytearray: the base image has no numpy, and an array's data takes the same road (out of band, hashed in place).
    """
    times = bench.times(15, 3)
    untouched: list[float] = []
    touched: list[float] = []
    limits = StepLimits(memory_bytes=400 << 20, checkpoint_bytes=256 << 20)
    before = bench.fsyncs.count()
    async with bench.pool(1, max_runners=1, limits=limits) as pool:
        sandbox = await pool.claim(timeout=60)
        await run_code(sandbox, 1, "import os\nblob = bytearray(os.urandom(1 << 20) * 100)")
        number = 2
        for _ in range(times):
            for code, taken in (("x = 1", untouched), (f"blob[{number} << 20] ^= 1", touched)):
                end = await run_code(sandbox, number, code, Console())
                taken.append(end.usage.checkpoint_seconds * 1000)
                number += 1
        await pool.destroy(sandbox)
    notes = per_operation(bench.fsyncs.count() - before, 2 * times)
    bench.add("checkpoint_100mb_untouched", median(untouched), "ms", 1, "target-1ms", notes=notes)
    bench.add("checkpoint_100mb_touched", median(touched), "ms", 25, "target-25ms", notes=notes)
