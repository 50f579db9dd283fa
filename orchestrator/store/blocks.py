"""Content-addressed blocks in one SQLite file: checkpoints, files, long output."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from orchestrator.digests import content_digest
from statek.exceptions import InvalidRequest, NotFound, StoreDamaged, StoreError, StoreFull

__all__ = ["BlockStore"]

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS block (digest BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS total
  (one INTEGER PRIMARY KEY CHECK (one = 1), blocks INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT OR IGNORE INTO total VALUES (1, 0, 0);
CREATE TRIGGER IF NOT EXISTS block_added AFTER INSERT ON block
  BEGIN UPDATE total SET blocks = blocks + 1, bytes = bytes + length(NEW.data); END;
CREATE TRIGGER IF NOT EXISTS block_removed AFTER DELETE ON block
  BEGIN UPDATE total SET blocks = blocks - 1, bytes = bytes - length(OLD.data); END;
"""
_QUERY_DIGESTS = 500  # digests per query; SQLite's own bound on variables is higher


class BlockStore:
    """Blocks by digest. Every call runs on the store's own thread; the sync twins block their caller.

    Digests are 64 hex digits as `orchestrator.digests.content_digest` gives them.
    """

    def __init__(self, connection: sqlite3.Connection, worker: ThreadPoolExecutor, path: Path) -> None:
        self._connection = connection
        self._worker = worker
        self._path = path
        self._closing = threading.Lock()
        self._closed = False

    @classmethod
    def open(cls, path: Path) -> BlockStore:
        """Open or create the file.

        Raises:
            StoreDamaged: it is no database.
            StoreFull: no space.
        """
        worker = ThreadPoolExecutor(1, thread_name_prefix="blocks")

        def connect() -> sqlite3.Connection:
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA journal_size_limit = 67108864")
                connection.executescript(_SCHEMA)
            except BaseException:
                connection.close()
                raise
            return connection

        try:
            connection = worker.submit(connect).result()
        except sqlite3.Error as error:
            worker.shutdown()
            raise _translate(error, path) from error
        return cls(connection, worker, path)

    # --- asynchronous ---

    async def put_many(self, blocks: Mapping[str, bytes]) -> None:
        """Store blocks; durable on return. Known ones cost one look-up.

        Raises:
            InvalidRequest: a name is not the digest of its data.
            StoreFull: the disk refused; none of them is stored.
        """
        await self._run_async(lambda: self._put_many(blocks))

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
        return await self._run_async(lambda: self._delete_many(unwanted))

    async def size(self) -> tuple[int, int]:
        """Number of blocks and bytes of data in them."""
        return await self._run_async(self._size)

    # --- blocking twins ---

    def put_many_sync(self, blocks: Mapping[str, bytes]) -> None:
        """`put_many`, blocking."""
        self._submit(lambda: self._put_many(blocks)).result()

    def get_sync(self, digest: str) -> bytes:
        """`get`, blocking."""
        return self._submit(lambda: self._get(digest)).result()

    def has_many_sync(self, digests: Iterable[str]) -> set[str]:
        """`has_many`, blocking."""
        wanted = list(digests)
        return self._submit(lambda: self._has_many(wanted)).result()

    def delete_many_sync(self, digests: Iterable[str]) -> int:
        """`delete_many`, blocking."""
        unwanted = list(digests)
        return self._submit(lambda: self._delete_many(unwanted)).result()

    def digests_sync(self, after: str, count: int) -> list[str]:
        """Up to ``count`` of the digests that come after one in order, from the first one on where it is empty."""
        return self._submit(lambda: self._digests(after, count)).result()

    def size_sync(self) -> tuple[int, int]:
        """`size`, blocking."""
        return self._submit(self._size).result()

    def close(self) -> None:
        """Finish what is queued and close the file."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        # Here and not on the worker: while the interpreter ends, no worker takes new work.
        self._worker.shutdown()
        self._connection.close()

    # --- on the worker ---

    def _submit(self, work: Callable[[], T]) -> Future[T]:
        def translated() -> T:
            try:
                return work()
            except sqlite3.Error as error:
                raise _translate(error, self._path) from error

        with self._closing:
            if self._closed:
                raise StoreError("the block store is closed")
            return self._worker.submit(translated)

    async def _run_async(self, work: Callable[[], T]) -> T:
        return await asyncio.wrap_future(self._submit(work))

    def _put_many(self, blocks: Mapping[str, bytes]) -> None:
        rows: list[tuple[bytes, bytes]] = []
        for digest, data in blocks.items():
            if content_digest(data) != digest:
                raise InvalidRequest(f"a block named {digest[:80]!r} has the digest {content_digest(data)}")
            rows.append((bytes.fromhex(digest), data))
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Ignoring what exists is right: same digest, same content. A damaged block is replaced after delete_many.
            connection.executemany("INSERT OR IGNORE INTO block VALUES (?, ?)", rows)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _get(self, digest: str) -> bytes:
        row = self._connection.execute("SELECT data FROM block WHERE digest = ?", (_raw(digest),)).fetchone()
        if row is None:
            raise NotFound(f"no block {digest}")
        data: bytes = row[0]
        if content_digest(data) != digest:
            raise StoreDamaged(f"block {digest} is damaged: its content has another digest")
        return data

    def _has_many(self, digests: list[str]) -> set[str]:
        found: set[str] = set()
        raw = [_raw(digest) for digest in digests]
        for start in range(0, len(raw), _QUERY_DIGESTS):
            part = raw[start : start + _QUERY_DIGESTS]
            marks = ",".join("?" * len(part))
            rows = self._connection.execute(f"SELECT digest FROM block WHERE digest IN ({marks})", part)  # noqa: S608 - marks only
            found.update(row[0].hex() for row in rows)
        return found

    def _delete_many(self, digests: list[str]) -> int:
        before = self._size()[0]
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany("DELETE FROM block WHERE digest = ?", [(_raw(digest),) for digest in digests])
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return before - self._size()[0]

    def _digests(self, after: str, count: int) -> list[str]:
        start = _raw(after) if after else b""
        rows = self._connection.execute(
            "SELECT digest FROM block WHERE digest > ? ORDER BY digest LIMIT ?", (start, count)
        ).fetchall()
        return [row[0].hex() for row in rows]

    def _size(self) -> tuple[int, int]:
        blocks, size = self._connection.execute("SELECT blocks, bytes FROM total").fetchone()
        return blocks, size


def _raw(digest: str) -> bytes:
    try:
        raw = bytes.fromhex(digest)
    except ValueError:
        raw = b""
    if len(raw) != 32 or raw.hex() != digest:
        raise InvalidRequest(f"{digest[:80]!r} is not a digest (64 lower-case hex digits)")
    return raw


def _translate(error: sqlite3.Error, path: Path) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return StoreFull(f"the disk refused a write to {path.name}: {error}")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreDamaged(f"{path.name} is damaged: {error}; restore it from a backup")
    return StoreError(f"{path.name}: {error}")
