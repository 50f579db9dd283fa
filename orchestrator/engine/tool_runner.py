"""Runs application tools off the store thread, blocking ones off the event loop too.

Whatever a tool does, the service goes on: ``sys.exit`` in a tool is that tool's failure, and a tool that
hangs, or swallows its cancellation, is given up. A blocking tool has a daemon thread to itself while it runs
(``orchestrator.engine.tool_threads``); a call that is given up no longer counts against the bound.

Giving up is not undoing, which is why only the gateway knows what an unfinished call means (idempotent,
reconcile or in doubt). A call that was never begun certainly had no effect, and is told apart.
"""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import inspect
import logging
import random
import time
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any

from orchestrator.engine.tool_threads import ToolThreads
from statek.exceptions import JobExit, ToolError
from statek.tool_threads import follow_threads
from statek.tools import ToolContext, ToolDef, tool_context

__all__ = ["ToolNotStarted", "ToolRunner", "ToolTimeout"]

_log = logging.getLogger("statek.tools")

DEFAULT_TIMEOUT_SECONDS = 60.0
"""Time limit of a tool that declares none."""

MAX_HUNG_CALLS = 64
"""Given-up calls of blocking tools whose threads still run, at which no further one is begun."""

SLOW_SECONDS = 0.010
"""An async tool that keeps the event loop longer is named in the log: every other job waits for it."""

_FIRST_BACKOFF_SECONDS = 0.2
_MAX_BACKOFF_SECONDS = 10.0
_CLEAN_UP_SECONDS = 1.0
"""How long a cancelled async tool may take to clean up while its caller waits."""


class ToolTimeout(TimeoutError):
    """A tool did not answer within its time limit; whether it took effect is not known."""


class ToolNotStarted(TimeoutError):
    """A call was given up before it was begun: it had no effect."""


class _Slot:
    """One blocking call's share of the bound; given back once, by whoever comes first."""

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots: asyncio.Semaphore | None = slots

    def give_back(self) -> bool:
        """Give it back; False when that was done before."""
        slots, self._slots = self._slots, None
        if slots is not None:
            slots.release()
        return slots is not None


