"""What the commits of a job, and the whole store, may take: the settings ``history_bytes`` and ``store_bytes``.

A commit that would go over is refused before anything of it is written; what is kept stays readable. The job waits with
the error as its reason, as it does while a disk is full, and its step is run again, answered from its journal, when a
compaction has made room. Ends, failures, cancellations, rollbacks and what a compaction writes are no commits of a step
and are never refused.
"""

from __future__ import annotations

from orchestrator.engine.job_reader import job_id
from orchestrator.store.store import Store
from statek.exceptions import HistoryFull
from statek.settings import StatekSettings

__all__ = ["HistoryRoom"]


class HistoryRoom:
    """How much may still be kept; asks nothing that takes time.

    Args:
        settings: None for no limits.
        store: whose bytes count; None together with ``settings``.
    """

    def __init__(self, settings: StatekSettings | None = None, store: Store | None = None) -> None:
        self._job_bytes = settings.history_bytes if settings is not None else None
        self._store_bytes = settings.store_bytes if settings is not None else None
        self._store = store

    async def start(self) -> None:
        """Count the blocks, once, where a limit asks for it; a store elsewhere is asked for the length of each."""
        if self._store_bytes is not None and self._store is not None:
            await self._store.blocks.measure()

    def check(self, number: int, used_bytes: int, more_bytes: int) -> None:
        """Refuse a commit that may not be kept.

        Args:
            number: of the job.
            used_bytes: what its commits take.
            more_bytes: what this one would bring.

        Raises:
            HistoryFull: naming the limit, its value, the usage and what to do.
        """
        if self._job_bytes is not None and used_bytes + more_bytes > self._job_bytes:
            advice = f"drop commits (statek compact {job_id(number)} --keep-last N), raise the limit or cancel the job"
            raise HistoryFull("history_bytes", self._job_bytes, used_bytes + more_bytes, advice)
        self.check_store(more_bytes)

    def check_store(self, more_bytes: int = 0) -> None:
        """Refuse what the store may not keep.

        Raises:
            HistoryFull: as ``check``.
        """
        if self._store_bytes is None or self._store is None:
            return
        used = self._store.prefix_bytes() + self._store.blocks.measured_bytes + more_bytes
        if used > self._store_bytes:
            advice = "drop commits (statek compact --all --keep-last N), raise the limit or cancel jobs"
            raise HistoryFull("store_bytes", self._store_bytes, used, advice)
