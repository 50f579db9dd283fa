"""Where the blocks of a store are: the setting ``blocks`` read, opened, and held to.

The records name blocks, so a data directory keeps to one place: it is noted beside the records when a store is first
opened, and another one is refused, except after ``memory:``, which left nothing.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.store.block_calls import Blocks
from orchestrator.store.blocks import BlockStore
from orchestrator.store.files import write_durably
from orchestrator.store.kv import CachedKV, FsspecKV, KVBlocks, MemoryKV, SqliteKV
from statek.exceptions import ConfigurationError, StatekError
from statek.kv_store import IN_MEMORY, KVStore, describe_location, find_kv_store, without_credentials

__all__ = ["BESIDE_THE_RECORDS", "BlockLocation"]

_log = logging.getLogger("statek.store")

_DISK = "disk"
_MEMORY = "memory"
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_NOTE = "blocks-location"
_CACHE = "blocks-cache.sqlite"


def _noted(folder: Path) -> str:
    """The place that a data directory was used with; empty where none is noted."""
    note = folder / _NOTE
    return note.read_text(encoding="utf-8", errors="replace") if note.exists() else ""


@dataclass(frozen=True, slots=True)
class BlockLocation:
    """What the settings say of blocks.

    Attributes:
        location: ``disk``, ``memory:``, ``sqlite:<path>``, or a URL of a registered scheme or of fsspec.
        cache_bytes: size of a cache on disk in front of another place; 0 for none.
    """

    location: str = _DISK
    cache_bytes: int = 0

    @property
    def description(self) -> str:
        """For people."""
        return describe_location(self.location, self.cache_bytes)

    @property
    def is_beside(self) -> bool:
        """Whether blocks are in one file beside the records."""
        return self.location == _DISK

    @property
    def is_volatile(self) -> bool:
        """Whether blocks are gone when the process ends."""
        return self.location.startswith(f"{_MEMORY}:")

    def open(self, folder: Path, store_id: str) -> Blocks:
        """Open the block store of one data directory; blocking.

        Args:
            folder: of the store's own files.
            store_id: of the data directory.

        Raises:
            ConfigurationError: the data directory keeps its blocks elsewhere, the blocks are another one's, or there is
                no such place.
            StoreError: it cannot be opened.
        """
        self._check(folder)
        blocks = self._opened(folder, store_id)
        place = describe_location(self.location)
        if _noted(folder) != place:  # written once, and whole: a cut note would look like another place
            write_durably(folder / _NOTE, place.encode())
        return blocks

    def _opened(self, folder: Path, store_id: str) -> Blocks:
        """The block store, whatever was there before."""
        if self.is_beside:
            if self.cache_bytes:
                raise ConfigurationError("blocks on disk need no cache; leave the setting blocks_cache_bytes out")
            return BlockStore.open(folder / "blocks.sqlite")
        if self.is_volatile:
            _log.warning("blocks are kept %s: larger variables and files survive nothing", IN_MEMORY)
            return KVBlocks(MemoryKV(), IN_MEMORY, is_volatile=True)
        try:
            kv = self._cached(self._kv(), folder)
        except StatekError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {without_credentials(str(error))[:300]}"
            raise ConfigurationError(f"the block store {self.description} cannot be opened: {reason}") from error
        blocks = KVBlocks(kv, self.description)
        try:
            blocks.claim(store_id)
        except BaseException:
            blocks.close()
            raise
        return blocks

    def _cached(self, kv: KVStore, folder: Path) -> KVStore:
        """The store of values with the cache in front of it, if there is to be one; closed where that fails."""
        if not self.cache_bytes:
            return kv
        try:
            return CachedKV(kv, folder / _CACHE, self.cache_bytes)
        except BaseException:
            kv.close()
            raise

    def _kv(self) -> KVStore:
        """The store of values."""
        match = _SCHEME.match(self.location)
        if match is None:
            shown = self.location.rpartition("@")[2]  # without a scheme nobody knows where a password begins
            raise ConfigurationError(f"{shown!r} is no place for blocks: disk, memory:, sqlite:PATH or a URL")
        scheme = match[1].lower()
        registered: Callable[[str], KVStore] | None = find_kv_store(scheme)
        if registered is not None:
            return registered(self.location)
        if scheme == "sqlite":
            return SqliteKV(self.location[match.end() :])
        return FsspecKV(self.location)

    def _check(self, folder: Path) -> None:
        """Refuse another place than the one that was noted."""
        place = describe_location(self.location)
        before = without_credentials(_noted(folder))
        if not before and (folder / "blocks.sqlite").exists():
            before = describe_location(_DISK)
        if before and before not in {place, IN_MEMORY}:
            raise ConfigurationError(
                f"this data directory keeps its blocks {before}, the setting blocks says {place}; "
                "jobs would miss what they keep there"
            )


BESIDE_THE_RECORDS = BlockLocation()
"""The default."""
