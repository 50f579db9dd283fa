"""Finds what a bubblewrap leaves behind that is killed in the moment of its start.

bwrap forks an inner process, which waits until the outer one has written its maps and lets it go on. Where the outer
one is killed in between (with its orchestrator, by ``--die-with-parent``), the inner one waits for ever: it has run
nothing, holds some 0.3 MB, and no record names it, because its maker never learnt its pid.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["find_stranded", "is_stranded"]

_NAME = "bwrap"
_MARKS = (b"\0--hostname\0runner\0", b"\0/run/host.sock\0")
"""What the command of every runner holds (``orchestrator.sandboxes.confinement``)."""


def find_stranded(proc: Path = Path("/proc")) -> list[int]:
    """The pids of such processes of this user, of any store.

    A runner that lives, or is being started, is never among them: its inner process has the outer one as its parent,
    and is called otherwise as soon as it runs anything.

    Args:
        proc: where the kernel shows processes.
    """
    return [pid for pid in _pids(proc) if is_stranded(pid, proc)]


def _pids(proc: Path) -> Iterator[int]:
    return (int(entry.name) for entry in proc.iterdir() if entry.name.isdecimal())


def is_stranded(pid: int, proc: Path = Path("/proc")) -> bool:
    """Whether a process is one of these; False where it has ended."""
    folder = proc / str(pid)
    try:
        if _read(folder / "comm") != _NAME or folder.stat().st_uid != os.geteuid():
            return False
        status = dict(line.split(":", 1) for line in _read(folder / "status").splitlines() if ":" in line)
        inner = status["NSpid"].split()
        if len(inner) < 2 or inner[-1] != "1":
            return False
        command = (folder / "cmdline").read_bytes()
        parent = int(status["PPid"])
        return all(mark in command for mark in _MARKS) and (parent == 0 or _name_of(proc, parent) != _NAME)
    except (OSError, KeyError, ValueError):
        return False  # it ended meanwhile


def _name_of(proc: Path, pid: int) -> str:
    """What a process is called; empty where it is gone."""
    try:
        return _read(proc / str(pid) / "comm")
    except OSError:
        return ""


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace").strip()
