"""The durable store of the service: dbzero behind a flush guard, and content-addressed blocks."""

from __future__ import annotations

from orchestrator.store.blocks import BlockStore
from orchestrator.store.store import Store

__all__ = ["BlockStore", "Store"]
