"""The interface of a store that keeps blocks elsewhere than beside the records: a flat map from keys to bytes.

An application implements ``KVStore``, registers it for a scheme, and names it in the setting ``blocks``
(docs/storage.md). Two are shipped, ``orchestrator.store.kv``: SQLite and any fsspec URL.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

from statek.exceptions import InvalidRequest

__all__ = [
    "CREDENTIALS",
    "IN_MEMORY",
    "MAX_KEY_BYTES",
    "KVStore",
    "check_key",
    "describe_location",
    "find_kv_store",
    "register_kv_store",
    "without_credentials",
]

MAX_KEY_BYTES = 512
"""Length of a key in UTF-8. Every implementation takes so much, with any characters in it."""

IN_MEMORY = "in memory, gone when the service stops"
"""Where blocks are that survive nothing."""

CREDENTIALS = re.compile(r"(?<=://)(?:[^/\s]*|[^/@:\s]*:\S*)@|(?<=[\w+.-]:)(?<!sqlite:)(?<!file:)(?!//|:)\S*@|\?\S+")
"""What a URL may say besides the place: a name and a password up to the last ``@``, which may hold any of ``/@?`` where
it was not quoted, and options. A scheme may also come without ``//``; those of local files have no passwords."""

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,31}")
_OWN_SCHEMES = frozenset({"disk", "memory", "sqlite"})

Factory = Callable[[str], "KVStore"]


class KVStore(ABC):
    """A map from keys (text) to values (bytes), kept somewhere.

    Every method blocks until it is done, is called on one thread, one call at a time, and never on the event loop or
    the store thread. What ``set`` and ``compare_and_set`` have returned from must survive the death of this process;
    whether it survives more is what the implementation promises. A value is there whole or not at all.

    An implementation refuses a bad key with ``check_key``. Every other failure may raise any exception: the service
    shows it as a ``StoreError`` that names the store, lets the job wait and tries again.
    """

    @abstractmethod
    def get(self, key: str) -> bytes | None:
        """The value of a key; None where it has none."""

    @abstractmethod
    def set(self, key: str, value: bytes) -> None:
        """Give a key a value, whatever it had."""

    @abstractmethod
    def delete(self, key: str) -> bool:
        """Take a key away; whether it was there."""

    @abstractmethod
    def exists(self, key: str) -> bool:
        """Whether a key has a value."""

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[str]:
        """Every key that begins so, in any order. Keys that are set or deleted meanwhile may be there or not."""

    @abstractmethod
    def compare_and_set(self, key: str, expected: bytes | None, value: bytes) -> bool:
        """Give a key a value if it has the expected one (None: if it has none); whether it was done.

        Of several writers that expect the same, exactly one succeeds.
        """

    def size(self, key: str) -> int | None:
        """Length of the value of a key in bytes; None where it has none. Reads it, where nothing better is known."""
        value = self.get(key)
        return None if value is None else len(value)

    def close(self) -> None:  # noqa: B027 -- nothing to do for many
        """Let go of what is held. Nothing is called afterwards."""


def check_key(key: str) -> bytes:
    """A key in UTF-8.

    Raises:
        InvalidRequest: it is empty, too long, or has characters that no encoding has.
    """
    try:
        data = key.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(f"a key of a KVStore must be encodable, {key[:80]!r} is not") from None
    if not 0 < len(data) <= MAX_KEY_BYTES:
        raise InvalidRequest(f"a key of a KVStore has 1 to {MAX_KEY_BYTES} bytes, not {len(data)}")
    return data


def describe_location(location: str, cache_bytes: int = 0) -> str:
    """The setting ``blocks`` for people: without user names and passwords, and without options.

    Args:
        location: the setting.
        cache_bytes: size of the cache in front of it; 0 for none.
    """
    if location == "disk":
        return "on disk"
    if location.startswith("memory:"):
        return IN_MEMORY
    cached = f", cached on disk ({cache_bytes} bytes)" if cache_bytes else ""
    return f"at {without_credentials(location)}{cached}"


def without_credentials(text: str) -> str:
    """A text without the user names, passwords and options of the URLs in it."""
    return CREDENTIALS.sub("", text)


_factories: dict[str, Factory] = {}


def register_kv_store(scheme: str, factory: Factory) -> None:
    """Let the setting ``blocks`` name a store of the application: ``<scheme>:...`` is given to the factory as it is.

    Every process that opens the data directory needs it: register where the agents are made, so that ``statek run`` and
    ``statek serve`` do it too.

    Args:
        scheme: lower case; goes before a scheme of fsspec.
        factory: opens the store of a URL.

    Raises:
        InvalidRequest: no possible scheme, or one of ours.
    """
    if not _SCHEME.fullmatch(scheme) or scheme in _OWN_SCHEMES:
        raise InvalidRequest(f"{scheme!r} cannot be the scheme of a KVStore")
    _factories[scheme] = factory


def find_kv_store(scheme: str) -> Factory | None:
    """What was registered for a scheme."""
    return _factories.get(scheme)
