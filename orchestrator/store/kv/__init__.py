"""Stores of bytes by key, and the block store over any of them."""

from __future__ import annotations

from orchestrator.store.kv.cached import CachedKV
from orchestrator.store.kv.fsspec_kv import FsspecKV
from orchestrator.store.kv.kv_blocks import KVBlocks
from orchestrator.store.kv.memory import MemoryKV
from orchestrator.store.kv.sqlite_kv import SqliteKV

__all__ = ["CachedKV", "FsspecKV", "KVBlocks", "MemoryKV", "SqliteKV"]
