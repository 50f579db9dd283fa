"""Resource groups of the kernel, both generations, by direct reads and writes.

Used where no engine does it for us: to limit a bubblewrap runner where the host lets us, and to read
what any runner uses without asking an engine (a read takes microseconds, the engine's answer a second).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from orchestrator.sandboxes.driver import RunnerLimits, RunnerStats

__all__ = [
    "CGROUP_ROOT",
    "ResourceGroup",
    "bounds",
    "folders_of",
    "group_root",
    "processes_of",
    "read_usage",
    "remove_empty",
]

CGROUP_ROOT = Path("/sys/fs/cgroup")

_CONTROLLERS = ("memory", "pids", "cpu")
_BOUNDED = {"memory": "memory", "pids": "processes", "cpu": "CPU"}
_PERIOD_US = 10_000


def group_root(root: Path = CGROUP_ROOT) -> dict[str, Path]:
    """The folders in which this process may make groups, by controller; empty where it may not.

    On the unified hierarchy that is the process's own group (as far as it is delegated), on the old
    one the root of each controller.
    """
    found: dict[str, Path] = {}
    if (root / "cgroup.controllers").is_file():
        own = root / _own_unified_group().lstrip("/")
        # A group with processes cannot hand controllers down; its parent can, where that is ours too.
        for base in (own, own.parent):
            enabled = _words(base / "cgroup.subtree_control")
            if os.access(base, os.W_OK) and "memory" in enabled:
                return {controller: base for controller in _CONTROLLERS if controller in enabled}
        if os.access(root / "cgroup.subtree_control", os.W_OK):
            available = _words(root / "cgroup.controllers")
            return {controller: root for controller in _CONTROLLERS if controller in available}
        return found
    for controller in _CONTROLLERS:
        folder = root / controller
        if folder.is_dir() and os.access(folder, os.W_OK):
            found[controller] = folder
    return found


def bounds(root: Path = CGROUP_ROOT) -> tuple[str, tuple[str, ...]]:
    """What bounds a runner that gets a group here, in words, and the controllers that do not.

    Args:
        root: where the hierarchies are mounted.
    """
    groups = group_root(root)
    if "memory" not in groups:
        return "memory bounded per process by rlimit only, CPU not at all", _CONTROLLERS
    lacking = tuple(controller for controller in _CONTROLLERS if controller not in groups)
    bounded = [_BOUNDED[controller] for controller in _CONTROLLERS if controller in groups]
    text = f"{', '.join(bounded[:-1])}{' and ' if bounded[1:] else ''}{bounded[-1]} bounded by cgroup"
    if lacking:
        without = " and ".join(_BOUNDED[controller] for controller in lacking)
        text += f", {without} NOT: this user has no cgroup controller {' or '.join(lacking)}"
    return text, lacking


@dataclass(frozen=True, slots=True)
class ResourceGroup:
    """The group of one runner, in every hierarchy that there is.

    Attributes:
        paths: folder by controller; on the unified hierarchy all the same.
        unified: which generation.
    """

    paths: dict[str, Path]
    unified: bool

    @classmethod
    def create(cls, name: str, limits: RunnerLimits, *, root: Path = CGROUP_ROOT) -> ResourceGroup | None:
        """Make a group with these limits; None where the host does not let us.

        Args:
            name: folder name, unique on the machine.
            limits: memory, pids and CPU of the whole runner.
            root: where the hierarchies are mounted.
        """
        bases = group_root(root)
        if "memory" not in bases:
            return None
        unified = (root / "cgroup.controllers").is_file()
        paths = {controller: base / name for controller, base in bases.items()}
        group = cls(paths=paths, unified=unified)
        try:
            if unified:
                wanted = " ".join(f"+{controller}" for controller in bases)
                base = next(iter(bases.values()))
                if not set(bases) <= set(_words(base / "cgroup.subtree_control")):
                    (base / "cgroup.subtree_control").write_text(wanted)
            for folder in set(paths.values()):
                folder.mkdir(exist_ok=True)
            group._write_limits(limits)
        except OSError:
            group.remove()
            return None
        return group

    def _write_limits(self, limits: RunnerLimits) -> None:
        quota = int(limits.cpus * _PERIOD_US)
        memory, pids, cpu = (self.paths.get(controller) for controller in _CONTROLLERS)
        if memory is not None:
            if self.unified:
                (memory / "memory.max").write_text(str(limits.memory_bytes))
                _write_if_there(memory / "memory.swap.max", "0")
                _write_if_there(memory / "memory.oom.group", "0")
            else:
                (memory / "memory.limit_in_bytes").write_text(str(limits.memory_bytes))
                _write_if_there(memory / "memory.memsw.limit_in_bytes", str(limits.memory_bytes))
        if pids is not None:
            (pids / "pids.max").write_text(str(limits.pids))
        if cpu is not None:
            if self.unified:
                (cpu / "cpu.max").write_text(f"{quota} {_PERIOD_US}")
            else:
                (cpu / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
                (cpu / "cpu.cfs_quota_us").write_text(str(quota))

    def add(self, pid: int) -> None:
        """Put a process into the group; what it forks from then on is in it too.

        Raises:
            OSError: the process is gone or the host refuses.
        """
        for folder in set(self.paths.values()):
            (folder / "cgroup.procs").write_text(str(pid))

    def memory_mount(self) -> tuple[str, str]:
        """The memory group's folder, and where a program inside expects its own group to be."""
        inside = CGROUP_ROOT if self.unified else CGROUP_ROOT / "memory"
        return str(self.paths["memory"]), str(inside)

    def remove(self) -> None:
        """Remove the group; one that still has processes stays and is removed by a later scan."""
        for folder in set(self.paths.values()):
            remove_empty(folder)


