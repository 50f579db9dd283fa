"""Running application tools: whatever they do, their caller and the loop go on."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.engine import tool_runner
from orchestrator.engine.tool_runner import ToolNotStarted, ToolRunner, ToolTimeout
from statek import tool
from statek.exceptions import ToolError
from statek.tools import ToolContext, ToolDef, current_tool_context

pytestmark = pytest.mark.timeout(10)
CONTEXT = ToolContext("j1", idempotency_key="k")


async def run(runner: ToolRunner, function: Callable[..., Any]) -> Any:
    definition = ToolDef.of(function)
    return await runner.run(definition, definition.function, CONTEXT)


def declared(function: Callable[..., Any], **options: Any) -> Any:
    return tool(**options)(function)


async def test_blocking_and_async_tools_see_their_context() -> None:
    def blocking(**kwargs: object) -> str:
        return current_tool_context().idempotency_key

    async def coroutine(**kwargs: object) -> str:
        return current_tool_context().idempotency_key

    runner = ToolRunner()
    assert [await run(runner, declared(blocking)), await run(runner, declared(coroutine))] == ["k", "k"]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()])
@pytest.mark.parametrize("blocking", [True, False])
async def test_what_would_end_the_loop_is_the_tools_failure(error: BaseException, blocking: bool) -> None:
    def sync(**kwargs: object) -> None:
        raise error

    async def coroutine(**kwargs: object) -> None:
        raise error

    with pytest.raises(ToolError, match=f"^{type(error).__name__}: raised by tool "):
        await run(ToolRunner(), declared(sync if blocking else coroutine))


async def test_exit_in_a_tool_is_its_failure() -> None:
    def leave(**kwargs: object) -> None:
        sys.exit("bye")

    with pytest.raises(ToolError, match=r"^SystemExit: raised by tool leave: bye$"):
        await run(ToolRunner(), declared(leave))


async def test_tool_that_swallows_its_cancellation_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_runner, "_CLEAN_UP_SECONDS", 0.01)
    end = asyncio.Event()

    async def stubborn(**kwargs: object) -> None:
        while not end.is_set():
            try:
                await end.wait()
            except asyncio.CancelledError:
                continue

    runner = ToolRunner()
    with pytest.raises(ToolTimeout, match=r"^tool stubborn did not answer within 0\.01 seconds$"):
        await run(runner, declared(stubborn, timeout=0.01))
    waiting = asyncio.ensure_future(run(runner, declared(stubborn)))
    while runner.statistics()["running"] < 2:
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    end.set()


async def test_hung_tools_do_not_use_up_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_runner, "_CLEAN_UP_SECONDS", 0.01)
    release = threading.Event()

    def hang(**kwargs: object) -> None:
        release.wait()

    def quick(**kwargs: object) -> int:
        return 7

    runner = ToolRunner(threads=1)
    for _ in range(3):
        with pytest.raises(ToolTimeout):
            await run(runner, declared(hang, timeout=0.01))
    assert await run(runner, declared(quick)) == 7
    assert runner.statistics()["hung"] == 3
    threads = [thread for thread in threading.enumerate() if thread.name == "statek-tool-hang"]
    assert [thread.daemon for thread in threads] == [True] * 3
    release.set()
    while runner.statistics()["hung"]:
        await asyncio.sleep(0.001)


async def test_call_that_found_no_thread_is_told_apart_from_one_that_may_have_happened() -> None:
    release, calls = threading.Event(), []

    def hang(**kwargs: object) -> None:
        calls.append(1)
        release.wait()

    runner = ToolRunner(threads=1)
    first = asyncio.ensure_future(run(runner, declared(hang)))
    while not calls:
        await asyncio.sleep(0.001)
    with pytest.raises(ToolNotStarted, match=r"^tool hang was not begun within 0\.01 seconds$"):
        await run(runner, declared(hang, timeout=0.01))
    release.set()
    await first
    assert len(calls) == 1


async def test_too_many_hung_calls_refuse_further_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_runner, "_CLEAN_UP_SECONDS", 0.0)
    monkeypatch.setattr(tool_runner, "MAX_HUNG_CALLS", 1)
    release = threading.Event()

    def hang(**kwargs: object) -> None:
        release.wait()

    runner = ToolRunner()
    with pytest.raises(ToolTimeout):
        await run(runner, declared(hang, timeout=0.01))
    with pytest.raises(ToolNotStarted, match="was not begun: 1 given-up calls of blocking tools hang"):
        await run(runner, declared(hang))
    release.set()
    while runner.statistics()["hung"]:
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("blocking", [True, False])
async def test_each_attempt_has_a_deadline_of_its_own(blocking: bool) -> None:
    deadlines: list[float | None] = []

    def attempt() -> None:
        deadlines.append(current_tool_context().deadline)
        if len(deadlines) == 1:
            raise ValueError("again")

    def sync(**kwargs: object) -> None:
        attempt()

    async def coroutine(**kwargs: object) -> None:
        attempt()

    before = time.monotonic()
    await run(ToolRunner(), declared(sync if blocking else coroutine, timeout=7, retries=1, effect="none"))
    after = time.monotonic()
    first, second = deadlines
    assert first is not None
    assert second is not None
    assert before + 7 <= first < second <= after + 7


async def test_an_async_tool_that_keeps_the_loop_is_named(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING, logger="statek.tools")  # a command line of an earlier test may have raised it
    now = 0.0

    def work(seconds: float) -> None:
        nonlocal now
        now += seconds

    # The clock stands still but for what is worked here: how busy the machine is does not matter.
    monkeypatch.setattr(tool_runner, "time", SimpleNamespace(perf_counter=lambda: now, monotonic=time.monotonic))

    async def inner() -> str:
        await asyncio.sleep(0)
        work(0.6)
        return "x"

    async def greedy(**kwargs: object) -> list[str]:
        return [await inner(), await asyncio.create_task(asyncio.sleep(0, "y"))]

    async def polite(**kwargs: object) -> str:
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.call_soon(work, 0.6)  # of somebody else
        loop.call_soon(done.set)
        work(0.009)
        await done.wait()
        work(0.009)
        return "z"

    def late(**kwargs: object) -> Any:
        return inner()

    runner = ToolRunner()
    assert await run(runner, declared(greedy)) == ["x", "y"]
    assert await run(runner, declared(late)) == "x"
    assert await run(runner, declared(polite)) == "z"
    # Others may log meanwhile: what an earlier test left behind.
    told = [message for message in caplog.messages if message.startswith("tool ")]
    why = "kept the event loop for 600 ms; a plain function runs in a thread"
    assert told == [f"tool greedy {why}", f"tool late {why}"]


async def test_a_timed_tool_sees_its_cancellation() -> None:
    seen: list[str] = []

    async def slow(**kwargs: object) -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    with pytest.raises(ToolTimeout):
        await run(ToolRunner(), declared(slow, timeout=0.05))
    assert seen == ["cancelled"]
