"""Blocks over any ``KVStore``: the digest is the key."""

from __future__ import annotations

import errno
import heapq
import sqlite3
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from orchestrator.digests import content_digest
from orchestrator.store.block_calls import Blocks, raw_digest
from orchestrator.store.kv.cached import CachedKV
from statek.exceptions import ConfigurationError, InvalidRequest, NotFound, StoreDamaged, StoreError, StoreFull
from statek.kv_store import KVStore, without_credentials

__all__ = ["KVBlocks"]

_PREFIX = "block/"
_OWNER = "statek/store"


class KVBlocks(Blocks):
    """Blocks over a ``KVStore``, which is called on the block thread only.

    Args:
        kv: the values; closed with this.
        description: where that is, for people; without passwords.
        is_volatile: whether they are gone when the process ends.
    """

    _listed_digests = 100_000  # each look lists the whole store, whatever is taken of it

    def __init__(self, kv: KVStore, description: str, *, is_volatile: bool = False) -> None:
        super().__init__(ThreadPoolExecutor(1, thread_name_prefix="blocks"))
        self._kv = kv
        self.description = description
        self.is_volatile = is_volatile
        self._total: tuple[int, int] | None = None

    def claim(self, store_id: str) -> None:
        """Make this the block store of one data directory, once and for all; blocking.

        Two data directories must not share one: what one of them removes, the other would miss.

        Raises:
            ConfigurationError: it is another one's.
            StoreError: it cannot be asked.
        """
        mine = store_id.encode()

        def claimed() -> bool:
            # Looked at first: it is written once, and a writer that dies over it may leave a lock.
            return self._owner() == mine or self._kv.compare_and_set(_OWNER, None, mine) or self._owner() == mine

        if not self._submit(claimed).result():
            raise ConfigurationError(f"the blocks {self.description} belong to another data directory")

    # ------------------------------------------------------------------------------------- on the worker

    def _release(self) -> None:
        self._kv.close()

    def _owner(self) -> bytes | None:
        """Whose this is, as the store itself says."""
        if isinstance(self._kv, CachedKV):
            self._kv.drop_copy(_OWNER)
        return self._kv.get(_OWNER)

    def _translate(self, error: Exception) -> StoreError | None:
        full = isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}
        full |= isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
        kind = StoreFull if full else StoreError
        said = without_credentials(str(error))[:300]
        return kind(f"the block store {self.description} failed: {type(error).__name__}: {said}")

    def _put_many(self, blocks: Mapping[str, bytes]) -> None:
        for digest, data in blocks.items():
            if content_digest(data) != digest:
                raise InvalidRequest(f"a block named {digest[:80]!r} has the digest {content_digest(data)}")
        for digest, data in blocks.items():
            if not self._kv.exists(_PREFIX + digest):  # same digest, same content
                self._kv.set(_PREFIX + digest, data)
                self._count_in(1, len(data))

    def _get(self, digest: str) -> bytes:
        raw_digest(digest)
        data = self._kv.get(_PREFIX + digest)
        if data is None:
            raise NotFound(f"no block {digest}")
        if content_digest(data) != digest:
            if isinstance(self._kv, CachedKV):
                self._kv.drop_copy(_PREFIX + digest)  # or it would be damaged for ever
            raise StoreDamaged(f"block {digest} is damaged: its content has another digest")
        return data

    def _has_many(self, digests: list[str]) -> set[str]:
        for digest in digests:
            raw_digest(digest)
        return {digest for digest in digests if self._kv.exists(_PREFIX + digest)}

    def _delete_many(self, digests: list[str]) -> int:
        for digest in digests:
            raw_digest(digest)
        removed = 0
        for digest in digests:
            size = self._kv.size(_PREFIX + digest)
            if self._kv.delete(_PREFIX + digest):
                self._count_in(-1, -(size or 0))
                removed += 1
        return removed

    def _sizes(self, digests: list[str]) -> dict[str, int]:
        found = {digest: self._kv.size(_PREFIX + digest) for digest in digests}
        return {digest: size for digest, size in found.items() if size is not None}

    def _size(self) -> tuple[int, int]:
        """Asks for the length of every block, the first time: such a store keeps no sums."""
        if self._total is None:
            found = (self._kv.size(key) for key in self._kv.list(_PREFIX))
            sizes = [size for size in found if size is not None]
            self._total = len(sizes), sum(sizes)
        return self._total

    def _count_in(self, blocks: int, size: int) -> None:
        """Keep the sums up to date, once they are known."""
        if self._total is not None:
            self._total = self._total[0] + blocks, self._total[1] + size

    def _count(self) -> int:
        return sum(1 for _ in self._kv.list(_PREFIX))

    def _digests(self, after: str, count: int) -> list[str]:
        found = (key.removeprefix(_PREFIX) for key in self._kv.list(_PREFIX))
        return heapq.nsmallest(count, (digest for digest in found if digest > after))
