"""The end of gRPC servers on an event loop.

``grpc.aio`` returns from ``Server.stop`` when its core is done with the calls; the tasks that handled them end some
turns of the loop later. An event loop that is closed in between cancels them in the middle of that, and grpcio prints a
traceback (``CancelledError`` or ``InvalidStateError``) for each. So whoever stops the last server of a loop waits for
them too.
"""

from __future__ import annotations

import asyncio

__all__ = ["find_call_tasks", "wait_calls_ended"]

_CALLS = frozenset({"_schedule_rpc_coro", "_handle_exceptions"})
"""Names of grpcio's coroutines, one of each for a call."""

_SECONDS = 1.0
"""They end within milliseconds; those of a server that was not stopped never do."""


def find_call_tasks() -> set[asyncio.Task[object]]:
    """The tasks of this event loop that handle a call of any gRPC server."""
    return {task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__qualname__", "") in _CALLS}


async def wait_calls_ended() -> None:
    """Wait until no gRPC server of this event loop handles a call, for a second at most."""
    tasks = find_call_tasks()
    if tasks:
        await asyncio.wait(tasks, timeout=_SECONDS)
