"""Durable writes that outwait a full disk.

A write that dbzero accepted but the disk refused stays in memory; nothing of it was acknowledged. The
service then says so once, in one clear line, and tries the flush again until there is room: no job
fails because of it and nothing is lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from orchestrator.store.store import Store
from statek.exceptions import StoreFull

__all__ = ["Durability"]

_log = logging.getLogger("statek.store")
_T = TypeVar("_T")

_FIRST_RETRY_SECONDS = 0.2
_MAX_RETRY_SECONDS = 5.0


class Durability:
    """Commits that return only when what they wrote survives SIGKILL.

    Attributes:
        store: the store.
        full_reason: why commits wait now (the store's words), empty while all is well.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.full_reason = ""

    async def commit(self, change: Callable[[], _T], *, blocks: Mapping[str, bytes] | None = None) -> _T:
        """Run a change in one atomic block and return when it is durable.

        Args:
            change: what is to be written.
            blocks: data by digest of the blocks that it names; they are stored first.

        Raises:
            Exception: whatever ``change`` raised; it is rolled back then.
        """
        if not blocks:
            return await self._commit(change)
        with self.store.blocks.naming(blocks):
            await self._patiently(lambda: self.store.blocks.put_many(blocks))
            return await self._commit(change)

    async def _commit(self, change: Callable[[], _T]) -> _T:
        results: list[_T] = []

        def apply() -> None:
            results.append(change())

        try:
            await self.store.commit(apply)
        except StoreFull:
            if not results:
                raise
            # Applied, but not flushed: only the flush is tried again.
            await self._patiently(self.store.flush)
        return results[0]

    async def _patiently(self, attempt: Callable[[], Awaitable[object]]) -> None:
        """Repeat a durable write while the disk is full."""
        delay = _FIRST_RETRY_SECONDS
        while True:
            try:
                await attempt()
            except StoreFull as error:
                if not self.full_reason:
                    _log.error("the store's disk is full; jobs wait, nothing acknowledged is lost: %s", error)
                self.full_reason = str(error)
                await asyncio.sleep(delay)
                delay = min(_MAX_RETRY_SECONDS, delay * 2)
            else:
                if self.full_reason:
                    _log.warning("the store's disk takes writes again")
                    self.full_reason = ""
                return
