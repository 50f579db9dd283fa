"""How long a step outlives its deadline: when the runner's PID 1 ends it, and when the host must."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import time
from pathlib import Path
from typing import Any, Self

from benchmarks.bench import Bench, Console, run_code
from benchmarks.fsyncs import per_operation
from benchmarks.measurement import percentile
from orchestrator.sandboxes.children import tree_of
from orchestrator.sandboxes.driver import Driver, RunnerRef
from orchestrator.sandboxes.sandbox import Sandbox
from orchestrator.sandboxes.step import Death, DeathCause, StepInput

__all__ = ["measure_deadline"]

_CLAIM_SECONDS = 60.0
_DEADLINE_SECONDS = 0.1
_GONE_SECONDS = 10.0


async def measure_deadline(bench: Bench) -> None:
    """An endless loop: from its deadline until the whole process tree is gone, and until its death is known.

    First by the runner's own PID 1; then with that stopped (SIGSTOP), as a hostile one would stop itself, so that the
    host's clock has to find out and the host has to kill.
    """
    await _measure_kills(bench, "deadline_kill", target_ms=50, stopped=False)
    await _measure_kills(bench, "host_kill", target_ms=250, stopped=True)


async def _measure_kills(bench: Bench, name: str, *, target_ms: int, stopped: bool) -> None:
    """Deadline until every process of the runner is gone (the promise), and until the verdict is known (a part of it).

    Args:
        bench: the run.
        name: of the number.
        target_ms: what is promised.
        stopped: whether PID 1 is stopped, so that the host has to kill.
    """
    verdict: list[float] = []
    gone: list[float] = []
    before = bench.fsyncs.count()
    async with bench.pool(1, max_runners=2) as pool:
        driver: Driver = pool._driver  # noqa: SLF001 - it alone knows which process PID 1 is
        for _ in range(bench.times(25, 4)):
            sandbox = await pool.claim(timeout=_CLAIM_SECONDS)
            await run_code(sandbox, 1, "x = 0")
            first = await _pid_of(driver, sandbox.runner)
            with _Tree(first) as tree:
                if stopped:
                    os.kill(first, signal.SIGSTOP)
                due = time.perf_counter() + _DEADLINE_SECONDS
                watching = asyncio.ensure_future(asyncio.to_thread(tree.wait_gone))
                verdict.append(await _run_endless(sandbox, step=2))
                await sandbox.destroy()  # as its owner does once the step is over
                gone.append((await watching - due) * 1000)
            await pool.destroy(sandbox)
            await pool.wait_warm(1, timeout=_CLAIM_SECONDS)
    notes = per_operation(bench.fsyncs.count() - before, len(gone))
    bench.add(f"{name}_p95", percentile(gone, 95), "ms", target_ms, f"target-{target_ms}ms", notes=notes)
    bench.add(f"{name}_verdict_p95", percentile(verdict, 95), "ms", percentile(gone, 95), f"{name}_p95", notes=notes)


async def _run_endless(sandbox: Sandbox, *, step: int = 1) -> float:
    """Run a loop without end; milliseconds from its deadline until its death is known.

    Raises:
        RuntimeError: it ended in another way.
    """
    endless = StepInput(step=step, code="while True: pass", time_us=0, seed=1, deadline_seconds=_DEADLINE_SECONDS)
    due = time.perf_counter() + _DEADLINE_SECONDS
    end = await sandbox.run_step(endless, Console())
    taken = (time.perf_counter() - due) * 1000
    if not isinstance(end, Death) or end.cause is not DeathCause.DEADLINE:
        raise RuntimeError(f"the loop ended by {end}")
    return taken


async def _pid_of(driver: Any, runner: RunnerRef) -> int:
    """The pid of a runner's PID 1 as this machine numbers it.

    Raises:
        RuntimeError: its processes cannot be seen from here.
    """
    pid = int(runner.id) if runner.driver != "docker" else await driver._pid_of(runner)  # noqa: SLF001
    if not pid:
        raise RuntimeError(f"the processes of runner {runner.runner_id} cannot be seen from here")
    return int(pid)


class _Tree:
    """The processes of one runner, held so that no pid of theirs can become another's."""

    def __init__(self, first: int) -> None:
        self._handles: list[int] = []
        for pid in tree_of(first):
            with contextlib.suppress(ProcessLookupError):
                self._handles.append(os.pidfd_open(pid))
        if not Path(f"/proc/{first}").exists() or len(self._handles) < 2:
            raise RuntimeError("a runner has a PID 1, a supervisor and an executor")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            os.close(handle)

    def wait_gone(self) -> float:
        """When the last of them had ended, on the clock of ``time.perf_counter``. Blocks.

        Raises:
            RuntimeError: one of them lives on.
        """
        last = time.monotonic() + _GONE_SECONDS
        for handle in self._handles:
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            if not poll.poll(max(0.0, last - time.monotonic()) * 1000):
                raise RuntimeError(f"a process of a killed runner lived for {_GONE_SECONDS:g} s more")
        return time.perf_counter()
