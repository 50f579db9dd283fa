"""A real Redis server of its own for a test, and a ``KVStore`` over it as an application would write one."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from statek.kv_store import KVStore, check_key

__all__ = ["RedisKV", "connect", "redis_server"]

_COMPARE_AND_SET = """
local found = redis.call('GET', KEYS[1])
if ARGV[1] == '0' then if found then return 0 end elseif found ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[3])
return 1
"""
_START_ATTEMPTS = 100
_START_WAIT_SECONDS = 0.1


class RedisKV(KVStore):
    """Values in Redis; durable because the server syncs each write (``appendfsync always``)."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._compare = client.register_script(_COMPARE_AND_SET)

    def get(self, key: str) -> bytes | None:
        """The value of a key."""
        found: bytes | None = self._client.get(check_key(key))
        return found

    def set(self, key: str, value: bytes) -> None:
        """Give a key a value."""
        self._client.set(check_key(key), value)

    def delete(self, key: str) -> bool:
        """Take a key away."""
        return bool(self._client.delete(check_key(key)))

    def exists(self, key: str) -> bool:
        """Whether a key has a value."""
        return bool(self._client.exists(check_key(key)))

    def list(self, prefix: str = "") -> Iterator[str]:
        """Every key that begins so."""
        for key in self._client.scan_iter():
            if key.startswith(prefix.encode()):
                yield key.decode()

    def compare_and_set(self, key: str, expected: bytes | None, value: bytes) -> bool:
        """Give a key a value if it has the expected one."""
        given = b"0" if expected is None else b"1"
        return bool(self._compare(keys=[check_key(key)], args=[given, expected or b"", value]))

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def connect(path: Path) -> Any:
    """A client of the server at this socket, which waits until it answers."""
    patience = Retry(ConstantBackoff(_START_WAIT_SECONDS), _START_ATTEMPTS)
    return redis.Redis(unix_socket_path=str(path), retry=patience, socket_timeout=30)


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """Run a server without a network port; gives its socket and its process.

    Raises:
        RuntimeError: Debian's package is missing.
    """
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError("redis-server is not installed; an administrator runs: apt-get install redis-server")
    path = folder / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(path), "--dir", str(folder), "--save", "", "--daemonize", "no"]
    options += ["--appendonly", "yes", "--appendfsync", "always"]
    with subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            connect(path).ping()
            yield path, process
        finally:
            process.terminate()
            process.wait(timeout=30)
