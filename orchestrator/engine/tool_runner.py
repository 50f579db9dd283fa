"""Runs application tools off the event loop and off the store thread.

Async tools run in the loop, blocking ones in a bounded thread pool; both under the tool's time limit,
with its declared retries. A time-out of a blocking tool cannot stop its thread: the call is given up,
not undone, which is why only the gateway knows what an unfinished call means (idempotent, reconcile
or in doubt).
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from statek.tools import ToolContext, ToolDef, tool_context

__all__ = ["ToolRunner", "ToolTimeout"]

_log = logging.getLogger("statek.tools")

DEFAULT_TIMEOUT_SECONDS = 60.0
"""Time limit of a tool that declares none."""

_FIRST_BACKOFF_SECONDS = 0.2
_MAX_BACKOFF_SECONDS = 10.0


class ToolTimeout(TimeoutError):
    """A tool did not answer within its time limit; whether it took effect is not known."""


class ToolRunner:
    """The threads and time limits of external and effect-free tools."""

    def __init__(self, *, threads: int = 16) -> None:
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="statek-tool")

    async def run(self, tool: ToolDef, call: Callable[[], Any], context: ToolContext) -> Any:
        """Call a tool whose arguments are bound.

        Args:
            tool: its declaration (time limit, retries).
            call: the bound call; may return an awaitable.
            context: what ``current_tool_context`` gives during the call.

        Raises:
            ToolTimeout: no answer in time (after the declared retries).
            Exception: whatever the tool raised last.
        """
        attempts = 1 + tool.retries
        for attempt in range(1, attempts + 1):
            try:
                return await self._once(tool, call, context)
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
        with tool_context(context):
            scope = asyncio.timeout(limit)
            try:
                async with scope:
                    if inspect.iscoroutinefunction(call):
                        return await call()
                    run_in = contextvars.copy_context().run
                    result = await asyncio.get_running_loop().run_in_executor(self._threads, run_in, call)
                    return await result if inspect.isawaitable(result) else result
            except TimeoutError as error:
                if not scope.expired():  # the tool's own
                    raise
                raise ToolTimeout(f"tool {tool.name} did not answer within {limit:g} seconds") from error

    def close(self) -> None:
        """Let running blocking tools go; nothing new starts."""
        self._threads.shutdown(wait=False, cancel_futures=True)
