"""A thousand jobs of mixed styles, all active at once over at most 64 runners: nothing of one is in another.

In bubblewrap, which confines them, with the thousand in ``make test-full`` and as many jobs as fill every runner three
times in each run of the tests; the thousand without confinement, whose runners start in half the time, in each run.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestrator.app import open_service
from orchestrator.engine.service import Service
from statek import FutureResult, suspend_for, tool
from statek.agents.agent import SupervisedAgent
from statek.future import FutureState, Settlement
from statek.model import ModelReply, ModelRequest
from statek.settings import StatekSettings
from statek.testing import scripted_call, scripted_reply

RUNNERS = 64
WAITING = 8
"""Every so many-th job waits for an answer from outside, and is suspended until all of them have asked."""
STYLES = ("MARKDOWN", "CONSOLE", "DIRECT", "MD_DIALOG")
GROWTH_BYTES_PER_JOB = 600 << 10
"""What the orchestrator may grow by: a bound against keeping everything."""
LEAST_GROWTH_BYTES = 200 << 20
"""What any run may: queues, caches and code that is loaded on the way."""


def mark(number: int) -> str:
    """The text that only one job may hold."""
    return f"<{number:04}>"


def marks(texts: object) -> set[str]:
    """Every job's mark that is in some texts."""
    return set(re.findall(r"<\d{4}>", str(texts)))


def reply(style: str, code: str) -> ModelReply:
    """A reply that runs code, in a style."""
    match style:
        case "DIRECT":
            return scripted_reply("", scripted_call("python_cli", code=code))
        case "CONSOLE":
            return scripted_reply(code)
        case _:
            return scripted_reply(f"```python\n{code}\n```")


