"""Tool calls that go wrong: what the code sees, what is in the journal, and what a later run is answered."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from orchestrator.engine.jobs import JobRepository
from statek import tool
from statek.tools import NotHappened

from .conftest import Open, RunnerLoss, code, console, crash, steps

pytestmark = pytest.mark.timeout(60)


class Bad:
    """A value that raises when anything is done with it."""

    def __iter__(self) -> Iterator[int]:
        raise KeyError("bad iteration")


class BadIterator(Iterator[int]):
    """An iterator whose elements raise."""

    def __next__(self) -> int:
        raise KeyError("bad element")


RESULTS: dict[str, Any] = {
    "an object without a form": Bad(),
    "an iterator that raises": BadIterator(),
    "a list that is too large": list(range(2_000_000)),
}


@pytest.mark.parametrize("effect", ["external", "none", "store"])
@pytest.mark.parametrize("result", RESULTS)
async def test_result_that_cannot_cross_is_an_error_of_the_call_and_the_job_goes_on(
    open_with: Open, effect: Any, result: str
) -> None:
    @tool(effect=effect)
    def give(**kwargs: object) -> object:
        """Give something."""
        return RESULTS[result]

    replies = [code("try:\n    give()\nexcept Exception as e:\n    print('refused')"), code("exit(1)")]
    async with open_with(replies, tools=[give]) as service:
        summary = await service.wait(await service.submit("helper"))
        [call] = steps(await service.job("j1"))[0].calls
        text = console(steps(await service.job("j1"))[0])
    assert (summary.status, summary.failure, text) == ("DONE", None, ["refused"])
    assert call.state == "failed"


@dataclass
class Record:
    """A domain object that is not durable."""

    name: str


async def test_plain_domain_object_is_refused_with_what_to_do(open_with: Open) -> None:
    @tool(effect="none")
    def find(**kwargs: object) -> dict[str, Record]:
        """Find a record."""
        return {"found": Record("a")}

    async with open_with([code("find()"), code("exit(1)")], tools=[find]) as service:
        await service.wait(await service.submit("helper"))
        [line, *_] = console(steps(await service.job("j1"))[0])
    assert line == (
        f"InvalidRequest: the result cannot be sent into a sandbox: value['found'] is of type {__name__}.Record, which "
        "cannot cross the boundary; make its class durable (dbzero.memo), or give a dict of what is needed"
    )


@pytest.mark.parametrize("effect", ["external", "none", "store"])
async def test_tool_that_leaves_the_process_fails_alone(open_with: Open, effect: Any) -> None:
    @tool(effect=effect)
    def leave(**kwargs: object) -> None:
        """Leave."""
        sys.exit("bye")

    replies = [code("try:\n    leave()\nexcept Exception as e:\n    print(e)"), code("exit(1)")]
    async with open_with(replies, tools=[leave]) as service:
        summary = await service.wait(await service.submit("helper"))
        [line] = console(steps(await service.job("j1"))[0])
    assert (summary.status, summary.failure) == ("DONE", None)
    assert "bye" in line


class Payment:
    """A tool with ``reconcile`` whose first call hangs until it is released."""

    def __init__(self, answer: Any, *, timeout: float | None = None) -> None:
        self.keys: list[str] = []
        self.asked: list[str] = []
        self.entered = asyncio.Event()
        self.hang = True

        def what_became(key: str) -> str:
            self.asked.append(key)
            if isinstance(answer, BaseException):
                raise answer
            return str(answer)

        @tool(reconcile=what_became, timeout=timeout)
        async def pay(amount: int, ctx: Any = None, **kwargs: object) -> str:
            """Pay an amount."""
            self.keys.append(ctx.idempotency_key)
            self.entered.set()
            if self.hang:
                await asyncio.Event().wait()
            return f"paid {amount}"

        self.tool = pay


REPLIES = [code("print(pay(5))"), code("exit(1)")]


async def test_reconcile_that_says_it_never_happened_lets_the_call_be_made_again_with_its_key(open_with: Open) -> None:
    payment = Payment(NotHappened())
    async with open_with(REPLIES, tools=[payment.tool]) as service:
        id_ = await service.submit("helper")
        await payment.entered.wait()
        await crash(service)
    payment.hang = False
    async with open_with(REPLIES, tools=[payment.tool]) as service:
        summary = await service.wait(id_)
        step = steps(await service.job(id_))[0]
    assert (summary.status, console(step)) == ("DONE", ["paid 5"])
    assert payment.asked == payment.keys[:1]
    assert payment.keys == payment.keys[:1] * 2


async def test_reconcile_is_asked_when_a_call_times_out(open_with: Open) -> None:
    payment = Payment("paid 5 (found)", timeout=0.05)
    async with open_with(REPLIES, tools=[payment.tool]) as service:
        summary = await service.wait(await service.submit("helper"))
        step = steps(await service.job("j1"))[0]
    assert (summary.status, console(step)) == ("DONE", ["paid 5 (found)"])
    assert payment.asked == payment.keys


async def test_call_that_timed_out_is_not_made_again_while_it_may_still_happen(open_with: Open) -> None:
    payment = Payment(NotHappened(), timeout=0.05)
    async with open_with(REPLIES, tools=[payment.tool]) as service:
        summary = await service.wait(await service.submit("helper"))
        [call] = await service.calls()
    assert (summary.status, call.state, len(payment.keys)) == ("SUSPENDED", "in doubt", 1)


async def test_idempotent_call_that_does_not_fit_its_tool_any_more_stays_in_doubt(open_with: Open) -> None:
    entered = asyncio.Event()

    def versions() -> Iterator[Any]:
        @tool(idempotent=True)
        async def pay(amount: int, **kwargs: object) -> None:
            """Pay."""
            entered.set()
            await asyncio.Event().wait()

        yield pay

        @tool(idempotent=True)
        async def pay(amount: int, currency: str, **kwargs: object) -> None:
            """Pay."""

        yield pay

    old, new = versions()
    async with open_with(REPLIES, tools=[old]) as service:
        id_ = await service.submit("helper")
        await entered.wait()
        await crash(service)
    async with open_with(REPLIES, tools=[new]) as service:
        summary = await service.wait(id_)
        [call] = await service.calls()
    assert (summary.status, call.state) == ("SUSPENDED", "in doubt")


async def test_call_that_found_no_thread_is_no_call_in_doubt(open_with: Open) -> None:
    @tool(timeout=0.05)
    def pay(**kwargs: object) -> None:
        """Pay."""

    async with open_with([code("pay()"), code("exit(1)")], tools=[pay]) as service:
        service._tool_runner._slots = asyncio.Semaphore(0)
        summary = await service.wait(await service.submit("helper"))
        shown = console(steps(await service.job("j1"))[0])
    assert summary.status == "DONE"
    assert "TimeoutError: tool pay was not begun within 0.05 seconds" in shown


async def test_journal_of_megabytes_answers_a_rerun_and_reads_back(open_with: Open, runner_loss: RunnerLoss) -> None:
    calls: list[int] = []

    @tool(effect="none")
    def big(n: int, **kwargs: object) -> str:
        """Give a long text."""
        calls.append(n)
        return "x" * 200_000

    @tool(effect="store")
    def mark(**kwargs: object) -> None:
        """Change the store."""

    source = "n = sum(len(big(i)) for i in range(20))\nmark()\nlose_runner()\nexit(n)"
    async with open_with([code(source)], tools=[big, mark, runner_loss.tool]) as service:
        runner_loss.service = service
        summary = await service.wait(await service.submit("helper"))
        [step] = steps(await service.job("j1"))
    assert (summary.exit_status, step.attempts, len(calls)) == ("4000000", 2, 20)
    assert len(step.calls) == 22


async def test_entries_are_kept_when_the_block_of_an_effect_fails(
    open_with: Open, runner_loss: RunnerLoss, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = JobRepository.add_journal
    failures = [RuntimeError("dbzero refused")]

    def failing(self: JobRepository, record: Any, blob: bytes) -> None:
        if failures:
            raise failures.pop()
        add(self, record, blob)

    reads: list[int] = []

    @tool(effect="none")
    def read(**kwargs: object) -> int:
        """Count."""
        reads.append(1)
        return len(reads)

    @tool(effect="store")
    def change(**kwargs: object) -> None:
        """Change the store."""

    tried = "try:\n    change()\nexcept RuntimeError as e:\n    print(e)"
    source = f"first = read()\n{tried}\nchange()\nlose_runner()\nexit(first)"
    monkeypatch.setattr(JobRepository, "add_journal", failing)
    async with open_with([code(source)], tools=[read, change, runner_loss.tool]) as service:
        runner_loss.service = service
        summary = await service.wait(await service.submit("helper"))
        [step] = steps(await service.job("j1"))
    assert (summary.exit_status, len(reads), step.attempts) == ("1", 1, 2)
    assert [(call.name, call.state) for call in step.calls] == [
        ("read", "done"),
        ("change", "failed"),
        ("change", "done"),
        ("lose_runner", "done"),
    ]
