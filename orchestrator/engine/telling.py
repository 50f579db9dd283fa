"""Long work on a thread of its own that says meanwhile what it does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

__all__ = ["Progress", "told"]

_log = logging.getLogger("statek.upkeep")

T = TypeVar("T")
Progress = Callable[[str], None]


async def told(work: Callable[[Progress], T]) -> AsyncIterator[str | T]:
    """Run something on a thread of its own; gives what it says meanwhile, then its result."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str | None]()

    def run() -> T:
        try:
            return work(lambda line: _say(loop, lines, line))
        finally:
            _say(loop, lines, None)

    task = asyncio.ensure_future(asyncio.to_thread(run))
    try:
        while (line := await lines.get()) is not None:
            yield line
        yield await task
    finally:
        if not task.done():  # nobody listens any more; it comes to its end all the same
            task.add_done_callback(_log_end)


def _log_end(task: asyncio.Future[Any]) -> None:
    """Say what became of work that nobody waits for."""
    if not task.cancelled() and task.exception() is not None:
        _log.error("upkeep that nobody waits for any more failed: %s", task.exception())


def _say(loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[str | None], line: str | None) -> None:
    loop.call_soon_threadsafe(lines.put_nowait, line)
