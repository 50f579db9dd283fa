"""The one place where litellm is imported, and the thread that it lives in.

litellm takes seconds to import, milliseconds of Python per call, and keeps its settings and clients in module globals.
So the process has one thread for it with an event loop of its own, shared by all gateways, started by the first that
needs it and stopped with the last one that is closed. The service's loop only waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, ClassVar, TypeVar

__all__ = ["LitellmThread", "ReplyBudget"]

T = TypeVar("T")


class ReplyBudget:
    """How much of a reply's body is read at most; says afterwards what was wrong with it.

    Attributes:
        violation: why the body was refused, or None.
    """

    current: ClassVar[contextvars.ContextVar[ReplyBudget | None]] = contextvars.ContextVar("reply_budget", default=None)

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.violation: str | None = None
        self._left = max_bytes

    def take(self, count: int) -> None:
        """Account for ``count`` bytes; raises ``ValueError`` when the budget is used up."""
        self._left -= count
        if self._left < 0:
            self.refuse(f"the reply has more than {self.max_bytes} bytes")

    def refuse(self, reason: str) -> None:
        """Remember why and raise ``ValueError``, which ends the request wherever it is."""
        self.violation = reason
        raise ValueError(reason)


async def _bound_reply(response: Any) -> None:
    """Response hook of httpx: runs before the body is read, in the task that made the request."""
    import httpx

    budget = ReplyBudget.current.get()
    if budget is None:
        return
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        # Asked for identity: a few compressed bytes could unpack to any size, and httpx offers no bound on that.
        budget.refuse(f"the reply is compressed ({encoding[:20]}) although that was not asked for")
    source = response.stream
    accounting = budget

    class Bounded(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for chunk in source:
                accounting.take(len(chunk))
                yield chunk

        async def aclose(self) -> None:
            await source.aclose()

    response.stream = Bounded()


class LitellmThread:
    """litellm in its thread; got by ``acquire`` and given back by ``release``, counted."""

    _guard: ClassVar[threading.Lock] = threading.Lock()
    _shared: ClassVar[LitellmThread | None] = None

    def __init__(self) -> None:
        self._users = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._main, name="litellm", daemon=True)
        self._thread.start()

    @classmethod
    def acquire(cls) -> LitellmThread:
        """The process's thread, started when there is none. Does not wait for the import."""
        with cls._guard:
            thread = cls._shared
            if thread is None:
                thread = cls._shared = LitellmThread()
            thread._users += 1
            return thread

    def release(self) -> None:
        """Give it back; the last one stops the thread and waits for its end (milliseconds)."""
        with self._guard:
            self._users -= 1
            if self._users:
                return
            LitellmThread._shared = None
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def run(self, work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        """Run ``work(litellm)`` in the thread's loop; cancelling the caller cancels it.

        Raises:
            ImportError: litellm is not installed or does not import.
        """

        async def body() -> T:
            return await work(self._module())

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(body(), self._loop))

    def _module(self) -> Any:
        """The configured module; the first call imports it, in this thread."""
        # Without this, the import fetches a price list from the internet and retries for seconds where there is none.
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
        import httpx
        import litellm

        if litellm.aclient_session is None:
            litellm.telemetry = False
            litellm.suppress_debug_info = True
            litellm.turn_off_message_logging = True
            litellm.aclient_session = httpx.AsyncClient(
                headers={"Accept-Encoding": "identity"}, event_hooks={"response": [_bound_reply]}
            )
        return litellm

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            try:
                self._loop.run_until_complete(self._clean_up())
                self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            finally:
                self._loop.close()

    async def _clean_up(self) -> None:
        """Cancel what still runs, litellm's background tasks too; close connections, forget clients of this loop."""
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        litellm: Any = sys.modules.get("litellm")
        if litellm is None:
            return
        session, litellm.aclient_session = getattr(litellm, "aclient_session", None), None
        with contextlib.suppress(AttributeError):
            litellm.in_memory_llm_clients_cache.flush_cache()
        if session is not None:
            await session.aclose()
