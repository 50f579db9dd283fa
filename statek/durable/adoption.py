"""What to do with a dbzero that the application initialised before the service came.

Nothing is lost by starting over as long as no prefix is open: dbzero then holds a folder name and
nothing else. With a prefix open the application may hold objects that closing would make useless, and
writes that no guard has seen, so that is refused.
"""

from __future__ import annotations

from pathlib import Path

import dbzero

from statek.durable.gate import control
from statek.exceptions import ConfigurationError

__all__ = ["application_root", "is_initialised", "let_go"]


def is_initialised() -> bool:
    """Whether dbzero is initialised in this process, by whomever."""
    try:
        dbzero.get_config()
    except RuntimeError:
        return False
    return True


def application_root() -> Path | None:
    """The folder that the application gave to ``dbzero.init``; None when that call was not seen."""
    return control.application_root


def let_go() -> None:
    """Close the application's dbzero, if it has one, so that the service can open its own.

    Raises:
        ConfigurationError: a prefix is open in it.
    """
    if control.owned or not is_initialised():
        return
    name = _open_prefix()
    if name is not None:
        raise ConfigurationError(
            f"dbzero has the prefix {name} open already, and the service cannot take over objects in use; "
            "open it with statek.open_prefix instead of dbzero.open, or call dbzero.close() first"
        )
    control.call("close")
    control.application_root = None


def _open_prefix() -> str | None:
    """A prefix that is open, for reading or writing; None where there is none."""
    for prefix in dbzero.get_mutable_prefixes():
        return str(prefix.name)
    try:
        return str(dbzero.get_current_prefix().name)
    except RuntimeError:
        return None
