"""Starts a program, kills it at a chosen moment, and finds what it left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.sandboxes.children import start_time, tree_of
from orchestrator.sandboxes.runner_files import cache_folder
from orchestrator.sandboxes.stranded import is_stranded
from tests.chaos.moments import FlushCount, Moment

__all__ = ["ROOT", "Ended", "left_behind", "run", "runner_names", "runner_roots", "traces_of", "wait_gone"]

ROOT = Path(__file__).resolve().parents[2]
_RUN_SECONDS = 90.0
_GONE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Ended:
    """One run of a program.

    Attributes:
        killed: it was killed by the harness; otherwise it ended by itself.
        code: exit status, negative for a signal.
        seconds: how long it lived.
        flushes: that its store made, of a run that was to end by itself.
        said: its output lines that are JSON objects, merged in order.
        stderr: its other words.
        orphans: its descendants at the moment of the kill, as (pid, start time).
    """

    killed: bool
    code: int
    seconds: float
    flushes: int
    said: list[dict[str, Any]]
    stdout: str
    stderr: str
    orphans: tuple[tuple[int, int], ...]

    def last(self, key: str) -> Any:
        """The newest value said under a key; None if there is none."""
        found = [line[key] for line in self.said if key in line]
        return found[-1] if found else None


def run(
    module: Sequence[str],
    folder: Path,
    *,
    data_dir: Path | None = None,
    kill_at: Moment | None = None,
    **environment: str,
) -> Ended:
    """Run ``python -m module...``; SIGKILL its own pid, nothing else, at that moment.

    Args:
        module: its name and arguments.
        folder: for its output.
        data_dir: whose flushes are counted; ``folder / "d"`` by default.
        kill_at: when it is killed; None lets it end.
        environment: added to this process's own.
    """
    data_dir = data_dir or folder / "d"
    output, errors = folder / "stdout", folder / "stderr"
    began = time.monotonic()
    with output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**os.environ, **environment},
        )
        killed, orphans, flushes = False, (), 0
        if kill_at is None:
            flushes = _count_flushes(process, data_dir, began + _RUN_SECONDS)
        elif kill_at.reached(process, data_dir):
            killed = True
        hung = kill_at is None and process.poll() is None
        if killed or hung:
            orphans = tuple((pid, start_time(pid)) for pid in tree_of(process.pid) if pid != process.pid)
            process.send_signal(signal.SIGKILL)
            process.wait()
    seconds = time.monotonic() - began
    assert not hung, f"{module} hung: {errors.read_text()[-2000:]}"
    text = output.read_text(errors="replace")
    said, told = _objects(text), errors.read_text(errors="replace")
    return Ended(killed, process.returncode, seconds, flushes, said, text, told, orphans)


def _count_flushes(process: subprocess.Popen[bytes], data_dir: Path, deadline: float) -> int:
    """Wait for the end of a process, or for the deadline, and count the flushes of its store."""
    flushes = FlushCount(data_dir)
    while process.poll() is None and time.monotonic() < deadline:
        flushes.look()
        time.sleep(0.0005)
    return flushes.count


def _objects(text: str) -> list[dict[str, Any]]:
    found = []
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue  # the line that the kill cut off, or one for people
        if isinstance(value, dict):
            found.append(value)
    return found


def wait_gone(orphans: Iterable[tuple[int, int]], data_dir: Path) -> list[str]:
    """What is still there after a grace time: of the named ones, and of those that name the data directory.

    A sandbox whose start was cut off is not counted: only the next scan ends it (``test_stranded_start``).
    """
    deadline = time.monotonic() + _GONE_SECONDS
    named = tuple(orphans)
    while True:
        alive = [pid for pid, started in named if started and start_time(pid) == started and not _is_dead(pid)]
        alive = [pid for pid in dict.fromkeys([*alive, *_naming(data_dir)]) if not is_stranded(pid)]
        if not alive or time.monotonic() > deadline:
            return [_describe(pid) for pid in alive]
        time.sleep(0.01)


def _describe(pid: int) -> str:
    try:
        status = (Path(f"/proc/{pid}") / "status").read_text().splitlines()
        words = (Path(f"/proc/{pid}") / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError as error:
        return f"{pid} ({error})"
    kept = [line.replace("\t", " ") for line in status if line.startswith(("Name", "State", "PPid", "NSpid"))]
    return f"{pid} {', '.join(kept)}: {words[:200]}"


def _is_dead(pid: int) -> bool:
    """A zombie that its new parent has not collected yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _naming(data_dir: Path) -> list[int]:
    """Processes whose command names a folder, or that have something of it mounted (a runner its socket)."""
    wanted = os.fsencode(data_dir)
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                if wanted in (folder / "cmdline").read_bytes() or _mounts(folder, data_dir):
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


def _mounts(process: Path, data_dir: Path) -> list[str]:
    """What a process has mounted of a folder; a disk that is the whole folder is none of a service's own."""
    lines = [line.split() for line in (process / "mountinfo").read_text().splitlines()]
    parts = [words for words in lines if words[3] != "/"]
    return [" ".join(words) for words in parts if any(data_dir.parent.name in word for word in words)]


def runner_roots(orchestrator: int) -> list[int]:
    """Every PID 1 of a runner below an orchestrator."""
    found = []
    for pid in tree_of(orchestrator):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
            above = Path(f"/proc/{parent}/cmdline").read_bytes()
        except OSError:
            continue
        if b"sandbox_runner" in words and b"bwrap" in above.split(b"\0")[0]:
            found.append(pid)
    return found


def traces_of(data_dir: Path, runners: Iterable[str]) -> list[str]:
    """What is left of a service that has ended: mounts and sockets that name its folder, groups and records."""
    left = [f"socket {path}" for path in (data_dir / "run").glob("*")]
    left += [f"mount {mount}" for mount in _mounts(Path("/proc/self"), data_dir)]
    left += [f"socket {line}" for line in Path("/proc/net/unix").read_text().splitlines() if f"{data_dir}/" in line]
    return left + left_behind(runners)


def runner_names(data_dir: Path) -> set[str]:
    """Ids of the runners whose sockets are in a data directory now."""
    return {path.stem for path in (data_dir / "run").glob("*.sock")}


def left_behind(runners: Iterable[str]) -> list[str]:
    """Resource groups and records of these runners that still exist."""
    left = []
    groups = [Path(found) for found, _, _ in os.walk("/sys/fs/cgroup")]
    for name in sorted(runners):
        left += [str(path) for path in groups if path.name == f"statek-{name}" and path.is_dir()]
        left += [str(path) for path in (cache_folder() / "runners").glob(f"*/{name}.json")]
    return left
