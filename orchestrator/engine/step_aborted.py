"""What ends a running step from the host's side, without an answer to its call."""

from __future__ import annotations

__all__ = ["StepAborted", "StepSuspended"]


class StepAborted(Exception):
    """Ends the running step without an answer to its call; the runner is destroyed."""


class StepSuspended(StepAborted):
    """The step needs futures that take longer than its sandbox is held; it is durably put down.

    Attributes:
        what: what it waits for, for people.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what
