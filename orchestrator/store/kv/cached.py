"""A cache on disk, with a limit of bytes, in front of a store of values that never change under their keys.

Blocks are such values: the key is the digest. The cache is only ever a copy: what it lacks, or fails at, is asked of
the store, and a write has returned when the *store* has it.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from orchestrator.digests import content_digest
from statek.kv_store import KVStore, check_key

__all__ = ["CachedKV"]

_log = logging.getLogger(__name__)
T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS cached
  (key BLOB PRIMARY KEY, value BLOB NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL, used INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS cached_used ON cached (used);
CREATE TABLE IF NOT EXISTS total
  (one INTEGER PRIMARY KEY CHECK (one = 1), bytes INTEGER NOT NULL, clock INTEGER NOT NULL);
INSERT OR IGNORE INTO total VALUES (1, 0, 0);
"""

_NO_CACHE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
"""Results of SQLite that say that a file is damaged, no database, or one with other tables."""


class CachedKV(KVStore):
    """Keeps copies of the values used last.

    Args:
        store: what has the values.
        path: file of the cache, one process's own; one that is damaged is made anew.
        max_bytes: sum of the values that are kept. A larger value is never kept.
    """

    def __init__(self, store: KVStore, path: Path, max_bytes: int) -> None:
        self._store = store
        self._path = path
        self._max_bytes = max_bytes
        self._connection = self._opened()
        self.hits = self.misses = 0

    @property
    def cached_bytes(self) -> int:
        """Sum of the values that are kept now."""
        found = self._tried(lambda: self._connection.execute("SELECT bytes FROM total").fetchone(), None)
        return 0 if found is None else int(found[0])

    def get(self, key: str) -> bytes | None:
        """The value of a key, from the cache where it has it."""
        raw = check_key(key)
        value = self._tried(lambda: self._kept(raw), None)
        if value is not None:
            self.hits += 1
            return value
        self.misses += 1
        value = self._store.get(key)
        if value is not None:
            self._keep(raw, value)
        return value

    def set(self, key: str, value: bytes) -> None:
        """Give a key a value: in the store first."""
        self._forget(check_key(key))
        self._store.set(key, value)
        self._keep(check_key(key), bytes(value))

    def delete(self, key: str) -> bool:
        """Take a key away, from the cache first."""
        self._forget(check_key(key))
        return self._store.delete(key)

    def exists(self, key: str) -> bool:
        """Whether the store has the key: a copy does not say so."""
        return self._store.exists(key)

    def size(self, key: str) -> int | None:
        """Length of the value that the store has."""
        return self._store.size(key)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Every key of the store that begins so."""
        return self._store.list(prefix)

    def compare_and_set(self, key: str, expected: bytes | None, value: bytes) -> bool:
        """Ask the store; such keys change and are not kept."""
        self._forget(check_key(key))
        return self._store.compare_and_set(key, expected, value)

    def drop_copy(self, key: str) -> None:
        """Forget the copy of a value, so that the store is asked next."""
        self._forget(check_key(key))

    def close(self) -> None:
        """Close the cache and the store."""
        self._connection.close()
        self._store.close()

    # ------------------------------------------------------------------------------------- the cache

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _NO_CACHE:
                raise  # locked, no room, no permission: the file itself may be as it should be
            _log.warning("the cache %s is damaged and is made anew", self._path)
            for name in (self._path.name, f"{self._path.name}-wal", f"{self._path.name}-shm"):
                self._path.with_name(name).unlink(missing_ok=True)
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")  # a copy that a crash takes is asked for again
            connection.executescript(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection

    def _tried(self, work: Callable[[], T], otherwise: T) -> T:
        """Use the cache; where it fails, do without."""
        try:
            return work()
        except sqlite3.Error as error:
            _log.warning("the cache %s failed: %s", self._path, error)
            if self._connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
            return otherwise

    def _kept(self, key: bytes) -> bytes | None:
        row = self._connection.execute("SELECT value, digest FROM cached WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        if content_digest(bytes(row[0])) != row[1]:
            self._forget(key)
            return None
        self._connection.execute("UPDATE total SET clock = clock + 1")
        self._connection.execute("UPDATE cached SET used = (SELECT clock FROM total) WHERE key = ?", (key,))
        return bytes(row[0])

    def _keep(self, key: bytes, value: bytes) -> None:
        if len(value) <= self._max_bytes:
            self._tried(lambda: self._put(key, value), None)

    def _put(self, key: bytes, value: bytes) -> None:
        execute = self._connection.execute
        row = (key, value, content_digest(value), len(value))
        execute("BEGIN IMMEDIATE")
        self._drop(key)
        execute("UPDATE total SET clock = clock + 1, bytes = bytes + ?", (len(value),))
        execute("INSERT INTO cached VALUES (?, ?, ?, ?, (SELECT clock FROM total))", row)
        while execute("SELECT bytes FROM total").fetchone()[0] > self._max_bytes:
            self._drop(execute("SELECT key FROM cached ORDER BY used LIMIT 1").fetchone()[0])
        execute("COMMIT")

    def _forget(self, key: bytes) -> None:
        def forget() -> None:
            self._connection.execute("BEGIN IMMEDIATE")
            self._drop(key)
            self._connection.execute("COMMIT")

        self._tried(forget, None)

    def _drop(self, key: bytes) -> None:
        """Remove a copy, inside a transaction."""
        row = self._connection.execute("DELETE FROM cached WHERE key = ? RETURNING size", (key,)).fetchone()
        if row is not None:
            self._connection.execute("UPDATE total SET bytes = bytes - ?", (row[0],))
