"""Who holds which sandbox: claims for jobs, and sandboxes held while a job waits.

A job that waits for its model keeps its sandbox for ``idle_hold`` seconds, because restoring costs
more than idling. Under pressure (somebody waits for a sandbox and the pool is full) the job that has
been idle longest is asked to give its one up at once.

The sandbox of a live job has its variables, so it is never asked for while the job is at work. Once the job is done
it is *parked* for ``live_hold`` seconds, in case a message makes the job go on; then, or when another job needs it
more, it is destroyed.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any

from orchestrator.sandboxes.pool import Pool
from orchestrator.sandboxes.sandbox import Sandbox
from statek.exceptions import LimitExceeded, RunnerLost

__all__ = ["SandboxBroker"]

_HOLD_UNDER_PRESSURE_SECONDS = 0.05
"""A model that answers this fast costs less than a restore, even when others wait."""

_CLAIM_TIMEOUT_SECONDS = 600.0
"""How long a runnable job waits in line for a sandbox before it is put down with a reason."""


class SandboxBroker:
    """Hands out the pool's sandboxes and takes idle ones back under pressure."""

    def __init__(
        self, pool: Pool, *, max_runners: int, idle_hold_seconds: float, live_hold_seconds: float = 0.0
    ) -> None:
        self._pool = pool
        self._max_runners = max_runners
        self._idle_hold_seconds = idle_hold_seconds
        self._live_hold_seconds = live_hold_seconds
        self._parked: OrderedDict[int, tuple[Sandbox, asyncio.TimerHandle]] = OrderedDict()
        self._ending: set[asyncio.Task[None]] = set()
        self._idle: OrderedDict[int, asyncio.Future[None]] = OrderedDict()
        self._waiting = 0

    async def claim(self) -> Sandbox:
        """Claim a sandbox, asking idle holders for theirs when the pool is full.

        Raises:
            RunnerLost: none could be made or freed in time.
        """
        self._waiting += 1
        try:
            if self._is_full():
                self._ask_one()
            return await self._pool.claim(timeout=_CLAIM_TIMEOUT_SECONDS)
        except LimitExceeded as error:
            raise RunnerLost(str(error)) from error
        finally:
            self._waiting -= 1

    async def destroy(self, sandbox: Sandbox) -> None:
        """Destroy a sandbox; its place is free for the next."""
        await self._pool.destroy(sandbox)

    async def wait_idle(self, key: int, work: asyncio.Future[Any]) -> bool:
        """Wait for ``work`` while job ``key`` holds a sandbox that it does not use.

        Returns:
            Whether the sandbox may be kept: the work is done. False: time is up or somebody needs it
            more; the work goes on.
        """
        pressed = self._waiting and self._is_full()
        hold_seconds = _HOLD_UNDER_PRESSURE_SECONDS if pressed else self._idle_hold_seconds
        wanted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._idle[key] = wanted
        try:
            waited: set[asyncio.Future[Any]] = {work, wanted}
            await asyncio.wait(waited, timeout=hold_seconds, return_when=asyncio.FIRST_COMPLETED)
            return work.done()
        finally:
            self._idle.pop(key, None)

    async def wait_live(self, work: asyncio.Future[Any]) -> bool:
        """``wait_idle`` of a job whose sandbox has its variables: nobody else gets it before its time is up."""
        await asyncio.wait({work}, timeout=self._live_hold_seconds)
        return work.done()

    # -------------------------------------------------------------------------------------- parked

    def park(self, key: int, sandbox: Sandbox) -> None:
        """Hold the sandbox of live job ``key``, which is done, for a while; not where somebody waits for one."""
        seconds = 0.0 if self._waiting and self._is_full() else self._live_hold_seconds
        timer = asyncio.get_running_loop().call_later(seconds, self._give_up, key)
        self._parked[key] = (sandbox, timer)

    def unpark(self, key: int) -> Sandbox | None:
        """The parked sandbox of a live job that goes on; None where it is gone."""
        sandbox, timer = self._parked.pop(key, (None, None))
        if timer is not None:
            timer.cancel()
        return sandbox

    @property
    def parked(self) -> int:
        """How many sandboxes are held for live jobs that are done."""
        return len(self._parked)

    async def aclose(self) -> None:
        """Destroy what is parked. Idempotent."""
        for key in list(self._parked):
            self._give_up(key)
        await asyncio.gather(*self._ending)

    def _give_up(self, key: int) -> None:
        """Destroy a parked sandbox in the background."""
        sandbox = self.unpark(key)
        if sandbox is not None:
            task = asyncio.ensure_future(self._pool.destroy(sandbox))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    def _is_full(self) -> bool:
        """Whether a claim would have to wait for another job's sandbox."""
        pool = self._pool.statistics()
        return not pool.warm and pool.claimed + pool.starting + pool.destroying >= self._max_runners

    def _ask_one(self) -> None:
        """Ask the longest idle holder to give up its sandbox; where there is none, end what is parked longest."""
        if self._idle:
            _, wanted = self._idle.popitem(last=False)
            wanted.set_result(None)
        elif self._parked:
            self._give_up(next(iter(self._parked)))
