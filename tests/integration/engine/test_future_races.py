"""Ends of one future that come at once: exactly one counts, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from orchestrator.engine.futures import FutureBoard
from statek import FutureResult, suspend_for, tool
from statek.exceptions import FutureSettled, StatekError
from statek.executors.views import FutureView
from tests.integration.engine.conftest import Open, code, crash
from tests.integration.engine.test_futures import Office, open_futures, resolved, suspended

pytestmark = pytest.mark.timeout(60)


class Deadline:
    """A tool whose future expires soon, and the moment between that and its write.

    Attributes:
        passed: set when a deadline has passed.
        go: lets the service write it.
    """

    def __init__(self, patched: pytest.MonkeyPatch) -> None:
        self.passed, self.go = asyncio.Event(), asyncio.Event()
        expire = FutureBoard._expire

        async def later(board: FutureBoard, due: list[int]) -> None:
            self.passed.set()
            await self.go.wait()
            await expire(board, due)

        patched.setattr(FutureBoard, "_expire", later)

        @tool
        def ask(**kwargs: object) -> FutureResult:
            """Ask a person."""
            return suspend_for("an answer", timeout=0.05)

        self.tools = [ask]


SOURCE = "try:\n    exit(ask() + '!')\nexcept TimeoutError as e:\n    exit(str(e))"
EXPIRED = "an answer: no answer within 0.05 seconds"


async def ended(service: Any, id_: str) -> Any:
    """The job at its end."""
    while (summary := await service.wait(id_)).status != "DONE":
        await asyncio.sleep(0.01)
    return summary


async def open_one(service: Any) -> FutureView:
    [future] = await open_futures(service)
    return future


@pytest.mark.parametrize("hold", [30, 0.02])
@pytest.mark.parametrize("cancel_first", [True, False])
async def test_cancelling_a_job_races_with_the_answer(open_with: Open, hold: float, cancel_first: bool) -> None:
    office = Office()
    source = "answer = ask('q') + '!'\neffect(answer)\nexit(answer)"
    async with open_with([code(source)], tools=office.tools, idle_hold_seconds=hold) as service:
        id_ = await service.submit("helper")
        future = await open_one(service)
        if hold < 1:
            await suspended(service, id_)
        verbs: Sequence[Any] = [service.cancel(id_, "enough"), service.settle_future(future.id, resolved("yes"))]
        found = await asyncio.gather(*(verbs if cancel_first else verbs[::-1]), return_exceptions=True)
        answered = found[1 if cancel_first else 0]
        summary = await ended(service, id_)
        shown = await service.future(future.id)
        assert await service.futures() == []
    # Whoever answered was told the truth, and the effect after the wait was had once or not at all.
    assert isinstance(answered, FutureSettled if shown.state == "cancelled" else FutureView), answered
    assert shown.state in {"cancelled", "resolved"}
    assert office.effects in ([], ["yes!"])
    assert summary.failure == {"kind": "cancelled", "message": "enough"} or summary.exit_status == "yes!"
    assert office.asked == ["q"]


@pytest.mark.parametrize("hold", [30, 0.02])
async def test_answer_between_a_deadline_and_its_write_counts(
    open_with: Open, hold: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadline = Deadline(monkeypatch)
    async with open_with([code(SOURCE)], tools=deadline.tools, idle_hold_seconds=hold) as service:
        id_ = await service.submit("helper")
        future = await open_one(service)
        await deadline.passed.wait()
        await service.settle_future(future.id, resolved("yes"))
        deadline.go.set()
        summary = await ended(service, id_)
        shown = await service.future(future.id)
    assert (summary.exit_status, shown.state) == ("yes!", "resolved")


@pytest.mark.parametrize("hold", [30, 0.02])
async def test_deadline_races_with_answers(open_with: Open, hold: float, monkeypatch: pytest.MonkeyPatch) -> None:
    deadline = Deadline(monkeypatch)
    async with open_with([code(SOURCE)], tools=deadline.tools, idle_hold_seconds=hold) as service:
        id_ = await service.submit("helper")
        future = await open_one(service)
        await deadline.passed.wait()
        deadline.go.set()
        tried = await asyncio.gather(
            *(service.settle_future(future.id, resolved(f"yes{n}")) for n in range(4)), return_exceptions=True
        )
        summary = await ended(service, id_)
        shown = await service.future(future.id)
    taken = [n for n, one in enumerate(tried) if isinstance(one, FutureView)]
    assert [type(one) for one in tried if not isinstance(one, FutureView)] == [FutureSettled] * (4 - len(taken))
    assert (shown.state, summary.exit_status) == (
        ("resolved", f"yes{taken[0]}!") if taken else ("expired", EXPIRED)
    )  # fmt: skip


async def test_crash_between_a_deadline_and_its_write_loses_no_deadline(open_with: Open) -> None:
    with pytest.MonkeyPatch.context() as patched:
        deadline = Deadline(patched)
        async with open_with([code(SOURCE)], tools=deadline.tools, idle_hold_seconds=0.02) as service:
            id_ = await service.submit("helper")
            future = await open_one(service)
            await deadline.passed.wait()
            await suspended(service, id_)
            await crash(service)
    async with open_with([], tools=deadline.tools) as service:
        summary = await ended(service, id_)
        shown = await service.future(future.id)
        with pytest.raises(FutureSettled):
            await service.settle_future(future.id, resolved("late"))
    assert (summary.exit_status, summary.failure, shown.state) == (EXPIRED, None, "expired")


async def test_answers_from_threads_and_from_the_service_at_once(open_with: Open) -> None:
    office = Office()
    async with open_with([code("exit(ask('q'))")], tools=office.tools, idle_hold_seconds=0.02) as service:
        id_ = await service.submit("helper")
        future = await open_one(service)

        async def answer(n: int) -> str:
            if n % 2:
                await asyncio.to_thread(service._board.settle_sync, future.id, resolved(f"yes{n}"))
            else:
                await service.settle_future(future.id, resolved(f"yes{n}"))
            return f"yes{n}"

        tried = await asyncio.gather(*map(answer, range(8)), return_exceptions=True)
        summary = await ended(service, id_)
    [taken] = [one for one in tried if isinstance(one, str)]
    assert summary.exit_status == taken
    assert all(isinstance(one, FutureSettled) for one in tried if isinstance(one, StatekError))
