"""A real service that runs a hostile job beside an honest one, and what the host feels of it."""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil
import pytest

from orchestrator.app import open_service
from orchestrator.engine.service import Service
from orchestrator.sandboxes.driver import Driver
from orchestrator.sandboxes.probe import make_driver
from statek import tool
from statek.agents.agent import SupervisedAgent
from statek.executors.views import ItemView, JobSummary
from statek.model import ModelReply, ModelRequest
from statek.settings import StatekSettings
from statek.testing import ScriptedModel
from tests.support.heap import quiet_heap

DRIVERS = [pytest.param("docker", marks=pytest.mark.docker), "bubblewrap"]
DEADLINE_SECONDS = 1.5

LONGEST_CALLBACK_SECONDS = 0.01
"""Processor time that one turn of the event loop may take: the invariant of the design."""

LONGEST_PAUSE_SECONDS = 0.03
"""Processor time of this process between two beats of the loop. More than one callback: the loop also waits its turn of
the interpreter lock behind the store thread and others, which keep it for 5 ms at a time."""

RSS_GROWTH_BYTES = 64 << 20

AFTER = """
for name in ("print", "exit"):
    globals().pop(name, None)
print(kept + 1)
exit(kept + 1)
"""
HONEST_STEPS = 6


def code(source: str) -> str:
    """A reply that runs ``source``."""
    return f"```python\n{source}\n```"


def steps(items: Sequence[ItemView]) -> list[ItemView]:
    """The entries of the chat log that ran code."""
    return [item for item in items if item.step]


class ByModel:
    """One script per model name."""

    def __init__(self, scripts: dict[str, ScriptedModel]) -> None:
        self._scripts = scripts

    async def complete(self, request: ModelRequest) -> ModelReply:
        return await self._scripts[request.model].complete(request)


class Pulse:
    """Measures how long the event loop stands still because of this process.

    A pause counts as far as the process used the processor in it: on a busy machine the rest is other people's. Of each
    callback the processor time of the loop's own thread counts, and the longest one is named.
    """

    def __init__(self) -> None:
        self.longest_seconds = 0.0
        self.longest_callback_seconds = 0.0
        self.longest_callback = ""
        self._run = asyncio.Handle._run
        self.rss_growth_bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._heap = quiet_heap()

    async def __aenter__(self) -> Self:
        self._heap.__enter__()
        pulse, run, loop_thread = self, self._run, threading.get_ident()

        def measured(handle: asyncio.Handle) -> None:
            began = time.thread_time()
            run(handle)
            took = time.thread_time() - began
            if took > pulse.longest_callback_seconds and threading.get_ident() == loop_thread:
                pulse.longest_callback_seconds, pulse.longest_callback = took, repr(handle)[:300]

        asyncio.Handle._run = measured  # type: ignore[method-assign]
        self._task = asyncio.create_task(self._beat())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])
        asyncio.Handle._run = self._run  # type: ignore[method-assign]
        self._heap.__exit__(None, None, None)

    async def _beat(self) -> None:
        process = psutil.Process()
        before = process.memory_info().rss
        count = 0
        while True:
            wall, cpu = time.monotonic(), time.process_time()
            await asyncio.sleep(0.002)
            pause = min(time.monotonic() - wall - 0.002, time.process_time() - cpu)
            self.longest_seconds = max(self.longest_seconds, pause)
            count += 1
            if count % 10 == 0:
                self.rss_growth_bytes = max(self.rss_growth_bytes, process.memory_info().rss - before)


@dataclass
class Ended:
    """A hostile job's end and what the host felt."""

    summary: JobSummary
    attack: ItemView
    items: list[ItemView]
    pulse: Pulse

    @property
    def console(self) -> str:
        """The console of the attacking step."""
        return "\n".join(text for _, text in self.attack.console)


def honest_script() -> ScriptedModel:
    """Sums in a variable, over several steps, calls included."""
    one = code("total = globals().get('total', 0) + double(21)\nprint(total)")
    return ScriptedModel([*([one] * HONEST_STEPS), code("exit(total)")])


@tool(effect="none")
def double(number: int, **kwargs: object) -> int:
    """Twice the number."""
    return 2 * number


@pytest.fixture(params=DRIVERS)
async def driver(request: pytest.FixtureRequest) -> AsyncIterator[Driver]:
    engine = request.getfixturevalue("docker_engine") if request.param == "docker" else None
    made = make_driver(request.param, engine=engine)
    report = await made.probe()
    assert report.available, f"{report.reason}; {report.remedy}"
    yield made
    await made.aclose()


@pytest.fixture
def data_dir() -> Iterator[Path]:
    # Short: a Unix socket's path has 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="st-") as folder:
        yield Path(folder)


Attack = Callable[..., Any]


@pytest.fixture
def opened(driver: Driver, data_dir: Path) -> Callable[..., AbstractAsyncContextManager[Service]]:
    """Opens a service with an honest agent and a hostile one."""

    @asynccontextmanager
    async def opening(replies: Sequence[str], tools: Sequence[Any] = (), **settings: Any) -> AsyncIterator[Service]:
        agents = [
            SupervisedAgent(
                role=role,
                _system_prompt="Work.",
                _tools=[double, *(tools if role == "hostile" else ())],
                _metadata={"MODEL": f"scripted/{role}"},
            )
            for role in ("hostile", "honest")
        ]
        model = ByModel({"scripted/hostile": ScriptedModel(replies), "scripted/honest": honest_script()})
        values = {
            "data_dir": data_dir,
            "pool_size": 2,
            "step_deadline_seconds": DEADLINE_SECONDS,
            "memory_bytes": 256 << 20,
            "work_bytes": 16 << 20,
            "tmp_bytes": 16 << 20,
            **settings,
        }
        loaded = StatekSettings.load(values, environ={})
        async with open_service(loaded, agents, model=model, driver=driver) as service:
            yield service

    return opening


@pytest.fixture
def attack(opened: Callable[..., AbstractAsyncContextManager[Service]]) -> Attack:
    """Runs a hostile step between two honest ones of its job, beside another job, and measures."""

    async def run(source: str, *, tools: Sequence[Any] = (), **settings: Any) -> Ended:
        replies = [code("kept = 41"), code(source), *([code(AFTER)] * 3)]
        async with opened(replies, tools, **settings) as service:
            # The first of everything is slower; it is not what is measured.
            await service.wait(await service.submit("honest"))
            async with Pulse() as pulse:
                hostile = await service.submit("hostile")
                beside = [await service.submit("honest") for _ in range(2)]
                summary = await service.wait(hostile)
                others = [await service.wait(one) for one in beside]
            items = steps((await service.job(hostile)).items)
        ended = Ended(summary, items[1], items, pulse)
        print(f"console: {ended.console[:300]!r}")
        longest = f"{pulse.longest_callback_seconds * 1e3:.1f} ms ({pulse.longest_callback})"
        print(f"longest pause {pulse.longest_seconds * 1e3:.1f} ms, RSS +{pulse.rss_growth_bytes >> 20} MB")
        print(f"longest callback {longest}")
        assert (summary.status, summary.failure, summary.exit_status) == ("DONE", None, "42")
        honest = ("DONE", None, str(42 * HONEST_STEPS))
        assert [(one.status, one.failure, one.exit_status) for one in others] == [honest, honest]
        assert pulse.longest_callback_seconds < LONGEST_CALLBACK_SECONDS, longest
        assert pulse.longest_seconds < LONGEST_PAUSE_SECONDS
        assert pulse.rss_growth_bytes < RSS_GROWTH_BYTES
        return ended

    return run
