"""Who may write to dbzero, and who may call its own commit, close and init."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dbzero

from statek.exceptions import StoreError

__all__ = ["RESERVED", "control", "gate", "replace_everywhere"]

#: Calls of dbzero that belong to the store while it is open.
RESERVED = (
    "begin_locked", "clear_cache", "close", "commit", "copy_prefix", "drop", "init", "locked", "migrate", "open",
    "refresh", "rename_field", "set_cache_size", "set_prefix", "set_restricted",
)  # fmt: skip


class _Gate:
    """Who may write: nobody (0), one thread (its id), or anybody (None, no store is open)."""

    __slots__ = ("writer",)

    def __init__(self) -> None:
        self.writer: int | None = None

    def open_for_this_thread(self) -> None:
        """Let the calling thread write, nobody else."""
        self.writer = threading.get_ident()

    def check(self) -> None:
        """Refuse a write outside an atomic block of the open store."""
        if self.writer is not None and self.writer != threading.get_ident():
            raise StoreError(
                "durable objects change only inside a write of the store: pass a function to store.write or "
                "store.commit (in a tool: ctx.store), or declare the tool effect='store'"
            )


gate = _Gate()


class _Control:
    """dbzero's own functions, for the store alone."""

    def __init__(self) -> None:
        self._originals: dict[str, Callable[..., Any]] = {}
        self.owned = False
        self.application_root: Path | None = None  # where the application itself initialised dbzero

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call dbzero's original function of that name."""
        return self._originals[name](*args, **kwargs)

    def reserve(self, name: str) -> None:
        """Put a refusing function in the place of dbzero's, wherever it was imported to."""
        original = getattr(dbzero, name)
        self._originals[name] = original

        def reserved(*args: Any, **kwargs: Any) -> Any:
            if self.owned:
                raise StoreError(
                    f"dbzero.{name} is reserved while the service has the store open; "
                    "the service flushes after each write, use store.flush to wait for it"
                )
            result = original(*args, **kwargs)
            if name == "init":
                self.application_root = Path(args[0] if args else kwargs["dbzero_root"]).absolute()
            elif name == "close" and not args and not kwargs:
                self.application_root = None
            return result

        reserved.__name__ = reserved.__qualname__ = name
        reserved.__doc__ = original.__doc__
        replace_everywhere(original, reserved)


control = _Control()


def replace_everywhere(original: object, replacement: object) -> None:
    """Swap an object for another under every name that a loaded module has for it."""
    for module in list(sys.modules.values()):
        namespace = getattr(module, "__dict__", None)
        if not isinstance(namespace, dict):
            continue
        for name, value in list(namespace.items()):
            if value is original:
                namespace[name] = replacement
