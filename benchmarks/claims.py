"""Runners: warm claim, cold start beside the bare engine, idle memory, restoring 1 MB."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from functools import partial
from typing import Any

import docker

from benchmarks.bench import Bench, Console, run_code
from benchmarks.fsyncs import per_operation
from benchmarks.measurement import median, percentile
from orchestrator.sandboxes.runner_files import image_tag
from orchestrator.store.blocks import BlockStore

__all__ = ["measure_claims", "measure_cold_start", "measure_resume"]

_CLAIM_SECONDS = 60.0


def _note(taken: list[float], begun: float) -> None:
    taken.append((time.perf_counter() - begun) * 1000)


async def measure_claims(bench: Bench) -> None:
    """A claim of a warm runner to the first output of the code, one runner after the other; then idle ones weighed.

    The memory of a runner is that of all its processes in MB (10**6 bytes); several wait, and the median counts.
    """
    taken: list[float] = []
    ready: list[float] = []
    before = bench.fsyncs.count()
    async with bench.pool(1, max_runners=2) as pool:
        for _ in range(bench.times(60, 6)):
            await pool.wait_warm(1, timeout=_CLAIM_SECONDS)
            begun = time.perf_counter()
            sandbox = await pool.claim(timeout=_CLAIM_SECONDS)
            ready.append((time.perf_counter() - begun) * 1000)
            console = Console(partial(_note, taken, begun))
            await run_code(sandbox, 1, "print('here')", console)
            await pool.destroy(sandbox)
    notes = per_operation(bench.fsyncs.count() - before, len(taken))
    bench.add("warm_claim_p50", median(taken), "ms", 10, "target-10ms", notes=notes)
    bench.add("warm_claim_p99", percentile(taken, 99), "ms", 50, "target-50ms", notes=notes)
    bench.add("warm_claim_ready_p50", median(ready), "ms", median(taken), "warm_claim_p50", notes=notes)
    await _measure_idle_memory(bench)


async def _measure_idle_memory(bench: Bench) -> None:
    runners = bench.times(5, 3)
    before = bench.fsyncs.count()
    async with bench.pool(runners, max_runners=runners) as pool:
        driver = pool._driver  # noqa: SLF001 - only the driver that started a runner can measure it
        memory = [(await driver.stats(ref)).memory_bytes for ref in await driver.list_runners("benchmarks")]
    notes = {"runners": str(len(memory)), **per_operation(bench.fsyncs.count() - before, len(memory))}
    bench.add("idle_runner_memory", median(memory) / 1e6, "MB", 30, "target-30MB", notes=notes)


async def measure_cold_start(bench: Bench) -> None:
    """A claim with no warm runner to first output, beside the bare engine running Python once on the same files."""
    ours: list[float] = []
    bare: list[float] = []
    before = bench.fsyncs.count()
    async with bench.pool(0, max_runners=2) as pool:
        for _ in range(bench.times(15, 3)):
            # In turns, so that both meet the same machine.
            bare.append(await asyncio.to_thread(_bare_run, bench))
            begun = time.perf_counter()
            sandbox = await pool.claim(timeout=_CLAIM_SECONDS)
            console = Console(partial(_note, ours, begun))
            await run_code(sandbox, 1, "print('here')", console)
            await pool.destroy(sandbox)
            while pool.statistics().destroying:  # noqa: ASYNC110 - the pool tells nobody when it is quiet
                await asyncio.sleep(0.01)
    bare_ms = median(bare)
    rival = {"docker": "docker_run", "bubblewrap": "bare_bwrap"}.get(bench.driver_name, "bare_python")
    notes = per_operation(bench.fsyncs.count() - before, len(ours))
    bench.add("cold_start", median(ours), "ms", 1.3 * bare_ms, f"target-1.3x-{rival}", notes=notes)
    # The bare engine runs in processes of its own, whose fsyncs nobody here makes or counts.
    bench.add(f"cold_start_{rival}", bare_ms, "ms", median(ours), "cold_start", notes=per_operation(0, len(bare)))


def _bare_run(bench: Bench) -> float:
    """Milliseconds until a bare sandbox of the same kind has printed one word and ended."""
    if bench.driver_name == "docker":
        return _bare_docker(bench.engine)
    argv = [sys.executable, "-c", "print('here')"]
    if bench.driver_name == "bubblewrap":
        argv = [str(shutil.which("bwrap")), "--unshare-pid", "--unshare-net", "--ro-bind", "/", "/", "--", *argv]
    begun = time.perf_counter()
    subprocess.run(argv, check=True, capture_output=True)
    return (time.perf_counter() - begun) * 1000


def _bare_docker(engine: str | None) -> float:
    """The same through the same SDK: create, start, wait for its output; removal is not counted, as with ours."""
    client: Any = docker.APIClient(base_url=engine, version="auto")
    created = None
    try:
        tag = image_tag("base")
        python = client.inspect_image(tag)["Config"]["Entrypoint"][0]
        begun = time.perf_counter()
        created = client.create_container(tag, entrypoint=[python, "-c", "print('here')"], network_disabled=True)
        client.start(created)
        client.wait(created)
        output = client.logs(created)
        taken = (time.perf_counter() - begun) * 1000
    finally:
        if created is not None:
            client.remove_container(created, force=True, v=True)
        client.close()
    if output.strip() != b"here":
        raise RuntimeError(f"the bare container said {output!r}")
    return taken


async def measure_resume(bench: Bench) -> None:
    """Claim a warm runner and restore 1 MB of variables into it from the block store."""
    taken: list[float] = []
    blocks = BlockStore.open(bench.fresh_folder() / "blocks.sqlite")
    try:
        async with bench.pool(1, max_runners=2) as pool:
            sandbox = await pool.claim(timeout=_CLAIM_SECONDS)
            end = await run_code(
                sandbox, 1, "rows = [f'row {i:012d}' for i in range(1 << 16)]\nmore = list(range(1000))"
            )
            await pool.destroy(sandbox)
            await blocks.put_many(end.new_blocks)
            size = sum(component.size_bytes for component in end.workspace.components)
            before = bench.fsyncs.count()
            for _ in range(bench.times(30, 4)):
                await pool.wait_warm(1, timeout=_CLAIM_SECONDS)
                begun = time.perf_counter()
                sandbox = await pool.claim(timeout=_CLAIM_SECONDS)
                lost = await sandbox.restore(end.workspace, blocks.get_many)
                taken.append((time.perf_counter() - begun) * 1000)
                if lost:
                    raise RuntimeError(f"variables were lost: {lost}")
                await pool.destroy(sandbox)
    finally:
        blocks.close()
    notes = {"bytes": str(size), **per_operation(bench.fsyncs.count() - before, len(taken))}
    bench.add("resume_1mb", median(taken), "ms", 25, "target-25ms", notes=notes)
