"""What ends a running step from the host's side, without an answer to its call."""

from __future__ import annotations

from orchestrator.engine.journal import RecordedCall

__all__ = ["CallInDoubt", "Diverged", "StepAborted", "StepSuspended"]


class StepAborted(Exception):
    """Ends the running step without an answer to its call; the runner is destroyed."""


class CallInDoubt(StepAborted):
    """Whether the recorded call took effect is not known, and its tool cannot tell.

    Attributes:
        call: the recorded intent.
    """

    def __init__(self, call: RecordedCall) -> None:
        super().__init__(f"{call.key.name}, call {call.number}, key {call.idempotency_key}")
        self.call = call


class Diverged(StepAborted):
    """The re-run asked for a new effect while a recorded one was not asked for."""


class StepSuspended(StepAborted):
    """The step needs futures that take longer than its sandbox is held; it is durably put down.

    Attributes:
        what: what it waits for, for people.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what
