"""What the end of a step is written from: its commit and its outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.engine.handled_calls import HandledCalls
from orchestrator.engine.manifest import BlockPlace
from orchestrator.sandboxes.step import Workspace
from statek.events import StateChange

__all__ = ["NewCommit", "StepOutcome"]


@dataclass(frozen=True, slots=True)
class NewCommit:
    """A commit about to be written.

    Attributes:
        workspace: what it keeps.
        places: where blocks that earlier commits brought are.
        new_blocks: data by digest of the blocks that this step brought.
        inline: whether the new blocks travel in the commit (else they are in the block store already).
        changed: names of variables and files that differ from the parent.
        held: ids of the handles that variables reach.
        image_digest: of the runner.
        usage: JSON-able sandbox usage.
        manifest: as it will be written, where it was made beforehand; only of blocks that are not inline.
        changes: the first of ``changed`` with their previews, for the event that tells of it.
    """

    workspace: Workspace
    places: dict[str, BlockPlace]
    new_blocks: dict[str, bytes]
    inline: bool
    changed: list[str]
    held: tuple[int, ...] = ()
    image_digest: str = ""
    usage: dict[str, Any] = field(default_factory=dict)
    manifest: bytes = b""
    changes: Sequence[StateChange] = ()

    @property
    def stored_blocks(self) -> dict[str, bytes]:
        """The new blocks that do not travel in the commit."""
        return {} if self.inline else self.new_blocks

    def places_at(self, seq: int) -> dict[str, BlockPlace]:
        """Where every block of the workspace is once this is commit ``seq``."""
        brought = (
            (digest, BlockPlace(seq, index) if self.inline else BlockPlace(-1, 0))
            for index, digest in enumerate(self.new_blocks)
        )
        return {**self.places, **dict(brought)}


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """How a step ended, for its chat item.

    Attributes:
        state: ``committed`` or ``died``.
        outcome: ``ok`` | ``error`` | ``exit`` | ``died``.
        error_type, error_message: of the exception, or of the death.
        console: ``[kind, text]`` elements.
        journal: last piece of the journal, empty for none.
        exit_status: graph form, None unless exit was called.
        counts_as_exception: whether the harness counts it.
        cpu_seconds: CPU time inside the sandbox.
        tier, image_digest: of the runner.
        usage: JSON-able sandbox usage.
        handled: its calls whose tools have an error handler.
    """

    state: str
    outcome: str
    error_type: str = ""
    error_message: str = ""
    console: Sequence[tuple[str, str]] = ()
    journal: bytes = b""
    exit_status: bytes | None = None
    counts_as_exception: bool = False
    cpu_seconds: float = 0.0
    tier: str = ""
    image_digest: str = ""
    usage: dict[str, Any] = field(default_factory=dict)
    handled: HandledCalls = field(default_factory=HandledCalls)
