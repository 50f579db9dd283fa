"""Many suspended jobs: memory of each, and how long a service that has them takes to start again.

The restart is measured in a process of its own: ``python -m benchmarks.suspended FOLDER DRIVER [ENGINE]``.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, make_agent
from benchmarks.fsyncs import counted_fsyncs, per_operation
from benchmarks.models import ClockedModel
from orchestrator.app import running_service
from orchestrator.engine.clock import now_us
from orchestrator.engine.jobs import JobRepository
from orchestrator.engine.submission import JobFactory
from orchestrator.sandboxes.probe import make_driver
from orchestrator.store.store import Store
from statek.job_status import JobStatus
from statek.settings import StatekSettings
from statek.task_door import NewJob

__all__ = ["measure_suspended_jobs"]

_BATCH = 20


async def measure_suspended_jobs(bench: Bench) -> None:
    """10,000 jobs that wait (200 in a smoke run)."""
    count = bench.times(10_000, 200)
    empty, full = bench.fresh_folder(), bench.fresh_folder()
    without = await _restart(bench, empty)
    await asyncio.to_thread(_make_jobs, bench, full, count)
    with_jobs = await _restart(bench, full)
    per_job = (with_jobs["rss_kb"] - without["rss_kb"]) / count
    notes = {"jobs": str(count)}
    notes |= per_operation(with_jobs["fsyncs"], 1)
    bench.add("suspended_jobs_rss", max(per_job, 0.0), "KB/job", 5, "target-5KB", notes=notes)
    bench.add("suspended_jobs_restart", with_jobs["seconds"], "s", 3, "target-3s", notes=notes)


def _make_jobs(bench: Bench, folder: Path, count: int) -> None:
    """Submit jobs as the service does and suspend each in the same write."""
    settings = bench.settings(folder)
    store = Store.open(folder / "store")
    try:
        jobs = JobRepository()
        factory = JobFactory(store, settings, jobs)
        agent = make_agent()
        create = factory.prepare(agent, NewJob(shared_vars={"x": 1, "text": "a" * 200}, message="go"))

        def batch(amount: int) -> None:
            for _ in range(amount):
                record = jobs.get(create())
                jobs.set_status(record, JobStatus.SUSPENDED, now_us(), "waits")

        for first in range(0, count, _BATCH):
            store.commit_sync(partial(batch, min(_BATCH, count - first)))
    finally:
        store.close()


async def _restart(bench: Bench, folder: Path) -> dict[str, Any]:
    argv = [sys.executable, "-m", "benchmarks.suspended", str(folder), bench.driver_name, bench.engine or ""]
    done = await asyncio.to_thread(subprocess.run, argv, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the restarted service failed: {done.stderr.strip()[-500:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def _open_and_measure(folder: Path, driver_name: str, engine: str) -> dict[str, Any]:
    """Open a service without warm runners over a folder, and look at it once it has started."""
    settings = StatekSettings.load({"data_dir": folder, "driver": driver_name, "pool_size": 0}, environ={})
    driver = make_driver(driver_name, engine=engine or None)
    await driver.prepare("base")
    with counted_fsyncs() as fsyncs:
        begun = time.perf_counter()
        store = Store.open(folder / "store")
        try:
            model = ClockedModel(lambda _turn: "")
            async with running_service(settings, store, [make_agent()], model=model, driver=driver):
                seconds = time.perf_counter() - begun
                rss = _rss_bytes()
                synced = fsyncs.count()
        finally:
            store.close()
            await driver.aclose()
    return {"seconds": seconds, "rss_kb": rss / 1024, "fsyncs": synced}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_open_and_measure(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))))
