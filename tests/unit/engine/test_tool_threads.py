"""Threads of blocking tools: used again, never waited for, bounded when idle."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator

import pytest

from orchestrator.engine.tool_threads import ToolThreads

pytestmark = pytest.mark.timeout(10)


@pytest.fixture
def threads() -> Iterator[ToolThreads]:
    found = ToolThreads(keep=2)
    yield found
    found.close()


def call(threads: ToolThreads, work: Callable[[], None] = lambda: None) -> threading.Thread:
    """The thread that a call ran in, once it takes calls again."""
    told, ran = threading.Event(), []

    def run() -> Callable[[], None]:
        ran.append(threading.current_thread())
        work()
        return told.set

    threads.run("statek-tool-x", run)
    told.wait()
    return ran[0]


def test_a_thread_is_used_again(threads: ToolThreads) -> None:
    first = call(threads)
    assert [call(threads), call(threads)] == [first, first]
    assert first.daemon
    assert first.name == "statek-tools"


def test_a_call_has_its_name_while_it_runs(threads: ToolThreads) -> None:
    names = []
    call(threads, lambda: names.append(threading.current_thread().name))
    assert names == ["statek-tool-x"]


def test_a_call_never_waits_for_another(threads: ToolThreads) -> None:
    release, begun, ended = threading.Event(), threading.Semaphore(0), threading.Semaphore(0)

    def hang() -> Callable[[], None]:
        begun.release()
        release.wait()
        return ended.release

    for _ in range(5):
        threads.run("statek-tool-hang", hang)
    for _ in range(5):
        begun.acquire()
    other = call(threads)
    release.set()
    for _ in range(5):
        ended.acquire()
    assert other.daemon


def test_no_more_idle_threads_are_kept_than_asked_for(threads: ToolThreads) -> None:
    release, begun, ran = threading.Event(), threading.Semaphore(0), []

    def hang() -> Callable[[], None]:
        ran.append(threading.current_thread())
        begun.release()
        release.wait()
        return lambda: None

    for _ in range(5):
        threads.run("statek-tool-hang", hang)
    for _ in range(5):
        begun.acquire()
    release.set()
    while sum(thread.is_alive() for thread in ran) > 2:
        threading.Event().wait(0.001)
    assert sum(thread.is_alive() for thread in ran) == 2


def test_closing_ends_idle_threads_and_those_that_run_with_their_call() -> None:
    threads, release, begun, ran = ToolThreads(keep=2), threading.Event(), threading.Event(), []

    def hang() -> Callable[[], None]:
        ran.append(threading.current_thread())
        begun.set()
        release.wait()
        return lambda: None

    idle = call(threads)
    threads.close()
    idle.join()
    threads.run("statek-tool-hang", hang)
    begun.wait()
    release.set()
    ran[0].join()


def test_an_idle_thread_keeps_nothing_of_its_call(threads: ToolThreads) -> None:
    class Argument:
        pass

    argument = Argument()
    gone = weakref.ref(argument)
    call(threads, lambda argument=argument: None)  # type: ignore[misc]
    del argument
    while gone() is not None:
        gc.collect()
