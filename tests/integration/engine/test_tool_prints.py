"""What tools and methods of durable objects print stands where the call stands, once, also in a re-run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from statek import durable, tool
from statek.durable import memo

from .conftest import Open, RunnerLoss, code, console, steps

pytestmark = pytest.mark.timeout(60)


@memo(id="tests.PrintingShelf")
class Shelf:
    """Says what it does."""

    def __init__(self) -> None:
        self.books: list[str] = []

    def add(self, title: str) -> int:
        """Put a book on it."""
        print("added", title)
        self.books.append(title)
        return len(self.books)


@tool(effect="store")
def on_store(**kwargs: object) -> None:
    """Print on the store thread."""
    print("store", {"a": 1})


@tool(effect="external")
def in_thread(**kwargs: object) -> None:
    """Print in a thread."""
    print("thread")
    raise ValueError("after the print")


@tool(effect="none")
async def on_loop(**kwargs: object) -> str:
    """Print on the event loop, between two waits."""
    print("loop 1")
    await asyncio.sleep(0)
    print("loop 2")
    return "given"


async def test_prints_stand_where_the_call_stands(open_with: Open, capsys: pytest.CaptureFixture[str]) -> None:
    source = """
print('before')
on_store()
try:
    in_thread()
except ValueError as error:
    print(error)
on_loop()
shelf.add('Emma')
print('after')
"""

    def make() -> Shelf:
        made = Shelf()
        durable.tag(made, "keep")
        return made

    replies = [code(source), code("exit()")]
    async with open_with(replies, tools=[on_store, in_thread, on_loop]) as service:
        id_ = await service.submit("helper", shared_vars={"shelf": await service._store.commit(make)})
        await service.wait(id_)
        job = await service.job(id_)
    assert console(steps(job)[0]) == [
        "before",
        'store {"a":1}',
        "None",
        "thread",
        "after the print",
        "loop 1",
        "loop 2",
        "given",
        "added Emma",
        "1",
        "after",
    ]
    assert capsys.readouterr().out == ""


async def test_a_step_that_runs_again_shows_them_once(open_with: Open, runner_loss: RunnerLoss) -> None:
    calls = 0

    @tool(effect="external")
    def count(**kwargs: Any) -> None:
        """Count the calls."""
        nonlocal calls
        calls += 1
        print("call", calls)

    async with open_with([code("count()\nlose_runner()"), code("exit()")], tools=[count, runner_loss.tool]) as service:
        runner_loss.service = service
        id_ = await service.submit("helper")
        await service.wait(id_)
        job = await service.job(id_)
    assert (console(steps(job)[0]), calls) == (["call 1", "None", "None"], 1)


async def test_a_call_prints_no_more_than_it_may(open_with: Open) -> None:
    @tool(effect="none")
    def chatter(**kwargs: Any) -> None:
        """Print much."""
        for _ in range(6):
            print("x" * 30_000)

    async with open_with([code("chatter()"), code("exit()")], tools=[chatter], output_head_bytes=1 << 20) as service:
        id_ = await service.submit("helper")
        await service.wait(id_)
        job = await service.job(id_)
    shown = console(steps(job)[0])
    kept = (128 << 10) - 4  # four line ends count
    assert sum(text.count("x") for text in shown) == kept
    assert shown[-2:] == [f"({180_000 - kept} more characters are not shown)", "None"]
