"""Durable objects as they were: read-only, from the states that dbzero keeps of every flush."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dbzero

from statek.exceptions import NotFound

__all__ = ["PastState", "past_state"]


class PastState:
    """One state of the prefix; nothing in it can be written."""

    def __init__(self, snapshot: Any) -> None:
        self._snapshot = snapshot

    def fetch(self, uuid: str) -> Any:
        """The object of that name as it was.

        Raises:
            NotFound: there was none.
        """
        try:
            return self._snapshot.fetch(uuid)
        except (RuntimeError, dbzero.ReferenceError) as error:
            raise NotFound(f"there was no durable object {uuid!r} then") from error


@contextmanager
def past_state(number: int) -> Iterator[PastState]:
    """Open a state by its number (``state_number`` gave it); what was read from it ends with the block.

    Preconditions:
        on the store thread.

    Raises:
        NotFound: the prefix has no such state.
    """
    try:
        snapshot = dbzero.snapshot(number)
    except RuntimeError as error:
        raise NotFound(f"the store has no state {number}") from error
    try:
        yield PastState(snapshot)
    finally:
        snapshot.close()
