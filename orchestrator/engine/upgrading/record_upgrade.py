"""What an upgrade of the records is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.store.store import Store

__all__ = ["Progress", "RecordUpgrade"]

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RecordUpgrade:
    """Takes the records of a store to another form.

    Attributes:
        form: number of the form that it leads to.
        reason: what is kept in another way, and why, in a few words for people.
        apply: does it, in as many flushes as it likes: it works on a copy that takes the store's place when all is
            done. It notes the form in the root.
    """

    form: int
    reason: str
    apply: Callable[[Store, Progress], None]
