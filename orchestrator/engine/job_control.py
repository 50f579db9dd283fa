"""``statek.job_control.JobControl`` over the records of a job."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from orchestrator.store.store import Store
from statek.difficulty import TaskDifficulty
from statek.job_definition import JobDefinition
from statek.records import JobRecord

__all__ = ["EngineJobControl", "current_difficulty"]

T = TypeVar("T")


def current_difficulty(record: JobRecord, definition: JobDefinition) -> TaskDifficulty:
    """The difficulty in force: that the job was raised to, else the one it started with (store thread)."""
    return TaskDifficulty(record.difficulty) if record.difficulty else definition.difficulty


class EngineJobControl:
    """What the tools of one step may do with their job.

    Args:
        record: the job (store thread only).
        definition: of the job.
        store: the store.
    """

    def __init__(self, record: JobRecord, *, definition: JobDefinition, store: Store) -> None:
        self._record = record
        self._definition = definition
        self._store = store

    def _on_store(self, change: Callable[[], T]) -> T:
        """Run on the store thread: in the atomic block that is open there, or in one of its own."""
        return self._store.write_sync(change)

    def difficulty(self) -> TaskDifficulty:
        """The difficulty in force."""
        return self._on_store(lambda: current_difficulty(self._record, self._definition))

    def raise_difficulty(self, to: TaskDifficulty | None = None) -> TaskDifficulty:
        """Raise the difficulty for the next request; never lowers it.

        Raises:
            RuntimeError: one level more was asked for, and it is the highest already.
        """

        def change() -> TaskDifficulty:
            now = current_difficulty(self._record, self._definition)
            wanted = now.next_level() if to is None else to
            if wanted is None:
                # Text of the behaviour reference, section 25.
                raise RuntimeError(f"Job is already at {now.name.lower()} difficulty: {now.name.lower()}")
            if wanted.level <= now.level:
                return now
            self._record.difficulty = wanted.value
            return wanted

        return self._on_store(change)
