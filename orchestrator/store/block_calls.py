"""What every block store offers: asynchronous and blocking calls that run on one thread of its own."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from statek.exceptions import InvalidRequest, StatekError, StoreError

__all__ = ["Blocks", "raw_digest"]

T = TypeVar("T")

_PAGE_DIGESTS = 500


class Blocks(ABC):
    """Blocks by digest. Every call runs on the store's own thread; the sync twins block their caller.

    Digests are 64 hex digits as `orchestrator.digests.content_digest` gives them.

    Attributes:
        description: where they are, for people.
        is_volatile: whether they are gone when the process ends.
        measured_bytes: bytes of data in them, from `measure` on; 0 before.
        kept: held by whoever removes blocks that nobody names, and by whoever must find what was named a while ago.
    """

    description = "on disk"
    is_volatile = False

    _listed_digests = _PAGE_DIGESTS
    """How many digests one look at the store gives."""

    def __init__(self, worker: ThreadPoolExecutor) -> None:
        self._worker = worker
        self._closing = threading.Lock()
        self._closed = False
        self._measures = False
        self.measured_bytes = 0
        self._pinning = threading.Lock()
        self._pinned: dict[object, frozenset[str]] = {}
        self._spared: set[str] | None = None
        self.kept = threading.Lock()

    def close(self) -> None:
        """Finish what is queued and let go of the store. Idempotent."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        # Here and not on the worker: while the interpreter ends, no worker takes new work.
        self._worker.shutdown()
        self._release()

    # --- what is about to be named ---

    @contextmanager
    def naming(self, digests: Iterable[str]) -> Iterator[None]:
        """Spare blocks from a collection until the flush that names them is done.

        Whoever puts blocks and names them later does both inside: in between nothing durable speaks for them.
        """
        mine = object()
        with self._pinning:
            self._pinned[mine] = frozenset(digests)
        try:
            yield
        finally:
            with self._pinning:
                del self._pinned[mine]

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Note from now on what `remove_unnamed_sync` must spare: whatever is put, and what others are about to name.

        What is named durably is for the caller to know, who looks for it inside.
        """
        with self._pinning:
            self._spared = set().union(*self._pinned.values())
        try:
            yield
        finally:
            with self._pinning:
                self._spared = None

    def remove_unnamed_sync(self, digests: Iterable[str]) -> tuple[int, int]:
        """Remove blocks that no commit names, but those that are to be spared; gives how many and their bytes.

        Preconditions:
            inside `collecting`.
        """
        unwanted = list(digests)
        return self._submit(lambda: self._remove_unnamed(unwanted)).result()

    def sizes_sync(self, digests: Iterable[str]) -> dict[str, int]:
        """Bytes of those of the blocks that are stored."""
        wanted = list(digests)
        return self._submit(lambda: self._sizes(wanted)).result()

    def shrink_sync(self, progress: Callable[[str], None]) -> None:
        """Give the space of removed blocks back to the disk, where that is not done anyway.

        Raises:
            StoreFull: there is no room to do so.
        """
        while line := self._submit(self._shrink).result():
            progress(line)

    # --- asynchronous ---

    async def put_many(self, blocks: Mapping[str, bytes]) -> None:
        """Store blocks; durable on return. Known ones cost one look-up.

        Raises:
            InvalidRequest: a name is not the digest of its data.
            StoreFull: the disk refused; none of them is stored.
        """
        await self._run_async(lambda: self._put(blocks))

    async def get(self, digest: str) -> bytes:
        """Read a block.

        Raises:
            NotFound: there is none of that digest.
            StoreDamaged: what is stored under it has another digest.
        """
        return await self._run_async(lambda: self._get(digest))

    async def get_many(self, digests: Iterable[str]) -> dict[str, bytes]:
        """The data of blocks by digest.

        Raises:
            NotFound: there is none of one digest.
            StoreDamaged: what is stored under one has another digest.
        """
        wanted = list(digests)
        return await self._run_async(lambda: {digest: self._get(digest) for digest in wanted})

    async def has_many(self, digests: Iterable[str]) -> set[str]:
        """Which of the digests are stored."""
        wanted = list(digests)
        return await self._run_async(lambda: self._has_many(wanted))

    async def delete_many(self, digests: Iterable[str]) -> int:
        """Remove blocks; gives how many there were."""
        unwanted = list(digests)
        return await self._run_async(lambda: self._delete(unwanted))

    async def size(self) -> tuple[int, int]:
        """Number of blocks and bytes of data in them."""
        return await self._run_async(self._size)

    async def measure(self) -> None:
        """Keep ``measured_bytes`` up to date from now on."""

        def begin() -> None:
            self._measures = True
            self._measure()

        await self._run_async(begin)

    # --- blocking twins ---

    def put_many_sync(self, blocks: Mapping[str, bytes]) -> None:
        """`put_many`, blocking."""
        self._submit(lambda: self._put(blocks)).result()

    def get_sync(self, digest: str) -> bytes:
        """`get`, blocking."""
        return self._submit(lambda: self._get(digest)).result()

    def has_many_sync(self, digests: Iterable[str]) -> set[str]:
        """`has_many`, blocking."""
        wanted = list(digests)
        return self._submit(lambda: self._has_many(wanted)).result()

    def digest_pages_sync(self) -> Iterator[list[str]]:
        """Every digest, in order and in pages; what is put or removed meanwhile may be there or not."""
        after = ""
        while listed := self._submit(partial(self._digests, after, self._listed_digests)).result():
            for at in range(0, len(listed), _PAGE_DIGESTS):
                yield listed[at : at + _PAGE_DIGESTS]
            if len(listed) < self._listed_digests:
                return
            after = listed[-1]

    def count_sync(self) -> int:
        """Number of blocks; unlike `size` it never reads any."""
        return self._submit(self._count).result()

    # --- on the worker ---

    def _submit(self, work: Callable[[], T]) -> Future[T]:
        def translated() -> T:
            try:
                return work()
            except StatekError:
                raise
            except Exception as error:
                known = self._translate(error)
                if known is None:
                    raise
                raise known from error

        with self._closing:
            if self._closed:
                raise StoreError("the block store is closed")
            return self._worker.submit(translated)

    def _put(self, blocks: Mapping[str, bytes]) -> None:
        if self._spared is not None:
            with self._pinning:
                if self._spared is not None:
                    self._spared.update(blocks)
        self._put_many(blocks)
        self._measure()

    def _delete(self, digests: list[str]) -> int:
        removed = self._delete_many(digests)
        self._measure()
        return removed

    def _remove_unnamed(self, digests: list[str]) -> tuple[int, int]:
        # On the worker, where puts are made too: one that came before is in the set, one that comes later stores anew.
        with self._pinning:
            assert self._spared is not None
            gone = [digest for digest in digests if digest not in self._spared]
        sizes = self._sizes(gone)
        return self._delete(gone), sum(sizes.values())

    def _shrink(self) -> str:
        """Give some space back; what was done, or an empty text when there is nothing left to do."""
        return ""

    def _measure(self) -> None:
        """Note what is stored now, where somebody wants to know."""
        if self._measures:
            self.measured_bytes = self._size()[1]

    async def _run_async(self, work: Callable[[], T]) -> T:
        return await asyncio.wrap_future(self._submit(work))

    @abstractmethod
    def _release(self) -> None: ...

    @abstractmethod
    def _translate(self, error: Exception) -> StoreError | None:
        """What an error of the store is to its callers; None for a mistake of ours."""

    @abstractmethod
    def _put_many(self, blocks: Mapping[str, bytes]) -> None: ...

    @abstractmethod
    def _get(self, digest: str) -> bytes: ...

    @abstractmethod
    def _has_many(self, digests: list[str]) -> set[str]: ...

    @abstractmethod
    def _delete_many(self, digests: list[str]) -> int: ...

    @abstractmethod
    def _sizes(self, digests: list[str]) -> dict[str, int]: ...

    @abstractmethod
    def _digests(self, after: str, count: int) -> list[str]:
        """Up to ``count`` of the digests that come after one in order, from the first one on where it is empty."""

    @abstractmethod
    def _size(self) -> tuple[int, int]: ...

    @abstractmethod
    def _count(self) -> int: ...


def raw_digest(digest: str) -> bytes:
    """The 32 bytes of a digest.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        raw = bytes.fromhex(digest)
    except ValueError:
        raw = b""
    if len(raw) != 32 or raw.hex() != digest:
        raise InvalidRequest(f"{digest[:80]!r} is not a digest (64 lower-case hex digits)")
    return raw
