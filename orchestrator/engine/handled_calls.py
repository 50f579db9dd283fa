"""What the end of a step means for the error handlers of its job.

The handler of a call that gave a future counts from when code first reads the value: before that there is nothing that
could be undone with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from orchestrator.engine.future_store import FutureStore
from statek.error_handlers import ErrorHandler
from statek.exceptions import NotFound

__all__ = ["HandledCalls"]


@dataclass(frozen=True, slots=True)
class HandledCalls:
    """What a step's end means for the error handlers of its job.

    Attributes:
        made: number, tool and future (0 for none) of its calls that succeeded and have a handler.
        read: mode and numbers of the futures that were waited for; an empty mode for a wait too long to be kept.
    """

    made: Sequence[tuple[int, str, int]] = ()
    read: Sequence[tuple[str, Sequence[int]]] = ()

    def woken(self, handlers: Sequence[ErrorHandler], futures: FutureStore) -> list[ErrorHandler]:
        """The handlers, those kept from now on whose futures were read (store thread)."""
        waiting = {handler.future for handler in handlers if handler.state == "waiting"}
        taken: set[int] = set()
        for mode, numbers in self.read if waiting else ():
            with suppress(NotFound):
                # Of a wait that was too long to be kept, every value that is there counts as read.
                taken |= futures.taken(mode, numbers) if mode else futures.taken("all", sorted(waiting))
        return [
            replace(handler, state="kept") if handler.state == "waiting" and handler.future in taken else handler
            for handler in handlers
        ]
