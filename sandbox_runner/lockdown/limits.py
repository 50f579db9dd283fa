"""Resource limits of an executor, from the claim's limits."""

from __future__ import annotations

import errno
import os
import resource
from dataclasses import dataclass
from typing import NamedTuple

__all__ = [
    "ExecutorLimits",
    "Rlimit",
    "apply_rlimits",
    "close_descriptors_but",
    "prefer_as_oom_victim",
    "rlimits_for",
]

_ALSO_FILTERED = frozenset({resource.RLIMIT_MSGQUEUE, resource.RLIMIT_RTPRIO})
"""What these bound the system call filter refuses too. A kernel without such resources (gVisor's) lets nobody set
them."""


@dataclass(frozen=True, slots=True)
class ExecutorLimits:
    """The proto message Limits; zero means no limit of this kind."""

    memory_bytes: int = 0
    cpu_seconds: int = 0
    open_files: int = 0
    file_bytes: int = 0
    threads: int = 0
    output_head_bytes: int = 0
    output_tail_bytes: int = 0
    work_bytes: int = 0
    work_files: int = 0
    checkpoint_bytes: int = 0
    frame_bytes: int = 0


class Rlimit(NamedTuple):
    """One limit to set; soft is never above hard."""

    kind: int
    soft: int
    hard: int


def rlimits_for(limits: ExecutorLimits, *, address_space: bool, threads: bool) -> list[Rlimit]:
    """Decide the rlimits of an executor.

    Args:
        limits: of the claim.
        address_space: whether RLIMIT_AS stands in for a memory cgroup.
        threads: whether RLIMIT_NPROC counts only this executor.
    """
    chosen = [
        Rlimit(resource.RLIMIT_CORE, 0, 0),
        Rlimit(resource.RLIMIT_MSGQUEUE, 0, 0),
        Rlimit(resource.RLIMIT_MEMLOCK, 0, 0),
        Rlimit(resource.RLIMIT_RTPRIO, 0, 0),
    ]
    if limits.open_files:
        chosen.append(Rlimit(resource.RLIMIT_NOFILE, limits.open_files, limits.open_files))
    if limits.file_bytes:
        chosen.append(Rlimit(resource.RLIMIT_FSIZE, limits.file_bytes, limits.file_bytes))
    if limits.cpu_seconds:
        # SIGXCPU at the soft limit can be handled by the code, the SIGKILL at the hard one cannot.
        chosen.append(Rlimit(resource.RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 1))
    if limits.memory_bytes and address_space:
        chosen.append(Rlimit(resource.RLIMIT_AS, limits.memory_bytes, limits.memory_bytes))
    if limits.threads and threads:
        chosen.append(Rlimit(resource.RLIMIT_NPROC, limits.threads, limits.threads))
    return chosen


def apply_rlimits(chosen: list[Rlimit]) -> None:
    """Set the limits of this process, never above what it already has.

    Raises:
        OSError: the kernel refused.
    """
    for kind, soft, hard in chosen:
        ceiling = resource.getrlimit(kind)[1]
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        try:
            resource.setrlimit(kind, (soft, hard))
        except ValueError as error:  # what Python makes of EPERM
            if kind not in _ALSO_FILTERED:
                raise OSError(errno.EPERM, f"limit {kind} cannot be set to {hard}") from error


def prefer_as_oom_victim() -> None:
    """Make the kernel choose this process first when the memory of the runner ends."""
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:  # noqa: PTH123 - no pathlib before a fork's work
        file.write("1000")


def close_descriptors_but(kept: set[int]) -> None:
    """Close every descriptor from 3 up that is not to be kept."""
    low = 3
    for descriptor in sorted(kept):
        if descriptor >= low:
            os.closerange(low, descriptor)
            low = descriptor + 1
    os.closerange(low, max(resource.getrlimit(resource.RLIMIT_NOFILE)[0], low))
