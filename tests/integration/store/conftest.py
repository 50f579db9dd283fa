"""Every implementation of ``KVStore`` that is shipped, and one over a real Redis server."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.store.kv import CachedKV, FsspecKV, MemoryKV, SqliteKV
from statek.kv_store import KVStore
from tests.support.redis_server import RedisKV, connect, redis_server

KINDS = ("memory", "sqlite", "fsspec-local", "fsspec-memory", "cached", pytest.param("redis", marks=pytest.mark.redis))

OpenKV = Callable[[], KVStore]


@pytest.fixture(scope="session")
def redis_socket() -> Iterator[Path]:
    # Short: a Unix socket's path has 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="st-") as folder, redis_server(Path(folder)) as (path, _):
        yield path


@pytest.fixture(params=KINDS)
def open_kv(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenKV]:
    """Opens the same store again and again, each time as another writer would (but for the one in memory)."""
    with contextlib.ExitStack() as stack:
        kept = MemoryKV()

        def opened() -> KVStore:
            kv: KVStore
            match request.param:
                case "memory":
                    return kept
                case "sqlite":
                    kv = SqliteKV(tmp_path / "kv.sqlite")
                case "fsspec-local":
                    kv = FsspecKV(f"file://{tmp_path}/kv")
                case "fsspec-memory":
                    kv = FsspecKV(f"memory://{tmp_path}/kv")
                case "cached":
                    number = len(list(tmp_path.glob("cache*.sqlite")))
                    kv = CachedKV(SqliteKV(tmp_path / "kv.sqlite"), tmp_path / f"cache{number}.sqlite", 1 << 20)
                case _:
                    client = connect(request.getfixturevalue("redis_socket"))
                    client.flushall()
                    kv = RedisKV(client)
            stack.callback(kv.close)
            return kv

        yield opened
