"""The service of this process, reached lazily.

``statek.init`` says where it is, ``statek.open_prefix`` opens its store, ``start_statek`` runs it,
``StatekClientAPI`` submits to it. This module and ``statek.runner`` are the only ones of the core that reach the
orchestrator, and only when called, so that ``import statek`` stays light and the core stays free of
sockets, containers and providers.

An application may call ``dbzero.init(folder)`` first, as the documents do: that folder becomes the data directory,
and the service opens dbzero again in its own way, which is safe as long as no prefix is open.
"""

from __future__ import annotations

import atexit
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from statek.exceptions import ConfigurationError, InvalidRequest
from statek.installation import without_service
from statek.settings import StatekSettings, get_statek_settings, set_statek_settings

if TYPE_CHECKING:
    from orchestrator.embedded import Embedded
    from orchestrator.store.store import Store

__all__ = ["close", "embedded", "init", "open_prefix"]

_lock = threading.RLock()
_embedded: Embedded | None = None


def init(data_dir: str | Path | None = None, *, settings: StatekSettings | None = None) -> Embedded:
    """Prepare the service of this process; its store is opened when it is first used.

    Args:
        data_dir: folder of the store; None takes the one given to ``dbzero.init``, else the settings' ``data_dir``.
        settings: settings in force; None loads them (statek.toml, STATEK_ environment, defaults).

    Returns:
        The service object; its ``store.commit_sync(fn)`` makes an application's durable objects.

    Raises:
        ConfigurationError: it was called before, the application has a dbzero prefix open, two folders are named, or
            only the client is installed.
    """
    global _embedded
    try:
        from orchestrator.embedded import Embedded
        from statek.job_definition import keep_definitions
    except ModuleNotFoundError as error:
        raise without_service(error) or error from error

    with _lock:
        if _embedded is not None:
            raise ConfigurationError(
                f"statek.init was called before, for {_embedded.data_dir}; statek.close() ends that first"
            )
        chosen = settings or get_statek_settings()
        folder = _application_folder(None if data_dir is None else Path(data_dir), chosen)
        if folder is not None:
            chosen = replace(chosen, data_dir=folder)
        set_statek_settings(chosen)
        made = _embedded = Embedded(chosen)
        keep_definitions(lambda: made.access)
        atexit.register(close)
        return _embedded


def _application_folder(asked: Path | None, settings: StatekSettings) -> Path | None:
    """The data directory that was asked for or given to ``dbzero.init``; None leaves it to the settings.

    Raises:
        ConfigurationError: what the application did with dbzero does not fit; says what to do.
    """
    from statek import durable

    if not durable.is_initialised():
        return asked
    root = durable.application_root()
    durable.let_go()  # here, not at the first use: nobody may open a prefix past the service in between
    if root is None:
        if asked is None:
            raise ConfigurationError(
                "dbzero.init was called before statek was imported, so its folder is not known; import statek first, "
                "or name the folder: statek.init(folder)"
            )
        return asked
    named = asked or (settings.data_dir if settings.data_dir != StatekSettings().data_dir else root)
    if named.absolute() != root:
        raise ConfigurationError(f"dbzero.init names the folder {root}, statek.init names {named}; name one of them")
    unowned = sorted(path.name for path in root.glob("*.db0"))
    if unowned:
        raise ConfigurationError(
            f"{root} holds {', '.join(unowned)}, which dbzero wrote without the service's flush guard; "
            f"move one prefix to {root / 'store'} to hand it over, or name another folder"
        )
    return root


def embedded(settings: StatekSettings | None = None) -> Embedded:
    """The service object, made with the settings at its first use.

    Args:
        settings: settings that must be in force; None takes those that are.

    Raises:
        ConfigurationError: other settings are in force already.
    """
    with _lock:
        if _embedded is None:
            return init(settings=settings)
        if settings is not None and settings != _embedded.settings:
            raise ConfigurationError("other settings are in force since statek.init; give them there")
        return _embedded


def open_prefix(name: str, mode: str = "rw") -> Store:
    """Open the store under a dbzero prefix of this name; once per process.

    Args:
        name: ``[a-z0-9_-]{1,100}``.
        mode: ``rw``; the service is the only writer and the only reader.

    Returns:
        The open store.

    Raises:
        InvalidRequest: an illegal name or mode.
        ConfigurationError: another prefix is there or open already.
        StoreError: it cannot be opened.
    """
    if mode != "rw":
        raise InvalidRequest(f"a prefix is opened 'rw', not {mode!r}: other processes read through the service")
    return embedded().open_prefix(name)


def close() -> None:
    """Flush and close the store of this process; nothing happens when none is open. Runs at exit by itself."""
    global _embedded
    with _lock:
        current, _embedded = _embedded, None
    if current is not None:
        from statek.job_definition import keep_definitions

        keep_definitions(None)
        atexit.unregister(close)
        current.close()