class _Timed:
    """A tool's coroutine, each of whose turns on the event loop is timed; tasks that it starts are not.

    asyncio's own measure of slow callbacks needs debug mode, which costs every callback a stack.
    """

    def __init__(self, tool: ToolDef, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._tool = tool
        self._coroutine = coroutine
        self._longest = 0.0

    def __await__(self) -> Generator[Any, Any, Any]:
        """Run the coroutine; names the tool once, with its longest turn."""
        turn: Callable[[], Any] = partial(self._coroutine.send, None)
        try:
            while True:
                started = time.perf_counter()
                try:
                    awaited = turn()
                except StopIteration as end:
                    return end.value
                finally:
                    self._longest = max(self._longest, time.perf_counter() - started)
                try:
                    sent = yield awaited
                except BaseException as error:  # noqa: BLE001 -- cancellation and the like are the coroutine's to take
                    turn = partial(self._coroutine.throw, error)
                else:
                    turn = partial(self._coroutine.send, sent)
        finally:
            if self._longest > SLOW_SECONDS:
                held = self._longest * 1000
                _log.warning(
                    "tool %s kept the event loop for %.0f ms; a plain function runs in a thread", self._tool.name, held
                )


class ToolRunner:
    """Runs external and effect-free tools under their time limits, with their declared retries.

    Args:
        threads: blocking calls at once; further ones wait, at most for the tool's time limit.
    """

    def __init__(self, *, threads: int = 16) -> None:
        follow_threads()
        self._slots = asyncio.Semaphore(threads)
        self._threads = ToolThreads(keep=threads)
        self._hung = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, tool: ToolDef, call: Callable[[], Any], context: ToolContext) -> Any:
        """Call a tool whose arguments are bound.

        Args:
            tool: its declaration (time limit, retries).
            call: the bound call; may return an awaitable.
            context: what ``current_tool_context`` gives during the call; its deadline is set for each attempt.

        Raises:
            ToolTimeout: no answer in time (after the declared retries).
            ToolNotStarted: it was not begun in time, too many blocking tools run or hang.
            JobExit: the tool ends the job.
            Exception: whatever the tool raised last; ``ToolError`` for what is no ``Exception``.
        """
        attempts = 1 + tool.retries
        for attempt in range(1, attempts + 1):
            try:
                return await self._once(tool, call, context)
            except JobExit:
                raise  # no failure: there is nothing to try again
            except Exception as error:
                if attempt == attempts:
                    raise
                delay = min(_MAX_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2**attempt) * (0.5 + random.random() / 2)  # noqa: S311 -- jitter, not a secret
                _log.info("tool %s failed (%s), attempt %d of %d", tool.name, type(error).__name__, attempt, attempts)
                await asyncio.sleep(delay)
        raise AssertionError("unreachable")

    async def _once(self, tool: ToolDef, call: Callable[[], Any], context: ToolContext) -> Any:
        """One attempt under the time limit."""
        limit = tool.timeout_seconds or DEFAULT_TIMEOUT_SECONDS
        slot = None
        if not inspect.iscoroutinefunction(call):
            slot = await self._slot(tool, limit)
        with tool_context(dataclasses.replace(context, deadline=time.monotonic() + limit)):
            work = asyncio.ensure_future(self._outcome(tool, call, slot))
        self._tasks.add(work)
        work.add_done_callback(self._tasks.discard)
        try:
            await asyncio.wait({work}, timeout=limit)
            timed_out = not work.done()
        finally:
            if not work.done():
                await self._give_up(tool, work, slot)
        if timed_out and (work.cancelled() or not work.done()):
            raise ToolTimeout(f"tool {tool.name} did not answer within {limit:g} seconds")
        result, error = work.result()
        if error is not None:
            raise error
        return result

    async def _slot(self, tool: ToolDef, limit: float) -> _Slot:
        """Wait for room for one more blocking call."""
        if self._hung >= MAX_HUNG_CALLS:
            raise ToolNotStarted(f"tool {tool.name} was not begun: {self._hung} given-up calls of blocking tools hang")
        try:
            async with asyncio.timeout(limit):
                await self._slots.acquire()
        except TimeoutError:
            raise ToolNotStarted(f"tool {tool.name} was not begun within {limit:g} seconds") from None
        return _Slot(self._slots)

    async def _give_up(self, tool: ToolDef, work: asyncio.Task[Any], slot: _Slot | None) -> None:
        """Stop waiting for a call; an async tool gets a moment to clean up."""
        work.cancel()
        if slot is not None and slot.give_back():
            self._hung += 1
            _log.warning("a call of tool %s is given up, its thread still runs", tool.name)
        await asyncio.wait({work}, timeout=_CLEAN_UP_SECONDS)
        if not work.done():
            _log.warning("tool %s does not end though it was cancelled", tool.name)

    async def _outcome(
        self, tool: ToolDef, call: Callable[[], Any], slot: _Slot | None
    ) -> tuple[Any, Exception | None]:
        """What became of a call, as data: an exception that ends tasks or loops must not travel as one."""
        try:
            if slot is None:
                return await _Timed(tool, call()), None
            result, failure = await self._in_thread(tool, call, slot)
            if failure is not None:
                return None, _contained(tool, failure)
            if inspect.iscoroutine(result):
                result = _Timed(tool, result)
            return (await result if inspect.isawaitable(result) else result), None
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return None, _contained(tool, error)  # the tool's own: something that it awaited was cancelled
        except BaseException as error:  # noqa: BLE001 -- see above
            return None, _contained(tool, error)

    def _in_thread(
        self, tool: ToolDef, call: Callable[[], Any], slot: _Slot
    ) -> asyncio.Future[tuple[Any, BaseException | None]]:
        """Begin a blocking call in a thread."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
        run_in = contextvars.copy_context().run

        def settle(result: Any, error: BaseException | None) -> None:
            if not slot.give_back():
                self._hung -= 1
                _log.warning("a call of tool %s that was given up has ended after all", tool.name)
            if not future.done():
                future.set_result((result, error))

        def work() -> Callable[[], None]:
            result, failure = None, None
            try:
                result = run_in(call)
            except BaseException as error:  # noqa: BLE001 -- whatever it is, it is the answer
                failure = error
            return partial(tell, result, failure)

        def tell(result: Any, failure: BaseException | None) -> None:
            try:
                loop.call_soon_threadsafe(settle, result, failure)
            except RuntimeError:  # the loop is closed, nobody listens any more
                _log.warning("a call of tool %s ended after the service", tool.name)

        self._threads.run(f"statek-tool-{tool.name}", work)
        return future

    def statistics(self) -> dict[str, int]:
        """Calls that run, and given-up ones whose threads still do."""
        return {"running": len(self._tasks), "hung": self._hung}

    def close(self) -> None:
        """Let go of what still runs; nothing of it keeps the process."""
        for task in self._tasks:
            task.cancel()
        self._threads.close()


def _contained(tool: ToolDef, error: BaseException) -> Exception:
    """An exception that is safe to raise in a task."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return ToolError(type(error).__name__, f"raised by tool {tool.name}: {error}")
