"""What a pool of runners tells of itself."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PoolStatistics"]


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """What the pool does now and has done.

    Attributes:
        warm: runners that wait.
        starting: runners on their way.
        claimed: runners that serve a job.
        destroying: runners on their way out.
        waiting: claims that wait for a runner.
        started: runners that came up, since the pool's start.
        failed: starts that failed, and warm runners that were lost.
        replaced: claims that had to take another runner because one did not answer.
        orphans: runners ended that nobody owned.
    """

    warm: int
    starting: int
    claimed: int
    destroying: int
    waiting: int
    started: int
    failed: int
    replaced: int
    orphans: int
