"""Content-addressed blocks in one SQLite file: checkpoints, files, long output."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from orchestrator.digests import content_digest
from orchestrator.store.block_calls import Blocks, raw_digest
from statek.exceptions import InvalidRequest, NotFound, StoreDamaged, StoreError, StoreFull

__all__ = ["BlockStore"]

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
_INCREMENTAL = 2
_SHRINK_PAGES = 2000  # 8 MiB
_QUERY_DIGESTS = 500  # digests per query; SQLite's own bound on variables is higher


class BlockStore(Blocks):
    """Blocks beside the records; the default."""

    def __init__(self, connection: sqlite3.Connection, worker: ThreadPoolExecutor, path: Path) -> None:
        super().__init__(worker)
        self._connection = connection
        self._path = path

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
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file; an old one: see _shrink
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

    def _release(self) -> None:
        self._connection.close()

    def _translate(self, error: Exception) -> StoreError | None:
        return _translate(error, self._path) if isinstance(error, sqlite3.Error) else None

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
        row = self._connection.execute("SELECT data FROM block WHERE digest = ?", (raw_digest(digest),)).fetchone()
        if row is None:
            raise NotFound(f"no block {digest}")
        data: bytes = row[0]
        if content_digest(data) != digest:
            raise StoreDamaged(f"block {digest} is damaged: its content has another digest")
        return data

    def _has_many(self, digests: list[str]) -> set[str]:
        found: set[str] = set()
        raw = [raw_digest(digest) for digest in digests]
        for start in range(0, len(raw), _QUERY_DIGESTS):
            part = raw[start : start + _QUERY_DIGESTS]
            marks = ",".join("?" * len(part))
            rows = self._connection.execute(f"SELECT digest FROM block WHERE digest IN ({marks})", part)  # noqa: S608 - marks only
            found.update(row[0].hex() for row in rows)
        return found

    def _sizes(self, digests: list[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        raw = [raw_digest(digest) for digest in digests]
        for start in range(0, len(raw), _QUERY_DIGESTS):
            part = raw[start : start + _QUERY_DIGESTS]
            marks = ",".join("?" * len(part))
            query = f"SELECT digest, length(data) FROM block WHERE digest IN ({marks})"  # noqa: S608 - marks only
            found.update((row[0].hex(), row[1]) for row in self._connection.execute(query, part))
        return found

    def _shrink(self) -> str:
        """Move pages from the end of the file into its gaps, a few at a time: others use the file meanwhile."""
        connection = self._connection
        if connection.execute("PRAGMA auto_vacuum").fetchone()[0] != _INCREMENTAL:
            # A file that an earlier version of the service made: written anew, once.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("VACUUM")
        free = connection.execute("PRAGMA freelist_count").fetchone()[0]
        if free:
            connection.execute(f"PRAGMA incremental_vacuum({_SHRINK_PAGES})").fetchall()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        left = connection.execute("PRAGMA freelist_count").fetchone()[0]
        return f"shortening {self._path.name}, {left} pages left" if left < free else ""

    def _delete_many(self, digests: list[str]) -> int:
        before = self._size()[0]
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany("DELETE FROM block WHERE digest = ?", [(raw_digest(digest),) for digest in digests])
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return before - self._size()[0]

    def _digests(self, after: str, count: int) -> list[str]:
        start = raw_digest(after) if after else b""
        rows = self._connection.execute(
            "SELECT digest FROM block WHERE digest > ? ORDER BY digest LIMIT ?", (start, count)
        ).fetchall()
        return [row[0].hex() for row in rows]

    def _size(self) -> tuple[int, int]:
        blocks, size = self._connection.execute("SELECT blocks, bytes FROM total").fetchone()
        return blocks, size

    def _count(self) -> int:
        return self._size()[0]


def _translate(error: sqlite3.Error, path: Path) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return StoreFull(f"the disk refused a write to {path.name}: {error}")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreDamaged(f"{path.name} is damaged: {error}; restore it from a backup")
    return StoreError(f"{path.name}: {error}")
