"""Bytes by key in one SQLite file; several processes may use it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from statek.kv_store import KVStore, check_key

__all__ = ["SqliteKV"]

_SCHEMA = "CREATE TABLE IF NOT EXISTS kv (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
_WAIT_SECONDS = 30.0  # for another process's write
_PAGE = 1000
_FIRST_PAGE = "SELECT key FROM kv WHERE key >= ? ORDER BY key LIMIT ?"
_NEXT_PAGE = "SELECT key FROM kv WHERE key > ? ORDER BY key LIMIT ?"


class SqliteKV(KVStore):
    """Durable: each write is on the disk when it returns.

    Args:
        path: of the file, made if it is missing; its folder must be there.
    """

    def __init__(self, path: Path | str) -> None:
        # The service calls from one thread, which is not the one that opened it.
        self._connection = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute(_SCHEMA)
        except BaseException:
            self._connection.close()
            raise

    def get(self, key: str) -> bytes | None:
        """The value of a key."""
        row = self._connection.execute("SELECT value FROM kv WHERE key = ?", (check_key(key),)).fetchone()
        return None if row is None else bytes(row[0])

    def set(self, key: str, value: bytes) -> None:
        """Give a key a value."""
        self._connection.execute("INSERT OR REPLACE INTO kv VALUES (?, ?)", (check_key(key), value))

    def delete(self, key: str) -> bool:
        """Take a key away."""
        return self._connection.execute("DELETE FROM kv WHERE key = ?", (check_key(key),)).rowcount > 0

    def exists(self, key: str) -> bool:
        """Whether a key has a value."""
        return self._connection.execute("SELECT 1 FROM kv WHERE key = ?", (check_key(key),)).fetchone() is not None

    def size(self, key: str) -> int | None:
        """Length of the value of a key."""
        row = self._connection.execute("SELECT length(value) FROM kv WHERE key = ?", (check_key(key),)).fetchone()
        return None if row is None else int(row[0])

    def list(self, prefix: str = "") -> Iterator[str]:
        """Every key that begins so; a page is read at a time, so that writers need not wait."""
        start = prefix.encode()
        after, query = start, _FIRST_PAGE
        while True:
            rows = self._connection.execute(query, (after, _PAGE)).fetchall()
            for (key,) in rows:
                if not key.startswith(start):
                    return
                yield bytes(key).decode()
            if len(rows) < _PAGE:
                return
            after, query = rows[-1][0], _NEXT_PAGE

    def compare_and_set(self, key: str, expected: bytes | None, value: bytes) -> bool:
        """Give a key a value if it has the expected one."""
        raw = check_key(key)
        if expected is None:
            return self._connection.execute("INSERT OR IGNORE INTO kv VALUES (?, ?)", (raw, value)).rowcount > 0
        change = "UPDATE kv SET value = ? WHERE key = ? AND value = ?"
        return self._connection.execute(change, (value, raw, expected)).rowcount > 0

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
