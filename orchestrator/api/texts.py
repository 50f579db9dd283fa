"""Texts of models, users and sandboxes on the wire: UTF-8 that keeps lone surrogates."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.api.limits import PIECE_BYTES

__all__ = ["from_wire", "pieces", "to_wire"]


def to_wire(text: str) -> bytes:
    """Encode any Python text."""
    return text.encode("utf-8", "surrogatepass")


def from_wire(data: bytes) -> str:
    """Decode what ``to_wire`` wrote.

    Raises:
        UnicodeDecodeError: the bytes are no UTF-8.
    """
    return data.decode("utf-8", "surrogatepass")


def pieces(data: bytes) -> Iterator[bytes]:
    """Cut bytes into pieces of ``PIECE_BYTES``; none for no bytes."""
    for start in range(0, len(data), PIECE_BYTES):
        yield data[start : start + PIECE_BYTES]
