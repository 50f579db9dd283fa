"""The store thread: the only one that touches dbzero, with group flushes.

Work is done in order of arrival. A batch is everything that waits when the thread comes for more; one flush
ends it, and whoever asked for durability is told after that. So a flush starts at once when none is in
flight, and what arrives meanwhile joins the next. Between dbzero's commit and the end of the redo record no
mutation can run, because they share the thread.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from statek.exceptions import StoreError

__all__ = ["Answer", "StoreThread", "Work"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

SLOW_SECONDS = 0.010  #: a function that holds the store thread longer is named in the log
BATCH_SECONDS = 0.010  #: a batch takes no new work after this: its answers are sent, its flush is made
IDLE_FLUSH_SECONDS = 0.2  #: writes that nobody waits for are flushed after this much quiet
UNFLUSHED_WRITES = 1000  #: ... or when there are so many of them: bounds the dirty set


class Answer:
    """Where a result goes: an asyncio future of some loop, or a thread that waits."""

    __slots__ = ("future", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self.loop = loop
        self.future: Any = concurrent.futures.Future() if loop is None else loop.create_future()

    def settle(self, result: object, error: BaseException | None) -> None:
        """Give the result. For an asyncio future: on its loop's thread only."""
        if self.future.done():  # the waiter was cancelled; the work stands
            return
        if error is not None:
            if isinstance(error, StopIteration) or not isinstance(error, Exception):
                # Futures refuse the one; the others, sys.exit in an application function, would end the waiter's loop.
                error = RuntimeError(f"{type(error).__name__} raised by a store function: {error}")
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


@dataclass(slots=True)
class Work:
    """One request to the store thread.

    Attributes:
        run: what to do, None for a mere flush.
        writes: whether it may change something.
        durable: whether the answer waits for the flush.
        timed: whether a long run is named in the log (what the store does for itself is not).
        answer: where the result goes.
    """

    run: Callable[[], Any] | None
    writes: bool
    durable: bool
    answer: Answer
    timed: bool = True


class StoreThread:
    """Runs work in order, flushes, answers.

    Args:
        flush: makes everything written so far durable; may raise.
    """

    def __init__(self, flush: Callable[[], None]) -> None:
        self._flush = flush
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._main, name="store", daemon=True)
        self._state = threading.Lock()
        self._closed = False
        self._unflushed = 0
        self._idle_flush_failed = False
        self.batches = 0  #: flushes made, for statistics

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Do what is queued, then end. New work is refused from now on."""
        with self._state:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def is_current(self) -> bool:
        """Whether the caller is the store thread."""
        return threading.current_thread() is self._thread

    def submit(self, work: Work) -> None:
        """Queue work.

        Raises:
            StoreError: the store is closed.
        """
        with self._state:
            if self._closed:
                raise StoreError("the store is closed")
            self._queue.put(work)

    # --- on the thread ---

    def _main(self) -> None:
        ending = False
        while not ending:
            first = self._next()
            if first is not _IDLE:
                ending = self._batch(first)
                continue
            self._flush_unasked()

    def _next(self) -> Any:
        if not self._unflushed or self._idle_flush_failed:
            return self._queue.get()
        try:
            return self._queue.get(timeout=IDLE_FLUSH_SECONDS)
        except queue.Empty:
            return _IDLE

    def _batch(self, first: Work | None) -> bool:
        """Do the work that waits now, flush if anybody wants it; whether the end was asked for."""
        started = time.monotonic()
        waiting: list[tuple[Answer, Any]] = []
        answers = _Answers()
        work = first
        while work is not None:
            result, error = self._run(work)
            if error is None and work.durable:
                waiting.append((work.answer, result))
            else:
                answers.add(work.answer, result, error)
            # Also where nobody waits for a flush: whoever got an answer must hear of it, and those who come are many.
            if time.monotonic() - started > BATCH_SECONDS:
                break
            if self._unflushed >= UNFLUSHED_WRITES:
                break
            try:
                work = self._queue.get_nowait()
            except queue.Empty:
                break
        answers.send()
        if waiting:
            self._flush_for(waiting)
        elif self._unflushed >= UNFLUSHED_WRITES:
            self._flush_unasked()
        return work is None

    def _run(self, work: Work) -> tuple[Any, BaseException | None]:
        if work.run is None:
            return None, None
        if work.writes:
            self._unflushed += 1
            self._idle_flush_failed = False
        started = time.perf_counter()
        try:
            return work.run(), None
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever asked
            return None, error
        finally:
            took = time.perf_counter() - started
            if work.timed and took > SLOW_SECONDS:
                _log.warning("%s held the store thread for %.1f ms", _name_of(work.run), took * 1000)

    def _flush_for(self, waiting: list[tuple[Answer, Any]]) -> None:
        failure: BaseException | None = None
        try:
            self._flush()
            self._unflushed = 0
            self.batches += 1
        except Exception as error:  # noqa: BLE001 - handed to every waiter
            failure = error
        answers = _Answers()
        for answer, result in waiting:
            answers.add(answer, result, failure)
        answers.send()

    def _flush_unasked(self) -> None:
        try:
            self._flush()
            self._unflushed = 0
            self.batches += 1
        except Exception:  # noqa: BLE001 - logged, and the next waiter is told
            # Nobody was promised anything; the next write or flush tries again and its caller is told.
            self._idle_flush_failed = True
            self._unflushed = 1
            _log.exception("an unasked flush failed")


_IDLE: Any = object()


class _Answers:
    """Answers gathered per event loop, so that a batch wakes each loop once."""

    def __init__(self) -> None:
        self._per_loop: dict[asyncio.AbstractEventLoop | None, list[tuple[Answer, Any, BaseException | None]]] = {}

    def add(self, answer: Answer, result: object, error: BaseException | None) -> None:
        self._per_loop.setdefault(answer.loop, []).append((answer, result, error))

    def send(self) -> None:
        for loop, settled in self._per_loop.items():
            if loop is None:
                _settle(settled)
                continue
            try:
                loop.call_soon_threadsafe(_settle, settled)
            except RuntimeError:  # the loop is closed: nobody listens any more
                _log.debug("a loop closed before its store answers arrived")


def _settle(settled: list[tuple[Answer, Any, BaseException | None]]) -> None:
    for answer, result, error in settled:
        answer.settle(result, error)


def _name_of(function: Callable[..., Any]) -> str:
    """What the log calls a function; the arguments that one was given may be long, or not for a log."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__qualname__", type(function).__name__)
