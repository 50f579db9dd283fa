from __future__ import annotations

import resource

from sandbox_runner.lockdown.limits import ExecutorLimits, Rlimit, rlimits_for

ALWAYS = [
    Rlimit(resource.RLIMIT_CORE, 0, 0),
    Rlimit(resource.RLIMIT_MSGQUEUE, 0, 0),
    Rlimit(resource.RLIMIT_MEMLOCK, 0, 0),
    Rlimit(resource.RLIMIT_RTPRIO, 0, 0),
]


def test_zero_means_no_limit() -> None:
    assert rlimits_for(ExecutorLimits(), address_space=True, threads=True) == ALWAYS


def test_cgroup_drivers_leave_memory_and_threads_to_the_cgroup() -> None:
    limits = ExecutorLimits(memory_bytes=5, cpu_seconds=7, open_files=8, file_bytes=9, threads=10)

    assert rlimits_for(limits, address_space=False, threads=False) == [
        *ALWAYS,
        Rlimit(resource.RLIMIT_NOFILE, 8, 8),
        Rlimit(resource.RLIMIT_FSIZE, 9, 9),
        Rlimit(resource.RLIMIT_CPU, 7, 8),
    ]


def test_drivers_without_a_cgroup_use_rlimits() -> None:
    assert rlimits_for(ExecutorLimits(memory_bytes=5, threads=10), address_space=True, threads=True) == [
        *ALWAYS,
        Rlimit(resource.RLIMIT_AS, 5, 5),
        Rlimit(resource.RLIMIT_NPROC, 10, 10),
    ]
