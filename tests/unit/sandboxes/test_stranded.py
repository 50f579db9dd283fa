"""Which processes are the remains of a bubblewrap that was killed while it started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.sandboxes.stranded import find_stranded

RUNNER = ["/usr/bin/bwrap", "--unshare-pid", "--hostname", "runner", "--ro-bind", "/d/s.sock", "/run/host.sock", "--"]


def add(proc: Path, pid: int, name: str, parent: int, inner: str, command: list[str]) -> None:
    """A process as the kernel shows it."""
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "comm").write_text(f"{name}\n")
    (folder / "status").write_text(f"Name:\t{name}\nState:\tS (sleeping)\nPPid:\t{parent}\nNSpid:\t{pid}{inner}\n")
    (folder / "cmdline").write_bytes("\0".join(command).encode() + b"\0")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "meminfo").write_text("")
    add(tmp_path, 1, "init", 0, "", ["init"])
    add(tmp_path, 10, "python", 1, "", ["python"])
    return tmp_path


def test_an_inner_process_without_its_outer_one_is_stranded(proc: Path) -> None:
    add(proc, 20, "bwrap", 1, "\t1", RUNNER)
    add(proc, 21, "bwrap", 999, "\t7\t1", RUNNER)
    assert sorted(find_stranded(proc)) == [20, 21]


def test_runners_that_start_or_live_are_not(proc: Path) -> None:
    add(proc, 20, "bwrap", 10, "", RUNNER)
    add(proc, 21, "bwrap", 20, "\t1", RUNNER)
    add(proc, 22, "bwrap", 10, "", RUNNER)
    add(proc, 23, "python", 22, "\t1", RUNNER)
    assert find_stranded(proc) == []


def test_other_users_of_bubblewrap_are_left_alone(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(proc, 20, "bwrap", 1, "\t1", ["bwrap", "--unshare-pid", "bash"])
    add(proc, 21, "bwrap", 1, "\t1", [*RUNNER[:-2], "/other.sock", "--"])
    assert find_stranded(proc) == []
    add(proc, 22, "bwrap", 1, "\t1", RUNNER)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert find_stranded(proc) == []


def test_this_machine_has_none_that_live() -> None:
    assert os.getpid() not in find_stranded()
