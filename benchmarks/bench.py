"""What every benchmark gets: the driver, folders, services, bare pools, and the report that it adds to."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.fsyncs import FSYNC_NOTE, FsyncCounter
from benchmarks.measurement import Measurement
from orchestrator.app import running_service
from orchestrator.engine.service import Service
from orchestrator.sandboxes.driver import Driver
from orchestrator.sandboxes.pool import Pool
from orchestrator.sandboxes.probe import make_driver
from orchestrator.sandboxes.sandbox import Sandbox
from orchestrator.sandboxes.step import CallAnswer, CallRequest, OutputItem, StepInput, StepLimits, StepResult
from orchestrator.store.store import Store
from statek.agents.agent import Agent
from statek.model import Model
from statek.settings import StatekSettings

__all__ = ["Bench", "Console", "make_agent", "run_code"]

_START_SECONDS = 120.0


@dataclass(slots=True)
class Bench:
    """One run of the benchmarks.

    Attributes:
        driver_name: of the driver in use.
        engine: address of the Docker engine, None where none is needed.
        smoke: whether each benchmark is only to show that it runs.
        seed: for whatever is random.
        folder: where stores and sockets go; on a real disk.
        write: takes each finished line.
        results: every number so far.
        fsyncs: counts those of this process, from the start of the run.
    """

    driver_name: str
    engine: str | None
    smoke: bool
    seed: int
    folder: Path
    write: Callable[[str], None] = print
    results: list[Measurement] = field(default_factory=list)
    fsyncs: FsyncCounter = field(default_factory=FsyncCounter)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def times(self, full: int, smoke: int) -> int:
        """How often something is done in this run."""
        return smoke if self.smoke else full

    def add(self, name: str, value: float, unit: str, reference: float, versus: str, **more: Any) -> None:
        """Take one number and print its line; arguments as for Measurement.

        Raises:
            ValueError: its notes do not say how many fsyncs an operation made (``per_operation``).
        """
        result = Measurement(name, value, unit, reference, versus, **more)
        if FSYNC_NOTE not in result.notes:
            raise ValueError(f"{name} does not say how many fsyncs it made")
        self.results.append(result)
        self.write(result.line())

    def driver(self) -> Driver:
        """A driver of the chosen kind; whoever asks closes it."""
        return make_driver(self.driver_name, engine=self.engine)

    def fresh_folder(self) -> Path:
        """A folder of its own for one store."""
        path = self.folder / str(next(self._numbers))
        path.mkdir()
        return path

    def settings(self, folder: Path, **values: Any) -> StatekSettings:
        """Settings of a service in a folder: one warm runner, no bound on turns."""
        explicit = {"data_dir": folder, "driver": self.driver_name, "pool_size": 1, "max_turns": None, **values}
        return StatekSettings.load(explicit, environ={})

    @asynccontextmanager
    async def service(
        self, agents: Iterable[Agent], model: Model, *, folder: Path | None = None, **values: Any
    ) -> AsyncIterator[tuple[Service, Store]]:
        """A running service over the store of a folder (None for a fresh one), its runners warm.

        ``values`` are settings.
        """
        settings = self.settings(folder or self.fresh_folder(), **values)
        store = Store.open(Path(settings.data_dir) / "store")
        try:
            driver = self.driver()
            try:
                async with running_service(settings, store, agents, model=model, driver=driver) as service:
                    # What is measured begins with warm runners; only the pool can tell when they are.
                    await service._pool.wait_warm(settings.pool_size, timeout=_START_SECONDS)  # noqa: SLF001
                    yield service, store
            finally:
                await driver.aclose()
        finally:
            store.close()

    @asynccontextmanager
    async def pool(self, size: int, *, max_runners: int, limits: StepLimits | None = None) -> AsyncIterator[Pool]:
        """A pool without a service, its runners warm."""
        driver = self.driver()
        pool = Pool(
            driver,
            size=size,
            max_runners=max_runners,
            socket_dir=self.fresh_folder() / "run",
            store_id="benchmarks",
            incarnation=1,
            step_limits=limits,
        )
        try:
            await pool.start()
            await pool.wait_warm(size, timeout=_START_SECONDS)
            yield pool
        finally:
            await pool.aclose()
            await driver.aclose()


class Console:
    """Takes a step's output and answers no calls; ``first`` is called at the first element."""

    def __init__(self, first: Callable[[], None] | None = None) -> None:
        self.texts: list[str] = []
        self._first = first

    async def call(self, request: CallRequest) -> CallAnswer:
        """Refuse: the code of these benchmarks calls nothing."""
        return CallAnswer(error_type="NameError", error_message=request.name)

    def output(self, item: OutputItem) -> None:
        """Keep one element."""
        if self._first is not None:
            self._first()
            self._first = None
        self.texts.append(item.text)


async def run_code(sandbox: Sandbox, number: int, code: str, console: Console | None = None) -> StepResult:
    """Run one step in a bare sandbox.

    Raises:
        RuntimeError: it did not end well; the message says how.
    """
    console = console or Console()
    step = StepInput(step=number, code=code, time_us=0, seed=1, deadline_seconds=60.0)
    end = await sandbox.run_step(step, console)
    if not isinstance(end, StepResult) or end.error_type:
        raise RuntimeError(f"a benchmark's step failed: {end} {console.texts[-1:]}")
    return end


def make_agent(role: str = "bench", tools: Iterable[Callable[..., Any]] = ()) -> Agent:
    """An agent with a minimal prompt."""
    return Agent(role=role, _system_prompt="x", _tools=list(tools), _metadata={"MODEL": "scripted/x"})
