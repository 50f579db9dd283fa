"""What a result was measured on: machine, commit, disk."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.measurement import median

__all__ = ["MachineFacts", "fsync_median_ms", "survey"]

_ROOT = Path(__file__).resolve().parents[1]
_FSYNC_BYTES = 16 << 10
_FSYNC_TIMES = 100


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """Everything that a reader needs to judge the numbers.

    Attributes:
        cpu: model name.
        cores: processors that this process may use.
        kernel: release.
        memory_gib: size of the machine's memory.
        python: version.
        commit: id of the commit, with ``+changes`` where the tree differs from it.
        fsync_ms: median time of a 16 KB write with fsync on the disk that holds the store.
        load: one-minute load average before the run.
    """

    cpu: str
    cores: int
    kernel: str
    memory_gib: float
    python: str
    commit: str
    fsync_ms: float
    load: float

    def lines(self) -> list[str]:
        """The facts as comment lines."""
        return [
            f"# machine: {self.cpu}, {self.cores} cores, {self.memory_gib:.1f} GiB",
            f"# system: Linux {self.kernel}, Python {self.python}, load {self.load:.2f}",
            f"# commit: {self.commit}",
            f"# disk: fsync median {self.fsync_ms:.3f} ms (16 KB)",
        ]

    def as_json(self) -> dict[str, object]:
        """The facts for a result file."""
        return asdict(self)


def survey(folder: Path) -> MachineFacts:
    """Look at the machine; ``folder`` is where the stores will be."""
    return MachineFacts(
        cpu=_field(Path("/proc/cpuinfo"), "model name") or platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        kernel=platform.release(),
        memory_gib=int((_field(Path("/proc/meminfo"), "MemTotal") or "0 kB").split()[0]) / (1 << 20),
        python=platform.python_version(),
        commit=_commit(),
        fsync_ms=fsync_median_ms(folder),
        load=os.getloadavg()[0],
    )


def fsync_median_ms(folder: Path) -> float:
    """Median milliseconds of a small write with fsync in this folder."""
    path = folder / "fsync-probe"
    data = os.urandom(_FSYNC_BYTES)
    times = []
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        for _ in range(_FSYNC_TIMES):
            begun = time.perf_counter()
            os.write(file, data)
            os.fsync(file)
            times.append((time.perf_counter() - begun) * 1000)
    finally:
        os.close(file)
        path.unlink()
    return median(times)


def _field(path: Path, name: str) -> str:
    """The value of ``name: value`` in a file of /proc; empty where it has none."""
    for line in path.read_text().splitlines():
        key, colon, value = line.partition(":")
        if colon and key.strip() == name:
            return value.strip()
    return ""


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(_ROOT), *arguments], check=False, capture_output=True, text=True)
        return done.stdout.strip()

    head = git("rev-parse", "--short=12", "HEAD")
    if not head:
        return "unknown"
    return f"{head}+changes" if git("status", "--porcelain", "--untracked-files=no") else head
