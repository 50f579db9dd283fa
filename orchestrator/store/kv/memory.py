"""Bytes by key in the memory of this process: gone when it ends."""

from __future__ import annotations

from collections.abc import Iterator

from statek.kv_store import KVStore, check_key

__all__ = ["MemoryKV"]


class MemoryKV(KVStore):
    """For development and tests; survives nothing."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}

    def get(self, key: str) -> bytes | None:
        """The value of a key."""
        return self._values.get(check_key(key))

    def set(self, key: str, value: bytes) -> None:
        """Give a key a value."""
        self._values[check_key(key)] = bytes(value)

    def delete(self, key: str) -> bool:
        """Take a key away."""
        return self._values.pop(check_key(key), None) is not None

    def exists(self, key: str) -> bool:
        """Whether a key has a value."""
        return check_key(key) in self._values

    def list(self, prefix: str = "") -> Iterator[str]:
        """Every key that begins so."""
        return iter([key.decode() for key in self._values if key.startswith(prefix.encode())])

    def compare_and_set(self, key: str, expected: bytes | None, value: bytes) -> bool:
        """Give a key a value if it has the expected one."""
        if self._values.get(check_key(key)) != expected:
            return False
        self.set(key, value)
        return True
