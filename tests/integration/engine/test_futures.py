"""Jobs that wait: for approvals and callbacks, held and put down, through crashes, once and for all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestrator.engine.service import Service
from statek import FutureResult, suspend_for, tool
from statek.executors.views import FutureView
from statek.future import FutureState, Settlement

from .conftest import Open, code, console, steps

pytestmark = pytest.mark.timeout(60)

SHORT_HOLD = {"idle_hold_seconds": 0.05}


class Office:
    """Tools that ask people, and what they asked."""

    def __init__(self, **options: Any) -> None:
        self.asked: list[str] = []
        self.ids: list[str] = []
        self.effects: list[Any] = []

        @tool(**options)
        def ask(question: str, **kwargs: object) -> FutureResult:
            """Ask a person."""
            self.asked.append(question)
            future = suspend_for(f"answer to {question}", details={"question": question})
            self.ids.append(future.id)
            return future

        @tool
        def effect(value: Any, **kwargs: object) -> None:
            """Do something outside."""
            self.effects.append(value)

        self.tools = [ask, effect]


def resolved(value: Any) -> Settlement:
    return Settlement(FutureState.RESOLVED, value)


async def open_futures(service: Service, count: int = 1) -> list[FutureView]:
    """The open futures, once there are so many."""
    while len(found := await service.futures()) < count:
        await asyncio.sleep(0.01)
    return found


async def suspended(service: Service, id_: str) -> None:
    """Return when the job is suspended and nothing of it runs."""
    summary = await service.wait(id_)
    assert summary.status == "SUSPENDED"


@pytest.mark.parametrize("effect", ["external", "none", "store"])
@pytest.mark.parametrize("hold", [30, 0.05])
async def test_code_goes_on_where_it_waited(open_with: Open, effect: str, hold: float) -> None:
    office = Office(effect=effect)
    source = (
        "answer = ask('q')\neffect(1)\nprint('before')\nprint(answer, len(answer))\neffect(2)\nexit(answer.upper())"
    )
    async with open_with([code(source)], tools=office.tools, idle_hold_seconds=hold) as service:
        id_ = await service.submit("helper")
        [future] = await open_futures(service)
        if hold < 1:
            await suspended(service, id_)
            assert service._pool.statistics().claimed == 0
        await service.settle_future(future.id, resolved("yes"))
        summary = await service.wait(id_)
        step = steps(await service.job(id_))[0]
    assert (summary.status, summary.exit_status, summary.reason) == ("DONE", "YES", "")
    assert console(step) == ["None", "before", "yes 3", "None"]
    assert (office.asked, office.effects) == (["q"], [1, 2])
    assert (future.what, future.state, future.job) == ("answer to q", "pending", id_)
