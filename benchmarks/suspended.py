"""Many suspended jobs: memory of each, what they cost an idle service, how long it takes to start again, and waking.

The restart is measured in a process of its own: ``python -m benchmarks.suspended FOLDER DRIVER ENGINE IDLE_SECONDS``.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, make_agent
from benchmarks.fsyncs import FsyncCounter, counted_fsyncs, per_operation
from benchmarks.models import ClockedModel, python
from benchmarks.wakes import SuspendedJob, measure_wakes
from orchestrator.app import running_service
from orchestrator.engine.clock import now_us
from orchestrator.engine.future_store import FutureStore, future_id
from orchestrator.engine.futures import Awaited
from orchestrator.engine.jobs import JobRepository
from orchestrator.engine.service import Service
from orchestrator.engine.submission import JobFactory
from orchestrator.sandboxes.probe import make_driver
from orchestrator.store.store import Store
from statek.job_status import JobStatus
from statek.settings import StatekSettings
from statek.task_door import NewJob

__all__ = ["measure_suspended_jobs"]

_BATCH = 20
_SETTLE_SECONDS = 0.5
_LEAST_CPU_MS = 0.01


async def measure_suspended_jobs(bench: Bench) -> None:
    """10,000 jobs that wait (200 in a smoke run)."""
    count, storm = bench.times(10_000, 200), bench.times(1000, 20)
    empty, full = bench.fresh_folder(), bench.fresh_folder()
    without = await _restart(bench, empty)
    suspended = await asyncio.to_thread(_make_jobs, bench, full, count, storm)
    with_jobs = await _restart(bench, full)
    per_job = (with_jobs["rss_kb"] - without["rss_kb"]) / count
    notes = {"jobs": str(count)}
    notes |= per_operation(with_jobs["fsyncs"], 1)
    bench.add("suspended_jobs_rss", max(per_job, 0.0), "KB/job", 5, "target-5KB", notes=notes)
    bench.add("suspended_jobs_restart", with_jobs["seconds"], "s", 3, "target-3s", notes=notes)
    notes = {"jobs": str(count), "switches/s": f"{with_jobs['idle_switches']:.1f}"}
    notes |= {"switches/s_of_none": f"{without['idle_switches']:.1f}", **per_operation(with_jobs["idle_fsyncs"], 1)}
    none = max(without["idle_ms"], _LEAST_CPU_MS)
    bench.add("suspended_idle_cpu", with_jobs["idle_ms"], "ms/s", none, "service_without_jobs", notes=notes)
    await measure_wakes(bench, full, suspended, storm)


def _make_jobs(bench: Bench, folder: Path, count: int, storm: int) -> list[SuspendedJob]:
    """Submit jobs as the service does and suspend each in the same write, with a future of its own to wait for.

    The last tenth of the storm belongs to a second tenant, which so is woken behind everybody else.
    """
    settings = bench.settings(folder)
    store = Store.open(folder / "store")
    try:
        jobs = JobRepository()
        factory = JobFactory(store, settings, jobs)
        agent = make_agent()
        futures = FutureStore()
        made: list[SuspendedJob] = []
        values = {"x": 1, "text": "a" * 200}
        create = {
            tenant: factory.prepare(agent, NewJob(shared_vars=values, message="go", tenant=tenant))
            for tenant in ("many", "few")
        }

        def batch(numbers: range) -> None:
            for number in numbers:
                tenant = "few" if number >= count - storm // 10 else "many"
                record = jobs.get(create[tenant]())
                id_ = future_id(futures.secret(), f"benchmark {number}")
                future = futures.create(
                    id_=id_, job=record.number, what="an answer", details=None, deadline_us=0, now_us=now_us()
                )
                jobs.add_step(
                    record, kind="reply", text=python("exit(0)"), code="exit(0)", begun=True, usage={}, now_us=now_us()
                )
                jobs.begin_wait(record, Awaited("all", (future.number,)).packed(), "waits")
                jobs.set_status(record, JobStatus.SUSPENDED, now_us(), "waits")
                made.append(SuspendedJob(record.number, tenant, id_))

        for first in range(0, count, _BATCH):
            store.commit_sync(partial(batch, range(first, min(first + _BATCH, count))))
        return made
    finally:
        store.close()


async def _restart(bench: Bench, folder: Path) -> dict[str, Any]:
    argv = [sys.executable, "-m", "benchmarks.suspended", str(folder), bench.driver_name, bench.engine or ""]
    argv.append(str(bench.times(5, 1)))
    done = await asyncio.to_thread(subprocess.run, argv, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the restarted service failed: {done.stderr.strip()[-500:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _switches() -> int:
    """How often the threads of this process gave up a processor of their own accord: once for each time they waited."""
    count = 0
    for status in Path("/proc/self/task").glob("*/status"):
        with suppress(OSError):  # the thread has just ended
            count += int(status.read_text().partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return count


async def _measure_idle(service: Service, fsyncs: FsyncCounter, seconds: float) -> dict[str, Any]:
    """What a service does that has nothing to do: CPU time (ms) and switches in a second, fsyncs in all."""
    await service.wait_idle()
    await asyncio.sleep(_SETTLE_SECONDS)
    gc.collect()
    begun, cpu, switches, synced = time.perf_counter(), time.process_time(), _switches(), fsyncs.count()
    await asyncio.sleep(seconds)
    cpu, switches = time.process_time() - cpu, _switches() - switches
    taken = time.perf_counter() - begun
    return {
        "idle_ms": cpu * 1000 / taken,
        "idle_switches": switches / taken,
        "idle_fsyncs": fsyncs.count() - synced,
    }


async def _open_and_measure(folder: Path, driver_name: str, engine: str, idle_seconds: float) -> dict[str, Any]:
    """Open a service without warm runners over a folder, and look at it once it has started and while it is idle."""
    settings = StatekSettings.load({"data_dir": folder, "driver": driver_name, "pool_size": 0}, environ={})
    driver = make_driver(driver_name, engine=engine or None)
    await driver.prepare("base")
    with counted_fsyncs() as fsyncs:
        begun = time.perf_counter()
        store = Store.open(folder / "store")
        try:
            model = ClockedModel(lambda _turn: "")
            async with running_service(settings, store, [make_agent()], model=model, driver=driver) as service:
                seconds = time.perf_counter() - begun
                rss = _rss_bytes()
                synced = fsyncs.count()
                idle = await _measure_idle(service, fsyncs, idle_seconds)
        finally:
            store.close()
            await driver.aclose()
    return {"seconds": seconds, "rss_kb": rss / 1024, "fsyncs": synced, **idle}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_open_and_measure(Path(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4])))))
