"""Carrying jobs between stores, as an application sees it: what exports and imports them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

__all__ = ["ExportSource", "Imported"]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import gave.

    Attributes:
        id: of the job here.
        repeated: an earlier import of the same request id had made it.
        lost: variables of its newest commit that did not come: they reach durable objects.
    """

    id: str
    repeated: bool = False
    lost: tuple[str, ...] = ()


class ExportSource(Protocol):
    """What writes the archive of a job."""

    def export_to_sync(self, id_: str, path: Path) -> int:
        """Write it to a new file; gives its size in bytes."""
        ...