def remove_empty(folder: Path) -> bool:
    """Remove a group that has no process; says whether it is gone."""
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def read_usage(memory: Path | None, pids: Path | None) -> RunnerStats:
    """Read a runner's usage from its group folders (either generation); what is not there counts 0."""
    used = kills = count = 0
    if memory is not None:
        used = _number(memory / "memory.current") or _number(memory / "memory.usage_in_bytes")
        for name in ("memory.events", "memory.oom_control"):
            words = _words(memory / name)
            if "oom_kill" in words[:-1]:
                kills = int(words[words.index("oom_kill") + 1])
                break
    if pids is not None:
        count = _number(pids / "pids.current")
    return RunnerStats(memory_bytes=used, pids=count, oom_kills=kills)


def folders_of(pid: int, *, root: Path = CGROUP_ROOT) -> dict[str, Path]:
    """The group folders of a process by controller (``memory``, ``pids``), as far as they can be seen here.

    Raises:
        OSError: the process is gone.
    """
    found: dict[str, Path] = {}
    unified = (root / "cgroup.controllers").is_file()
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in ("memory", "pids"):
            folder = root / path.lstrip("/") if unified else root / controller / path.lstrip("/")
            if (unified and not controllers) or controller in controllers.split(","):
                found[controller] = folder
    return found


def processes_of(*groups: str, root: Path = CGROUP_ROOT) -> list[int]:
    """The pids in the first of these groups that has any, in whatever hierarchy; none where it cannot be seen here.

    Args:
        groups: paths below the hierarchies' roots.
        root: where the hierarchies are mounted.
    """
    for group in groups:
        for base in (root, root / "pids", root / "memory"):
            pids = [int(word) for word in _words(base / group / "cgroup.procs") if word.isdigit()]
            if pids:
                return sorted(pids)
    return []


def _own_unified_group() -> str:
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        if line.startswith("0::"):
            return line[3:]
    return "/"


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def _number(path: Path) -> int:
    words = _words(path)
    return int(words[0]) if words and words[0].isdigit() else 0


def _write_if_there(path: Path, text: str) -> None:
    if path.exists():
        path.write_text(text)
