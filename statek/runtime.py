"""The service of this process, reached lazily.

``statek.init`` opens it, ``start_statek`` runs it, ``StatekClientAPI`` submits to it. This module and
``statek.runner`` are the only ones of the core that reach the orchestrator, and only when called, so
that ``import statek`` stays light and the core stays free of sockets, containers and providers.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from statek.exceptions import ConfigurationError
from statek.settings import StatekSettings, get_statek_settings, set_statek_settings

if TYPE_CHECKING:
    from orchestrator.embedded import Embedded

__all__ = ["close", "embedded", "init"]

_lock = threading.Lock()
_embedded: Embedded | None = None


def init(data_dir: str | Path | None = None, *, settings: StatekSettings | None = None) -> Embedded:
    """Open the durable store of this process.

    Args:
        data_dir: folder of the store; None takes the settings' ``data_dir``.
        settings: settings in force; None loads them (statek.toml, STATEK_ environment, defaults).

    Returns:
        The open service object; its ``store.commit_sync(fn)`` makes an application's durable objects.

    Raises:
        ConfigurationError: this process has opened one already, or dbzero was initialised by hand.
        StoreError: the store cannot be opened.
    """
    global _embedded
    from orchestrator.embedded import Embedded

    with _lock:
        if _embedded is not None:
            raise ConfigurationError(f"this process has a store open already, at {_embedded.data_dir}")
        chosen = settings or get_statek_settings()
        if data_dir is not None:
            chosen = replace(chosen, data_dir=Path(data_dir))
        set_statek_settings(chosen)
        _embedded = Embedded(chosen)
        return _embedded


def embedded() -> Embedded:
    """The open service object, opened with the settings at its first use."""
    current = _embedded
    return current if current is not None else init()


def close() -> None:
    """Flush and close the store of this process; nothing happens when none is open."""
    global _embedded
    with _lock:
        current, _embedded = _embedded, None
    if current is not None:
        current.close()
