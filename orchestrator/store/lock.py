"""One orchestrator per store: the lock, the store's identity and its incarnation number."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from orchestrator.store.files import write_durably
from statek.exceptions import StoreDamaged, StoreLocked, StoreVersionError

__all__ = ["Identity", "StoreLock"]

FORMAT = 1
"""Form of the store's files as a whole. A later version that lays them out in another way writes a higher number."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this store is and which start this is.

    Attributes:
        store_id: 32 hex digits, the same for the life of the store.
        incarnation: 1 at the first start, higher at each one after.
    """

    store_id: str
    incarnation: int


class StoreLock:
    """A lock on the file ``lock`` in the store's own folder; the kernel frees it however the process ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None

    def acquire(self) -> Identity:
        """Take the lock and start a new incarnation, durably.

        Raises:
            StoreLocked: another process has it; the message names its pid.
            StoreDamaged: the identity file is not readable.
            StoreVersionError: a later version of the service laid the store's files out.
        """
        path = self._folder / "lock"
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # flock, not lockf: it also excludes a second opener in this process.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(file, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(file)
            raise StoreLocked(f"the store {self._folder.parent} is in use by process {holder}") from None
        try:
            os.ftruncate(file, 0)
            os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
            identity = self._next_incarnation()
        except BaseException:
            os.close(file)
            raise
        self._file = file
        return identity

    def _next_incarnation(self) -> Identity:
        path = self._folder / "store.json"
        known: dict[str, object] = {}
        try:
            known = json.loads(path.read_bytes())
            form = int(str(known.get("format", FORMAT)))
            identity = Identity(str(known["store_id"]), int(str(known["incarnation"])) + 1)
        except FileNotFoundError:
            form, identity = FORMAT, Identity(secrets.token_hex(16), 1)
        except (ValueError, KeyError, TypeError) as error:
            raise StoreDamaged(f"{path} is not readable ({error}); restore it from a backup") from error
        if form > FORMAT:
            raise StoreVersionError(
                f"the store {self._folder.parent} has form {form}, this version of the service knows forms up to "
                f"{FORMAT}; use the later version that wrote it"
            )
        content = {**known, "format": FORMAT, "store_id": identity.store_id, "incarnation": identity.incarnation}
        write_durably(path, json.dumps(content).encode())
        return identity

    def release(self) -> None:
        """Let the next one in."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
