"""What an installation without the extra ``service`` says when the service is asked of it."""

from __future__ import annotations

from statek.exceptions import ConfigurationError

__all__ = ["SERVICE_MODULES", "without_service"]

SERVICE_MODULES = frozenset({"RestrictedPython", "blake3", "cloudpickle", "dbzero", "docker", "litellm", "xxhash"})
"""What the packages of the extra ``service`` are imported as."""


def without_service(error: Exception) -> ConfigurationError | None:
    """The error to show for a missing package of the service; None for any other error."""
    if not isinstance(error, ModuleNotFoundError) or error.name not in SERVICE_MODULES:
        return None
    return ConfigurationError(
        f"this needs the service, and only the client is installed ({error.name} is missing): "
        "pip install 'statek-sandbox[service]'"
    )
