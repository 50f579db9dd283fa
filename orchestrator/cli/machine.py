"""What ``statek doctor`` measures of this machine."""

from __future__ import annotations

import ctypes
import os
import platform
import statistics
import tempfile
import time
from importlib import metadata
from pathlib import Path

__all__ = ["cgroup_version", "fsync_milliseconds", "landlock_abi", "nearest_folder", "versions"]

_SYS_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_CREATE_RULESET_VERSION = 1
"""Asks for the version instead of making a ruleset (linux/landlock.h)."""

_FSYNCS = 20


def versions() -> dict[str, str]:
    """Versions of what a job's life depends on; ``missing`` where a distribution is not installed."""
    found = {"kernel": platform.release(), "python": platform.python_version()}
    for name in ("statek-sandbox", "dbzero", "grpcio", "docker", "litellm"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def landlock_abi() -> int:
    """The landlock version of the kernel; 0 where it has none or does not enable it."""
    libc = ctypes.CDLL(None, use_errno=True)
    found = libc.syscall(
        ctypes.c_long(_SYS_LANDLOCK_CREATE_RULESET),
        None,
        ctypes.c_size_t(0),
        ctypes.c_uint32(_LANDLOCK_CREATE_RULESET_VERSION),
    )
    return max(0, int(found))


def cgroup_version(root: Path = Path("/sys/fs/cgroup")) -> str:
    """``v2``, ``v1``, ``v1 with v2 beside it`` or ``none``."""
    if (root / "cgroup.controllers").exists():
        return "v2"
    if not (root / "memory").is_dir() and not (root / "pids").is_dir():
        return "none"
    return "v1 with v2 beside it" if (root / "unified" / "cgroup.procs").exists() else "v1"


def nearest_folder(path: Path) -> Path:
    """The path, or its nearest parent that exists."""
    for candidate in (path.absolute(), *path.absolute().parents):
        if candidate.is_dir():
            return candidate
    return Path("/")


def fsync_milliseconds(folder: Path) -> float:
    """Median time of an fsync after a small append, in milliseconds.

    Raises:
        OSError: the folder cannot be written.
    """
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_FSYNCS):
            file.write(b"x" * 512)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000
