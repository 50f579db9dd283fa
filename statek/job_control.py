"""What a tool may do with the job that it serves (``ToolContext.job``).

A Protocol, because the core knows no engine; ``orchestrator.engine.job_control`` implements it. Every
method may be called on any thread, the store thread of a store-effect tool included: there it joins the call's atomic
block, elsewhere it is a block of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from statek.difficulty import TaskDifficulty

__all__ = ["JobControl"]


class JobControl(Protocol):
    """One job, as its own tools see it."""

    def difficulty(self) -> TaskDifficulty:
        """The difficulty in force."""
        ...

    def raise_difficulty(self, to: TaskDifficulty | None = None) -> TaskDifficulty:
        """Raise the difficulty for the next request; it is never lowered.

        Args:
            to: at least this; None for one level more.

        Returns:
            The difficulty in force from now on.

        Raises:
            RuntimeError: one level more was asked for, and it is the highest already.
        """
        ...