class Crowd:
    """Answers every job from what is in its own request; nobody's first turn before everybody asked for it, nobody's
    second one before every runner was held."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self.waiting = self.holding = self.most = self.active = 0
        self._all_here, self._all_held = asyncio.Event(), asyncio.Event()

    async def complete(self, request: ModelRequest) -> ModelReply:
        own = marks(request.messages)
        assert len(own) == 1, own
        [name] = own
        number = int(name[1:-1])
        self.active += 1
        self.most = max(self.most, self.active)
        try:
            if request.turn == 0:
                self.waiting += 1
                if self.waiting == self._jobs:
                    self._all_here.set()
                await self._all_here.wait()
            elif request.turn == 1:
                self.holding += 1
                if self.holding == RUNNERS:
                    self._all_held.set()
                # Every runner is held by a job that waits, others want one: some are put away here, and restored.
                await self._all_held.wait()
        finally:
            self.active -= 1
        style = request.model.partition("/")[2].upper()
        return reply(style, self._code(number, name, request.turn))

    @staticmethod
    def _code(number: int, name: str, turn: int) -> str:
        match turn:
            case 0:
                error = "\nassert later(own) == own[::-1]" if number % WAITING == 0 else ""
                error += f"\nraise ValueError('wrong {name}')" if number % 7 == 0 else ""
                return f"assert 'kept' not in globals()\nkept = [own, {number}]\nprint('printed', own, ask(own)){error}"
            case 1:
                return "kept.append(helper(own) if 'helper' in globals() else own[::-1])\nexit([own, kept])"
        raise AssertionError(turn)


@tool(effect="none")
def ask(text: str, ctx: Any = None, **kwargs: object) -> str:
    """Answer with the job that asks."""
    return f"{ctx.job_id}:{text}"


class Outside:
    """Answers every question when all have been asked."""

    def __init__(self, jobs: int) -> None:
        self._questions = len(range(0, jobs, WAITING))
        self.asked: dict[str, str] = {}
        self.all_asked = asyncio.Event()
        loop = asyncio.get_running_loop()

        @tool(effect="external")
        def later(text: str, **kwargs: object) -> FutureResult:
            """Answer later."""
            future = suspend_for(f"an answer to {text}")
            loop.call_soon_threadsafe(self._note, future.id, text)
            return future

        self.later = later

    def _note(self, id_: str, text: str) -> None:
        self.asked[id_] = text
        if len(self.asked) == self._questions:
            self.all_asked.set()

    async def answer(self, service: Service) -> None:
        await self.all_asked.wait()
        for id_, text in self.asked.items():
            await service.settle_future(id_, Settlement(FutureState.RESOLVED, text[::-1]))


async def done(service: Service, id_: str) -> None:
    """Return at the end of a job, across its suspensions."""
    while (await service.wait(id_)).status != "DONE":
        await asyncio.sleep(0.05)


def agents(later: Any) -> list[SupervisedAgent]:
    return [
        SupervisedAgent(
            role=style.lower(),
            _system_prompt="Work.",
            _tools=[ask, later],
            _metadata={
                "MODEL": f"scripted/{style.lower()}",
                "CHAT_STYLE": style,
                **({"LLM_TOOLS_SCOPE": "+python_cli"} if style == "DIRECT" else {}),
            },
        )
        for style in STYLES
    ]


async def check(service: Service, id_: str, number: int, failures: list[str]) -> None:
    view = await service.job(id_)
    own, summary = mark(number), view.summary
    seen = marks([view.items, await service.variables(id_), summary])
    if seen != {own}:
        failures.append(f"{id_} holds {sorted(seen)}, its own is {own}")
    shown = [list(line) for item in view.items for line in item.console]
    shown += [list(line) for item in view.items for action in item.usage.get("tool_log", []) for line in action]
    printed = [text for kind, text in shown if kind == "print"]
    wrong = [text for kind, text in shown if kind == "error"]
    expected_wrong = [f"ValueError: wrong {own}"] if number % 7 == 0 else []
    facts: Mapping[str, Any] = {
        "status": (summary.status, summary.failure),
        "printed": printed,
        "errors": wrong,
        "exit": summary.exit_status,
    }
    expected = {
        "status": ("DONE", None),
        "printed": [f"printed {own} {id_}:{own}"],
        "errors": expected_wrong,
        "exit": f'["{own}",["{own}",{number},"{own[::-1]}"]]',
    }
    if facts != expected:
        failures.append(f"{id_}: {facts} is not {expected}")


@pytest.mark.timeout(900)  # one sandbox a job: 0.15 s of processor time each, 90 s on two quiet cores
@pytest.mark.parametrize(
    ("driver", "jobs"),
    [("bubblewrap", 3 * RUNNERS), ("process", 1000), pytest.param("bubblewrap", 1000, marks=pytest.mark.chaos)],
)
async def test_nothing_of_one_job_is_in_another(tmp_path: Path, driver: str, jobs: int) -> None:
    settings = StatekSettings.load(
        {
            "data_dir": tmp_path / "d",
            "driver": driver,
            "pool_size": 4,
            "max_runners": RUNNERS,
            "max_concurrency": jobs,
        },
        environ={},
    )
    outside = Outside(jobs)
    crowd, process, failures = Crowd(jobs), psutil.Process(), list[str]()
    async with open_service(settings, agents(outside.later), model=crowd) as service:
        before = process.memory_info().rss
        roles = [style.lower() for style in STYLES]
        submitted = [
            service.submit(
                roles[number % len(roles)], shared_vars={"own": mark(number)}, message=f"Go, {mark(number)}."
            )
            for number in range(jobs)
        ]
        ids = await asyncio.gather(*submitted)
        peaks = [0]

        async def watch() -> None:
            while True:
                statistics = service.statistics()["pool"]
                peaks.append(statistics["claimed"] + statistics["starting"])
                await asyncio.sleep(0.05)

        watching = asyncio.create_task(watch())
        await asyncio.gather(outside.answer(service), *(done(service, id_) for id_ in ids))
        watching.cancel()
        grown = process.memory_info().rss - before
        for number, id_ in enumerate(ids):
            await check(service, id_, number, failures)
    assert failures == []
    assert crowd.most == jobs
    assert RUNNERS // 2 < max(peaks) <= RUNNERS
    assert grown < max(LEAST_GROWTH_BYTES, jobs * GROWTH_BYTES_PER_JOB)
    print("grown", grown >> 20, "MB, most runners", max(peaks))
