"""Restoring 100 MB in 100 variables into a warm runner, beside one of them: what a lazy restore could spare at best."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

from benchmarks.bench import Bench, run_code
from benchmarks.fsyncs import per_operation
from benchmarks.measurement import median
from orchestrator.sandboxes.pool import Pool
from orchestrator.sandboxes.step import Workspace
from orchestrator.store.blocks import BlockStore

__all__ = ["measure_large_resume"]

_CLAIM_SECONDS = 60.0

KINDS = {
    "bytes": "from random import randbytes\nfor n in range({count}): globals()[f'v{{n}}'] = randbytes({size})",
    "texts": "for n in range({count}): globals()[f'v{{n}}'] = [f'{{i:034d}}{{n:02d}}' for i in range({size} // 36)]",
}
"""What makes the variables: opaque bytes, and lists of short texts, which the host could read."""


async def measure_large_resume(bench: Bench) -> None:
    """For each kind the whole, how much of that is reading the blocks, and one variable alone."""
    count, size = bench.times(100, 4), 1 << 20
    for kind, code in KINDS.items():
        blocks = BlockStore.open(bench.fresh_folder() / "blocks.sqlite")
        try:
            async with bench.pool(1, max_runners=2) as pool:
                sandbox = await pool.claim(timeout=_CLAIM_SECONDS)
                end = await run_code(sandbox, 1, code.format(count=count, size=size))
                await pool.destroy(sandbox)
                await blocks.put_many(end.new_blocks)
                one = replace(end.workspace, components=tuple(c for c in end.workspace.components if "v0" in c.names))
                before, times = bench.fsyncs.count(), bench.times(5, 1)
                whole = await _restored(pool, blocks, end.workspace, times)
                alone = await _restored(pool, blocks, one, times)
        finally:
            blocks.close()
        bytes_ = sum(component.size_bytes for component in end.workspace.components)
        notes = {"bytes": str(bytes_), "variables": str(len(end.workspace.components))}
        notes |= per_operation(bench.fsyncs.count() - before, 2 * times)
        name = f"resume_100mb_{kind}"
        bench.add(name, whole[0], "ms", alone[0], "resume_one_of_100", notes=notes)
        bench.add(f"{name}_reading", whole[1], "ms", whole[0], name, notes=notes)
        bench.add(f"{name}_one", alone[0], "ms", whole[0], name, notes=notes)


async def _restored(pool: Pool, blocks: BlockStore, workspace: Workspace, times: int) -> tuple[float, float]:
    """Milliseconds of a claim and a restore, and of these how long blocks were read; medians."""
    taken, reading = [], []
    for _ in range(times):
        read = 0.0

        async def fetch(digests: Iterable[str]) -> dict[str, bytes]:
            nonlocal read
            begun = time.perf_counter()
            found = await blocks.get_many(digests)
            read += time.perf_counter() - begun
            return found

        await pool.wait_warm(1, timeout=_CLAIM_SECONDS)
        begun = time.perf_counter()
        sandbox = await pool.claim(timeout=_CLAIM_SECONDS)
        lost = await sandbox.restore(workspace, fetch)
        taken.append((time.perf_counter() - begun) * 1000)
        reading.append(read * 1000)
        if lost:
            raise RuntimeError(f"variables were lost: {lost}")
        await pool.destroy(sandbox)
    return median(taken), median(reading)
