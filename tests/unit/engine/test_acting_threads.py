"""Whose call began a thread."""

from __future__ import annotations

import asyncio
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from orchestrator.engine.tool_threads import ToolThreads
from statek.tool_threads import find_acting_context, follow_threads
from statek.tools import ToolContext, find_tool_context, tool_context

pytestmark = pytest.mark.timeout(20)

ONE, TWO = ToolContext("j1"), ToolContext("j2")


@pytest.fixture(autouse=True)
def followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", threading.Thread.start)
    monkeypatch.setattr(ThreadPoolExecutor, "submit", ThreadPoolExecutor.submit)
    follow_threads()
    follow_threads()


def in_thread(*, timer: bool = False) -> ToolContext | None:
    found: list[ToolContext | None] = []

    def look() -> None:
        found.append(find_acting_context())

    thread = threading.Timer(0.0, look) if timer else threading.Thread(target=look)
    thread.start()
    thread.join()
    return found[0]


def test_a_thread_is_of_the_call_that_began_it_and_so_is_what_it_begins() -> None:
    assert (find_acting_context(), in_thread()) == (None, None)
    with tool_context(ONE):
        assert find_acting_context() is ONE
        assert in_thread() is ONE
        assert in_thread(timer=True) is ONE
        found: list[ToolContext | None] = []
        outer = threading.Thread(target=lambda: found.extend([in_thread(), find_tool_context()]))
        outer.start()
        outer.join()
    assert found == [ONE, None]
    assert in_thread() is None


def test_a_class_of_threads_with_a_run_of_its_own_is_followed_also_after_the_call() -> None:
    go_on, found = threading.Event(), list[ToolContext | None]()

    class Own(threading.Thread):
        def run(self) -> None:
            go_on.wait(10)
            found.append(find_acting_context())

    with tool_context(ONE):
        thread = Own()
        thread.start()
    go_on.set()
    thread.join()
    assert found == [ONE]


def test_work_of_a_pool_is_of_whoever_submitted_it_whoever_began_its_worker() -> None:
    with ThreadPoolExecutor(1) as pool:
        with tool_context(ONE):
            assert pool.submit(find_acting_context).result() is ONE
        assert pool.submit(find_acting_context).result() is None
        with tool_context(TWO):
            assert pool.submit(find_acting_context).result() is TWO
            assert pool.submit(pow, 2, exp=3).result() == 8
            with pytest.raises(ZeroDivisionError):
                pool.submit(lambda: 1 / 0).result()
            assert list(pool.map(lambda _: find_acting_context(), range(2))) == [TWO, TWO]


def test_a_thread_that_the_service_uses_again_is_of_no_call() -> None:
    found: queue.SimpleQueue[ToolContext | None] = queue.SimpleQueue()
    threads = ToolThreads(keep=1)
    with tool_context(ONE):
        threads.run("first", lambda: partial(found.put, find_acting_context()))
    assert found.get() is None
    threads.close()


async def test_work_of_an_event_loop_is_followed() -> None:
    with tool_context(ONE):
        assert await asyncio.to_thread(find_acting_context) is ONE
        assert await asyncio.get_running_loop().run_in_executor(None, find_acting_context) is ONE
    assert await asyncio.to_thread(find_acting_context) is None
