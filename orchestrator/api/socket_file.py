"""The API's Unix socket in the file system: where it may be, who answers there, how it gets its mode.

Creating the socket under its own name and changing the mode afterwards would leave a moment in which
anybody may connect; a umask is shared by all threads. So it is made in a private folder, gets its mode
there, and is then renamed into place, which also replaces a dead one in a single operation.
"""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import quote

from statek.exceptions import ConfigurationError
from statek.settings import StatekSettings

__all__ = ["MAX_PATH_BYTES", "STAGING_BYTES", "api_socket", "check_path", "grpc_address", "is_answering"]

MAX_PATH_BYTES = 107
"""sockaddr_un holds 108 bytes with the closing NUL (man 7 unix)."""

STAGING_BYTES = len("/.api-xxxxxxxx")
"""What the private folder adds to the path while the socket is made."""

_CONNECT_SECONDS = 1.0


def api_socket(settings: StatekSettings) -> Path:
    """Where the service of these settings listens."""
    return settings.api_socket_path or settings.data_dir / "api.sock"


def check_path(path: Path) -> None:
    """Refuse a path that no socket can have.

    Raises:
        ConfigurationError: it is too long.
    """
    size = len(bytes(path)) + STAGING_BYTES
    if size > MAX_PATH_BYTES:
        allowed = MAX_PATH_BYTES - STAGING_BYTES
        raise ConfigurationError(
            f"the path of the API socket has {len(bytes(path))} bytes, at most {allowed} are possible: {path}; "
            "use a shorter data directory"
        )


def grpc_address(path: Path) -> str:
    """The address of a socket as gRPC takes it (a URI, so some characters need quoting)."""
    return f"unix:{quote(str(path.absolute()))}"


def is_answering(path: Path) -> bool:
    """Whether somebody listens there; blocking, at most a second."""
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    probe.settimeout(_CONNECT_SECONDS)
    try:
        probe.connect(str(path))
    except (OSError, ValueError):
        return False
    finally:
        probe.close()
    return True
