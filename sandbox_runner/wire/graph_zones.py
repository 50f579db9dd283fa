"""Time zones by name, as bytes of the other side give them."""

from __future__ import annotations

import re
from functools import lru_cache
from zoneinfo import ZoneInfo

from sandbox_runner.wire.graph_format import GraphError

__all__ = ["zone_of_key"]

_ZONE_KEY = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){0,3}\Z")


# Holds every zone there is: with fewer places, bytes naming them in turn would have their files read again and again.
@lru_cache(maxsize=1024)
def zone_of_key(key: str) -> ZoneInfo:
    """The zone of a name.

    Raises:
        GraphError: it is no plain name.
        OSError: there is no such zone, or it does not read.
    """
    # The key ends in a file path and in the name of a tzdata package: only plain names pass.
    if len(key) > 64 or not _ZONE_KEY.match(key):
        raise GraphError(f"malformed zone name {key[:64]!r}")
    return ZoneInfo(key)
