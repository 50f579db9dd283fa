"""How often the kernel has killed for memory in this runner's cgroup."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

__all__ = ["OomCounter"]

_ROOT = Path("/sys/fs/cgroup")


def _candidates() -> Iterator[Path]:
    # With a cgroup namespace (or a container's mount) the own group is the root of what is mounted.
    v1, v2 = "", ""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if number == "0" and not controllers:
            v2 = path
        elif "memory" in controllers.split(","):
            v1 = path
    for path in dict.fromkeys((v2, "")):
        yield Path(f"{_ROOT}{path}") / "memory.events"
    for path in dict.fromkeys((v1, "")):
        yield Path(f"{_ROOT}/memory{path}") / "memory.oom_control"


class OomCounter:
    """Reads ``oom_kill`` of the own memory cgroup (v2 memory.events, v1 memory.oom_control).

    ``readable`` is False where neither can be read; then only the signal tells.
    """

    def __init__(self) -> None:
        self._file: Path | None = None
        for candidate in _candidates():
            self._file = candidate
            if self._read() is not None:
                break
            self._file = None
        self._baseline = self._read()

    @property
    def readable(self) -> bool:
        """Whether the counter tells anything here."""
        return self._baseline is not None

    def has_grown(self) -> bool:
        """Whether the kernel killed for memory since this object was made."""
        now = self._read()
        return now is not None and self._baseline is not None and now > self._baseline

    def _read(self) -> int | None:
        if self._file is None:
            return None
        try:
            text = self._file.read_text(encoding="ascii", errors="replace")
        except OSError:
            return None
        for line in text.splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill" and value.isdigit():
                return int(value)
        return None
