"""What the receiver of a runner's messages and the one who waits for the step's end share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from orchestrator.sandboxes.inbound_messages import FinishedMessage
from orchestrator.sandboxes.step import CallHandler, CallRequest, Death

__all__ = ["RunningStep"]


@dataclass(slots=True)
class RunningStep:
    """A step that a sandbox runs.

    Attributes:
        number: of the step.
        handler: answers its calls and takes its output.
        max_calls: calls that it may make; 0 for no bound.
        output_bytes_left, output_items_left: what it may still print.
        actions: how many it has.
        end: how it ended.
        started: whether the runner said so.
        calls: how many it has made.
        call: one that nobody has taken up yet.
        answering: whether one has no answer yet.
    """

    number: int
    handler: CallHandler
    max_calls: int
    output_bytes_left: float
    output_items_left: int
    actions: int
    end: asyncio.Future[FinishedMessage | Death]
    started: bool = False
    calls: int = 0
    call: CallRequest | None = None
    answering: bool = False
    _changed: asyncio.Future[None] | None = None

    def wake(self, _cause: object = None) -> None:
        """Let `wait` look again: a call came, the step ended, its time is over, or the runner is lost."""
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    async def wait(self, limit: float) -> None:
        """Return when there is something to look at, at ``limit`` (of the loop's clock, seconds) at the latest.

        One future and one timer: ``asyncio.wait`` takes each step three callbacks and one more turn of the loop.
        """
        loop = asyncio.get_running_loop()
        self._changed = loop.create_future()
        timer = loop.call_at(limit, self.wake)
        try:
            await self._changed
        finally:
            timer.cancel()
            self._changed = None
