"""Speaks to a running service from another process: ``StatekClient(socket_path)``.

Importing this module costs nothing; gRPC is loaded when ``StatekClient`` is first asked for. Neither the
store nor a model provider is needed for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.api.client import ServiceStatus, StatekClient

__all__ = ["ServiceStatus", "StatekClient"]


def __getattr__(name: str) -> Any:
    """Load the client at its first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from orchestrator.api import client

    return getattr(client, name)
