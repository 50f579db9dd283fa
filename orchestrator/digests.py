"""The one digest that names content on the host."""

from __future__ import annotations

from blake3 import blake3

__all__ = ["content_digest"]


def content_digest(data: bytes | bytearray | memoryview) -> str:
    """Name content by its BLAKE3-256 digest, as 64 hex digits.

    The host computes every digest itself: blocks are shared within a tenant, so a digest that a
    runner could choose would let one job name (or shadow) another job's block.
    """
    return str(blake3(data).hexdigest())
