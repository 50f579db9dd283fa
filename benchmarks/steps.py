"""Step overhead, its growth with history, and steps per second of many jobs."""

from __future__ import annotations

import asyncio
import time

from benchmarks.bench import Bench, make_agent, run_code
from benchmarks.fsyncs import per_operation
from benchmarks.measurement import Better, median, percentile
from benchmarks.models import ClockedModel, python
from orchestrator.store.store import Store
from statek import durable

__all__ = ["measure_step_overhead", "measure_steps_per_second"]

_WARM_UP_TURNS = 10


@durable.memo(id="benchmarks.Counter")
class Counter:
    """One number, to have something to flush."""

    def __init__(self) -> None:
        self.count = 0


def _counting(bench: Bench, turns: int) -> ClockedModel:
    return ClockedModel(lambda turn: python("x = x + 1" if turn < turns else "exit(x)"), bench.fsyncs.count)


async def measure_step_overhead(bench: Bench) -> None:
    """``x = x + 1`` over and over in one job; a turn is question to question of a model that answers at once."""
    turns = bench.times(1050, 150)
    model = _counting(bench, turns)
    async with bench.service([make_agent()], model) as (service, store):
        job = await service.submit("bench", shared_vars={"x": 0}, message="go")
        await service.wait(job)
        before = bench.fsyncs.count()
        flush_ms = await _flush_floor(store, bench.times(300, 50))
        floor_notes = per_operation(2 * (bench.fsyncs.count() - before), bench.times(300, 50))
    times = model.turns_ms(job)
    measured = times[_WARM_UP_TURNS:]
    p50 = median(measured)
    counted = model.counted(job)
    notes = per_operation(sum(counted), len(counted))
    bench.add("step_overhead_p50", p50, "ms", 5, "target-5ms", notes=notes)
    bench.add("step_overhead_p99", percentile(measured, 99), "ms", 15, "target-15ms", notes=notes)
    late, early = (1000, 100) if not bench.smoke else (120, 40)
    window = 50 if not bench.smoke else 20

    def grown(values: list[float]) -> float:
        return median(values[late - window : late + window]) / median(values[early - window : early + window])

    growth, cpu = grown(times), grown(model.cpu_ms(job))
    notes = {"cpu": f"{cpu:.2f}x", **per_operation(sum(counted[late - window : late + window]), 2 * window)}
    bench.add("step_growth", growth, f"x(step_{late}/step_{early})", 1.2, "target-1.2x", notes=notes)
    bench.add("step_floor_flushes", 2 * flush_ms, "ms", p50, "step_overhead_p50", notes=floor_notes)
    before = bench.fsyncs.count()
    bare = await _sandbox_floor(bench)
    notes = per_operation(bench.fsyncs.count() - before, len(bare))
    bench.add("step_floor_sandbox", median(bare), "ms", p50, "step_overhead_p50", notes=notes)


async def _flush_floor(store: Store, times: int) -> float:
    """Median milliseconds of one small durable write through the same store."""
    counter = await store.commit(lambda: _tagged_counter())
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        await store.commit(lambda: setattr(counter, "count", counter.count + 1))
        taken.append((time.perf_counter() - begun) * 1000)
    return median(taken)


def _tagged_counter() -> Counter:
    counter = Counter()
    durable.tag(counter, "benchmarks-counter")
    return counter


async def _sandbox_floor(bench: Bench) -> list[float]:
    """Milliseconds of the same step in a bare sandbox: no store, no journal, no decision."""
    taken = []
    async with bench.pool(1, max_runners=1) as pool:
        sandbox = await pool.claim(timeout=60)
        await run_code(sandbox, 1, "x = 0")
        for number in range(2, bench.times(300, 50)):
            begun = time.perf_counter()
            await run_code(sandbox, number, "x = x + 1")
            taken.append((time.perf_counter() - begun) * 1000)
        await pool.destroy(sandbox)
    return taken


async def measure_steps_per_second(bench: Bench) -> None:
    """Many jobs at once, each in a runner of its own, all runners warm before the first submission."""
    jobs = bench.times(100, 8)
    turns = bench.times(30, 20)
    model = _counting(bench, turns)
    async with bench.service([make_agent()], model, pool_size=jobs, max_runners=jobs + 2, max_concurrency=jobs) as (
        service,
        _,
    ):
        before = bench.fsyncs.count()
        begun = time.perf_counter()
        ids = [await service.submit("bench", shared_vars={"x": 0}, message="go") for _ in range(jobs)]
        await asyncio.gather(*(service.wait(each) for each in ids))
        seconds = time.perf_counter() - begun
        made = bench.fsyncs.count() - before
    steps = jobs * (turns + 1)
    notes = {"jobs": str(jobs), **per_operation(made, steps)}
    bench.add("steps_per_second", steps / seconds, "steps/s", 500, "target-500", better=Better.HIGHER, notes=notes)
