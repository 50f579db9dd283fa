"""Runners that wait for work: refilled in the background, claimed in one message, destroyed after use.

A runner is started, dials in, says hello and then waits warm. A claim takes the oldest warm runner and
waits for its executor to come up; one that does not answer in time is replaced, so a claim fails only
when starting runners fails. A claimed runner is never given back: it is destroyed.

The pool counts every runner from before its start until after its end, and never goes above its cap;
claims beyond it wait in order. What an earlier orchestrator of the same store left behind is ended at
the start and by a periodic scan.

A start costs about as much of a processor as fifty steps. So where a claim waits, and where nothing works yet, starts
go on side by side; while jobs hold runners and none waits for one, it is one start at a time and a rest as long as it
took.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.sandboxes.driver import Driver, RunnerLimits, RunnerRef, RunnerSpec
from orchestrator.sandboxes.inbound_messages import HelloInfo
from orchestrator.sandboxes.link import LinkLimits, RunnerLink
from orchestrator.sandboxes.pool_statistics import PoolStatistics
from orchestrator.sandboxes.sandbox import Sandbox, SandboxTiming
from orchestrator.sandboxes.step import StepLimits
from statek.exceptions import InvalidRequest, LimitExceeded, RunnerError, RunnerLost, StatekError

__all__ = ["Pool", "PoolStatistics"]

_LOG = logging.getLogger(__name__)

_HELLO_SECONDS = 20.0
_READY_SECONDS = 0.5
_CLAIM_ATTEMPTS = 3
_PARALLEL_STARTS = 2
_LONGEST_REST_SECONDS = 2.0
_REFILL_DELAY_SECONDS = 0.05
_SCAN_SECONDS = 60.0
_RETRY_FIRST_SECONDS = 0.2
_RETRY_LAST_SECONDS = 5.0


@dataclass(slots=True, eq=False)
class _Runner:
    """A runner of this pool; ``ref`` and ``hello`` are there once it is warm."""

    spec: RunnerSpec
    link: RunnerLink
    ref: RunnerRef | None = None
    hello: HelloInfo | None = None
    watch: asyncio.Task[None] | None = None


class Pool:
    """Warm runners of one driver, flavour and size.

    Args:
        driver: makes the runners.
        size: runners kept warm.
        max_runners: cap on all runners of the pool, in any state.
        socket_dir: folder for the runners' sockets, this pool's own; made with mode 0700.
        store_id: the store that owns the runners.
        incarnation: the owner's start number.
        runner_limits: limits of each runner as a whole.
        step_limits: limits of each executor.
        flavour: image flavour.
        link_limits: limits on what a runner may send.
        timing: times that the host gives a step.
        hello_seconds: time that a started runner has to dial and say hello.
        ready_seconds: time that a claimed runner has to bring its executor up.
        scan_seconds: time between two scans for orphans.

    ``image_digest`` is of what its runners run; empty before ``start``.

    Raises:
        InvalidRequest: size or max_runners make no sense.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        size: int,
        max_runners: int,
        socket_dir: Path,
        store_id: str,
        incarnation: int,
        runner_limits: RunnerLimits | None = None,
        step_limits: StepLimits | None = None,
        flavour: str = "base",
        link_limits: LinkLimits | None = None,
        timing: SandboxTiming | None = None,
        hello_seconds: float = _HELLO_SECONDS,
        ready_seconds: float = _READY_SECONDS,
        scan_seconds: float = _SCAN_SECONDS,
    ) -> None:
        if max_runners < 1 or not 0 <= size <= max_runners:
            raise InvalidRequest(f"a pool of {size} warm runners and at most {max_runners} in all makes no sense")
        self._driver = driver
        self._size = size
        self._max_runners = max_runners
        self._socket_dir = socket_dir
        self._store_id = store_id
        self._incarnation = incarnation
        self._runner_limits = runner_limits or RunnerLimits()
        self._step_limits = step_limits or StepLimits()
        self._flavour = flavour
        self._link_limits = link_limits or LinkLimits()
        self._timing = timing
        self._hello_seconds = hello_seconds
        self._ready_seconds = ready_seconds
        self._scan_seconds = scan_seconds
        self._known: dict[str, _Runner] = {}
        self._warm: deque[_Runner] = deque()
        self._waiters: deque[asyncio.Future[_Runner]] = deque()
        self._claimed: dict[str, _Runner] = {}
        self._warm_waiters: list[asyncio.Future[None]] = []
        self._starting = 0
        self._destroying: dict[str, asyncio.Task[None]] = {}
        self._started = self._failed = self._replaced = self._orphans = 0
        self._retry_seconds = 0.0
        self._rest: asyncio.TimerHandle | None = None
        self.image_digest = ""
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._left_over = False

    async def start(self) -> None:
        """Prepare the flavour, end what an earlier orchestrator left behind, begin to fill.

        Raises:
            ConfigurationError: the flavour cannot be made here.
            RunnerLost: the driver does not answer.
        """
        await asyncio.to_thread(self._make_socket_dir)
        self.image_digest = await self._driver.prepare(self._flavour)
        await self._end_orphans()
        self._spawn(self._refill_forever())
        self._spawn(self._scan_forever())

    async def claim(self, *, timeout: float) -> Sandbox:
        """Take a runner for one job; a warm one costs one message.

        Args:
            timeout: seconds to wait for a runner, including a cold start.

        Raises:
            LimitExceeded: the cap of runners was reached for all of that time.
            RunnerLost: no runner could be started.
        """
        try:
            async with asyncio.timeout(timeout):
                for _ in range(_CLAIM_ATTEMPTS):
                    runner = await self._next_runner()
                    sandbox = await self._take(runner)
                    if sandbox is not None:
                        return sandbox
        except TimeoutError:
            used = self._total()
            if used >= self._max_runners:
                raise LimitExceeded(
                    "concurrent_runners", self._max_runners, used + 1, f"none became free in {timeout:g} s"
                ) from None
            raise RunnerLost(f"no runner came up within {timeout:g} s") from None
        raise RunnerLost(f"{_CLAIM_ATTEMPTS} fresh runners in a row did not answer their claim")

    async def destroy(self, sandbox: Sandbox) -> None:
        """End a claimed runner in the background; the pool counts it until all of it is gone. Idempotent."""
        runner = self._claimed.pop(sandbox.runner.runner_id, None)
        if runner is not None:
            self._destroy_nowait(runner)

    def statistics(self) -> PoolStatistics:
        """What the pool does now and has done."""
        return PoolStatistics(
            warm=len(self._warm),
            starting=self._starting,
            claimed=len(self._claimed),
            destroying=len(self._destroying),
            waiting=len(self._waiters),
            started=self._started,
            failed=self._failed,
            replaced=self._replaced,
            orphans=self._orphans,
        )

    async def wait_warm(self, count: int, *, timeout: float) -> None:
        """Wait until so many runners wait warm.

        Raises:
            TimeoutError: they did not come up in that time (seconds).
        """
        async with asyncio.timeout(timeout):
            while len(self._warm) < count:
                waiter = asyncio.get_running_loop().create_future()
                self._warm_waiters.append(waiter)
                await waiter

    async def aclose(self) -> None:
        """End every runner and wait until all are gone; waiting claims fail. Idempotent."""
        self._closed = True
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(RunnerLost("the pool is closed"))
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for runner in list(self._known.values()):
            self._destroy_nowait(runner)
        self._warm.clear()
        self._claimed.clear()
        await asyncio.gather(*self._destroying.values(), return_exceptions=True)
        if self._left_over:
            # Nobody scans after this: what could not be ended when it should have been may be by now.
            try:
                await self._end_orphans()
            except (StatekError, OSError) as error:
                _LOG.warning("runners may be left until the next start: %s", error)

    # ---------------------------------------------------------------- claims

    async def _next_runner(self) -> _Runner:
        if self._closed:
            raise RunnerLost("the pool is closed")
        if self._warm and not self._waiters:
            runner = self._warm.popleft()
            self._claimed[runner.spec.runner_id] = runner
            # Starting the next one takes a processor for a while: not while this claim needs it.
            asyncio.get_running_loop().call_later(_REFILL_DELAY_SECONDS, self._wake.set)
            return runner
        waiter: asyncio.Future[_Runner] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._retry_seconds = 0.0
        self._wake.set()
        try:
            return await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._give_back(waiter.result())  # it was handed over in the moment of the cancellation
            with contextlib.suppress(ValueError):
                self._waiters.remove(waiter)
            raise

    async def _take(self, runner: _Runner) -> Sandbox | None:
        """Have the runner bring its executor up; None when it does not answer and was replaced."""
        assert runner.ref is not None
        try:
            await runner.link.claim(self._step_limits, timeout=self._ready_seconds)
        except (RunnerError, TimeoutError) as error:
            _LOG.warning("runner %s did not answer its claim and is replaced: %s", runner.spec.runner_id, error)
            self._replaced += 1
            self._claimed.pop(runner.spec.runner_id, None)
            self._destroy_nowait(runner)
            return None
        except BaseException:
            self._claimed.pop(runner.spec.runner_id, None)
            self._destroy_nowait(runner)
            raise
        return Sandbox(
            runner.link,
            self._driver,
            runner.ref,
            limits=self._step_limits,
            image_digest=self.image_digest,
            timing=self._timing,
        )

    def _give_back(self, runner: _Runner) -> None:
        """Put an unclaimed runner at the head again, or into the hands of the next waiter."""
        self._claimed.pop(runner.spec.runner_id, None)
        self._warm.appendleft(runner)
        self._hand_out()

    def _hand_out(self) -> None:
        while self._warm and self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                runner = self._warm.popleft()
                self._claimed[runner.spec.runner_id] = runner
                waiter.set_result(runner)
        if self._warm:
            for waiter_for_warm in self._warm_waiters:
                if not waiter_for_warm.done():
                    waiter_for_warm.set_result(None)
            self._warm_waiters.clear()

    # ---------------------------------------------------------------- filling

    def _total(self) -> int:
        return len(self._known)

    def _missing(self) -> int:
        """How many more starts there should be now."""
        wanted = self._size + len(self._waiters) - len(self._warm) - self._starting
        return min(wanted, self._max_runners - self._total(), self._parallel_starts() - self._starting)

    def _parallel_starts(self) -> int:
        """How many starts may be under way now."""
        if self._waiters or not self._claimed:
            return _PARALLEL_STARTS
        return 0 if self._rest is not None else 1

    def _begin_rest(self, seconds: float) -> None:
        """Leave the processors to the jobs for so long."""
        if self._rest is not None:
            self._rest.cancel()
        self._rest = asyncio.get_running_loop().call_later(min(seconds, _LONGEST_REST_SECONDS), self._end_rest)

    def _end_rest(self) -> None:
        self._rest = None
        self._wake.set()

    async def _refill_forever(self) -> None:
        while True:
            self._wake.clear()
            if self._retry_seconds:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self._retry_seconds)
                self._wake.clear()
            for _ in range(self._missing()):
                runner = self._new_runner()
                self._starting += 1
                self._spawn(self._bring_up(runner))
            await self._wake.wait()

    def _new_runner(self) -> _Runner:
        identity = f"{self._incarnation}-{secrets.token_hex(6)}"
        spec = RunnerSpec(
            runner_id=identity,
            socket=self._socket_dir / f"{identity}.sock",
            flavour=self._flavour,
            limits=self._runner_limits,
            store_id=self._store_id,
            incarnation=self._incarnation,
        )
        runner = _Runner(spec=spec, link=RunnerLink(spec.socket, limits=self._link_limits))
        self._known[identity] = runner  # before it exists: a scan must never take it for an orphan
        return runner

    async def _bring_up(self, runner: _Runner) -> None:
        begun = time.monotonic()
        try:
            await runner.link.listen()
            await self._start(runner)
            runner.hello = await self._wait_hello(runner)
        except (StatekError, TimeoutError, OSError) as error:
            self._starting -= 1
            self._failed += 1
            self._retry_seconds = min(max(self._retry_seconds * 2, _RETRY_FIRST_SECONDS), _RETRY_LAST_SECONDS)
            _LOG.warning("runner %s did not come up: %s", runner.spec.runner_id, error)
            self._left_over |= runner.ref is None  # it may have come to be without anybody's having been told
            self._destroy_nowait(runner)
            self._fail_first_waiter(error)
        except BaseException:
            self._starting -= 1
            self._destroy_nowait(runner)
            raise
        else:
            self._starting -= 1
            self._started += 1
            self._retry_seconds = 0.0
            runner.watch = self._spawn(self._watch(runner))
            self._warm.append(runner)
            self._hand_out()
        self._begin_rest(time.monotonic() - begun)
        self._wake.set()

    async def _wait_hello(self, runner: _Runner) -> HelloInfo:
        """Wait for Hello, or for the end of a runner that dies before it.

        Raises:
            RunnerLost: it died or did not come in time.
            RunnerViolation: it broke a rule.
        """
        assert runner.ref is not None
        hello = asyncio.ensure_future(runner.link.wait_hello(self._hello_seconds))
        exited = asyncio.ensure_future(self._driver.wait_exit(runner.ref))
        try:
            await asyncio.wait((hello, exited), return_when=asyncio.FIRST_COMPLETED)
            if exited.done() and not hello.done():
                raise RunnerLost(f"it died at its start: {exited.result()}")
            return await hello
        finally:
            for task in (hello, exited):
                task.cancel()
            await asyncio.gather(hello, exited, return_exceptions=True)

    async def _start(self, runner: _Runner) -> None:
        """Start the runner's processes; a cancellation waits for them, else nobody would know whom to end."""
        start = asyncio.ensure_future(self._driver.start(runner.spec))
        try:
            runner.ref = await asyncio.shield(start)
        except asyncio.CancelledError:
            with contextlib.suppress(StatekError, OSError):
                runner.ref = await start
            raise

    def _fail_first_waiter(self, error: BaseException) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(RunnerLost(f"no runner could be started: {error}"))
                return

    async def _watch(self, runner: _Runner) -> None:
        """End a runner whose link is gone, warm or claimed: it is good for nothing else."""
        await asyncio.wait([runner.link.lost])
        if self._claimed.pop(runner.spec.runner_id, None) is None:
            with contextlib.suppress(ValueError):
                self._warm.remove(runner)
                self._failed += 1
        self._destroy_nowait(runner)

    # ---------------------------------------------------------------- ends

    def _destroy_nowait(self, runner: _Runner) -> None:
        identity = runner.spec.runner_id
        if identity in self._destroying or identity not in self._known:
            return
        if runner.watch is not None and runner.watch is not asyncio.current_task():
            runner.watch.cancel()
        task = asyncio.get_running_loop().create_task(self._end(runner))
        self._destroying[identity] = task

    async def _end(self, runner: _Runner) -> None:
        identity = runner.spec.runner_id
        try:
            if runner.ref is not None:
                try:
                    await self._driver.kill(runner.ref)
                except (StatekError, OSError) as error:
                    # It is nobody's from here on, so the scan ends it as soon as the driver answers again.
                    _LOG.warning("runner %s could not be ended: %s", identity, error)
                    self._left_over = True
            await runner.link.aclose()
            await asyncio.to_thread(runner.spec.socket.unlink, missing_ok=True)
        finally:
            self._known.pop(identity, None)
            self._destroying.pop(identity, None)
            self._wake.set()

    async def _scan_forever(self) -> None:
        while True:
            await asyncio.sleep(self._scan_seconds)
            try:
                await self._end_orphans()
            except StatekError as error:
                _LOG.warning("the scan for orphans failed: %s", error)

    async def _end_orphans(self) -> None:
        """End runners of this store that no living orchestrator owns.

        A higher incarnation's are left alone: then it is this orchestrator that is out of date.
        """
        for ref in await self._driver.list_runners(self._store_id):
            lost = ref.incarnation == self._incarnation and ref.runner_id not in self._known
            if ref.incarnation < self._incarnation or lost:
                await self._driver.kill(ref)
                self._orphans += 1
                _LOG.warning("ended runner %s of incarnation %d, which nobody owned", ref.runner_id, ref.incarnation)

    def _make_socket_dir(self) -> None:
        self._socket_dir.mkdir(parents=True, exist_ok=True)
        self._socket_dir.chmod(0o700)
        for path in self._socket_dir.glob("*.sock"):
            path.unlink(missing_ok=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
