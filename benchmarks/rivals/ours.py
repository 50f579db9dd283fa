"""This service as one side of the comparison: real store, real runner, the whole turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.bench import Bench, Console, make_agent, run_code
from benchmarks.checkpoints import CommitTimes
from benchmarks.models import python
from benchmarks.rivals.workloads import Workload
from orchestrator.engine.jobs import job_number
from orchestrator.engine.manifest import PlacedWorkspace
from orchestrator.engine.service import Service
from orchestrator.store.store import Store
from statek.model import ModelReply, ModelRequest

__all__ = ["Ours", "running_ours"]

_WAIT_SECONDS = 60.0
_HOLD_SECONDS = 3600.0
_FIRST_COMMIT = 1
"""Number of the commit that makes the values; the job's start is commit 0."""


class _PacedModel:
    """Gives the first job that asks one reply at a time, when it is told to; other jobs wait."""

    def __init__(self) -> None:
        self._job = ""
        self._asked: asyncio.Queue[float] = asyncio.Queue()
        self._replies: asyncio.Queue[str] = asyncio.Queue()

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Answer when there is something to answer."""
        self._job = self._job or request.job_id
        if request.job_id != self._job:
            await asyncio.Event().wait()
        self._asked.put_nowait(time.perf_counter())
        return ModelReply(await self._replies.get())

    async def wait_asked(self) -> float:
        """When (seconds) the job asked, once it has."""
        async with asyncio.timeout(_WAIT_SECONDS):
            return await self._asked.get()

    async def turn(self, code: str) -> float:
        """Milliseconds from the reply with this code to the next question: one whole turn, durable."""
        begun = time.perf_counter()
        self._replies.put_nowait(python(code))
        return (await self.wait_asked() - begun) * 1000


class Ours:
    """One job of a service."""

    name = "statek"

    def __init__(
        self, bench: Bench, workload: Workload, folder: Path, service: Service, store: Store, model: _PacedModel
    ) -> None:
        self.folder = folder
        self._bench = bench
        self._workload = workload
        self._service = service
        self._store = store
        self._model = model
        self._job = ""
        self._commits = CommitTimes(service, bench)

    def fsyncs(self) -> int:
        """Those of this process; the rivals sync in theirs."""
        return self._bench.fsyncs.count()

    async def begin(self) -> dict[str, str]:
        """Submit the job and run the code that makes the values."""
        self._job = await self._service.submit("bench", message="go")
        await self._model.wait_asked()
        await self._model.turn(self._workload.make_source())
        return {"sync": "guarded"}

    async def steps(self, first: int, count: int) -> list[float]:
        """Run the code of each turn."""
        return [await self._model.turn(self._workload.change_source(turn)) for turn in range(first, first + count)]

    def commit_ms(self) -> list[float]:
        """Of each step, the part that keeps its values: saving them in the runner, making them durable here."""
        pairs = zip(self._commits.runner_ms, self._commits.host_ms, strict=True)
        return [runner + host for runner, host in pairs][1:]

    async def prepare(self) -> None:
        """A turn numbers its commit."""

    async def view(self, turn: int) -> float:
        """Open a view of a commit and read one variable.

        Raises:
            RuntimeError: it shows something else.
        """
        name, index, expected = self._workload.probe(turn)
        taken, found = await asyncio.to_thread(self._viewed, turn, name, index)
        if found != expected:
            raise RuntimeError(f"the view of turn {turn} shows {found!r}, not {expected!r}")
        return taken

    def _viewed(self, turn: int, name: str, index: int) -> tuple[float, str]:
        begun = time.perf_counter()
        found = self._service.past.view_sync(self._job, turn + _FIRST_COMMIT)[name][index]
        return (time.perf_counter() - begun) * 1000, found

    async def fork(self, turn: int) -> float:
        """Fork a job from a commit."""
        begun = time.perf_counter()
        await self._service.past.fork(self._job, turn + _FIRST_COMMIT)
        return (time.perf_counter() - begun) * 1000

    async def resume(self) -> tuple[float, str]:
        """Restore the newest commit in another warm runner, from the store; the values are looked at there."""
        pool = self._service._pool  # noqa: SLF001 - the road of a resumed job, without the step behind it
        await pool.wait_warm(1, timeout=_WAIT_SECONDS)
        begun = time.perf_counter()
        head, inline = await self._store.read(self._head)

        async def fetch(digests: Sequence[str]) -> Mapping[str, bytes]:
            stored = [digest for digest in digests if digest not in inline]
            found = {digest: inline[digest] for digest in digests if digest in inline}
            return {**found, **await self._store.blocks.get_many(stored)} if stored else found

        sandbox = await pool.claim(timeout=_WAIT_SECONDS)
        try:
            lost = await sandbox.restore(head.workspace, fetch)
            taken = (time.perf_counter() - begun) * 1000
            if lost:
                raise RuntimeError(f"variables were lost: {lost}")
            console = Console()
            await run_code(sandbox, 1, self._workload.digest_source(), console)
        finally:
            await pool.destroy(sandbox)
        return taken, "".join(console.texts).strip()

    def _head(self) -> tuple[PlacedWorkspace, dict[str, bytes]]:
        """The newest commit's workspace, and what of it is in the records (store thread)."""
        jobs = self._service._jobs  # noqa: SLF001 - as above
        record = jobs.get(job_number(self._job))
        head = jobs.workspace(record, jobs.commit_count(record) - 1)
        return head, jobs.inline_blocks(record, head.places)


@asynccontextmanager
async def running_ours(bench: Bench, workload: Workload) -> AsyncIterator[Ours]:
    """A service with one job, whose runner it keeps while others have their turns."""
    model = _PacedModel()
    folder = bench.fresh_folder()
    # One job at a time: it holds that place, so that forks are made and not driven.
    values = {"max_concurrency": 1, "idle_hold_seconds": _HOLD_SECONDS, "max_runners": 4}
    async with bench.service([make_agent()], model, folder=folder, **values) as (service, store):
        yield Ours(bench, workload, folder, service, store, model)
