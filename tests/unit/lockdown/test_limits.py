from __future__ import annotations

import resource

import pytest

from sandbox_runner.lockdown.limits import ExecutorLimits, Rlimit, apply_rlimits, rlimits_for

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


@pytest.mark.parametrize("kind", [resource.RLIMIT_MSGQUEUE, resource.RLIMIT_RTPRIO])
def test_a_kernel_may_refuse_only_what_the_filter_refuses_too(monkeypatch: pytest.MonkeyPatch, kind: int) -> None:
    """Each limit of an executor but these two has to be set, or it does not start."""
    limits = ExecutorLimits(memory_bytes=5, cpu_seconds=7, open_files=8, file_bytes=9, threads=10)
    chosen = rlimits_for(limits, address_space=True, threads=True)
    refused = kind
    applied: list[int] = []

    def setrlimit(which: int, _: tuple[int, int]) -> None:
        if which == refused:
            raise ValueError("not allowed to raise maximum limit")
        applied.append(which)

    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", setrlimit)
    apply_rlimits(chosen)
    assert applied == [limit.kind for limit in chosen if limit.kind != kind]
    for refused in {limit.kind for limit in chosen} - {resource.RLIMIT_MSGQUEUE, resource.RLIMIT_RTPRIO}:
        with pytest.raises(PermissionError, match=f"limit {refused} cannot be set"):
            apply_rlimits(chosen)
