"""Runners that are children of this process: started, recorded, found again and ended.

Shared by the drivers that have no engine to remember for them. Each runner has a record file, so
that a later orchestrator finds what an earlier one left behind; a record names a process by pid and
start time, because a pid alone may have been given to somebody else since.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.sandboxes.driver import RunnerStats

__all__ = ["ChildRecord", "Children", "end_process", "start_time", "tree_of", "usage_of_tree", "wait_gone"]

_END_WAIT_MS = 5_000


@dataclass(frozen=True, slots=True)
class ChildRecord:
    """What is remembered of a runner.

    Attributes:
        runner_id: as in the spec.
        store_id: as in the spec.
        incarnation: as in the spec.
        pid: the process that has to die so that all of the runner dies.
        started: its start time in clock ticks since boot, as the kernel tells it.
        parent: pid of the program that was started (bubblewrap), or the same as ``pid``.
        parent_started: its start time.
        groups: folders of its resource group, to be removed afterwards.
        folder: a folder to remove afterwards, empty where there is none.
        maker, maker_started: in a record that is written before the runner exists (``pid`` is 0 then), the process
            that makes it; groups that are there after the maker's death are nobody's.
    """

    runner_id: str
    store_id: str
    incarnation: int
    pid: int
    started: int
    parent: int
    parent_started: int
    groups: tuple[str, ...] = ()
    folder: str = ""
    maker: int = 0
    maker_started: int = 0

    def is_alive(self) -> bool:
        """Whether any of the record's processes runs."""
        pairs = ((self.pid, self.started), (self.parent, self.parent_started), (self.maker, self.maker_started))
        return any(pid and started and start_time(pid) == started for pid, started in pairs)


class Children:
    """The record files of one kind of runner.

    Args:
        folder: where they are kept; shared by all orchestrators of this user on this machine.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, record: ChildRecord) -> None:
        """Remember a runner; atomic, so a scan never reads half a record. Blocks for a file write."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(record.runner_id)
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(record)))
        draft.replace(path)

    def forget(self, runner_id: str) -> None:
        """Remove a record. Idempotent."""
        self._path(runner_id).unlink(missing_ok=True)

    def read(self, runner_id: str) -> ChildRecord | None:
        """The record of a runner; None where there is none or it cannot be read."""
        return _load(self._path(runner_id))

    def all(self) -> list[ChildRecord]:
        """Every readable record, by runner id."""
        if not self._folder.is_dir():
            return []
        found = [_load(path) for path in sorted(self._folder.glob("*.json"))]
        return [record for record in found if record is not None]

    def _path(self, runner_id: str) -> Path:
        return self._folder / f"{runner_id}.json"


def _load(path: Path) -> ChildRecord | None:
    try:
        fields = json.loads(path.read_text())
        return ChildRecord(**{**fields, "groups": tuple(fields["groups"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def start_time(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    # The program's name may hold spaces and brackets; the fields after it do not.
    return int(text.rpartition(")")[2].split()[19])


def end_process(pid: int, started: int) -> None:
    """SIGKILL a process and wait until it is gone. Blocks; does nothing when the pid is another's now."""
    if pid <= 0 or started == 0:
        return
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return
    try:
        # Checked after the pidfd is held: from here on it cannot name another process.
        if start_time(pid) != started:
            return
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.poll(_END_WAIT_MS)
    except OSError:
        return
    finally:
        os.close(handle)


async def wait_gone(pid: int) -> None:
    """Wait until a process has ended; at once when there is none of that pid."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    loop.add_reader(handle, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


def tree_of(pid: int) -> list[int]:
    """A process and all its descendants, as far as they exist now."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        current = waiting.pop()
        found.append(current)
        # A process may end at any moment of this, between the listing and the reading too.
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{current}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    waiting += [int(word) for word in task.read_text().split()]
    return found


def usage_of_tree(pid: int) -> RunnerStats:
    """Add up what a process and its descendants use (shared pages counted more than once)."""
    memory = threads = 0
    for member in tree_of(pid):
        try:
            lines = Path(f"/proc/{member}/status").read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            name, _, value = line.partition(":")
            if name == "VmRSS":
                memory += int(value.split()[0]) * 1024
            elif name == "Threads":
                threads += int(value)
    return RunnerStats(memory_bytes=memory, pids=threads, oom_kills=0)
