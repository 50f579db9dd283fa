"""The named points at which something is killed, and what visits them in a process that is watched.

``POINTS`` names every point with the actions that make sense there and the highest visit that is waited for. ``watch``
wraps the places in this process; a point that nothing visits any more fails the campaign, so the names cannot go stale.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextvars import ContextVar
from hashlib import sha256
from pathlib import Path
from typing import Any

from orchestrator.engine import durability, gateway, jobs, service, stalled_jobs, tool_runner
from orchestrator.sandboxes import children, link, pool
from orchestrator.sandboxes.inbound_messages import ExecutorFrame, RunnerDeath
from orchestrator.store import blocks, guard, mirror, redo, store
from sandbox_runner.wire.v1 import runner_pb2 as pb
from tests.chaos.observer import Observer

__all__ = ["FAILURES", "POINTS", "digest_of", "watch"]

_RUNNER = ("pid1", "supervisor", "executor", "orchestrator")
_INBOUND = {
    "hello": 4,
    "ready": 3,
    "restored": 3,
    "started": 8,
    "output": 20,
    "call": 20,
    "block": 8,
    "finished": 8,
    "death": 1,
}
_OUTBOUND = {"welcome": 4, "claim": 3, "restore": 3, "blocks": 2, "run": 8, "result": 20}
_RECORD = {
    "create": 3, "add_step": 8, "begin": 4, "put_down": 2, "add_journal": 20, "add_commit": 8, "end_step": 8,
    "set_status": 6, "finish": 2, "begin_wait": 3, "end_wait": 3,
}  # fmt: skip
_STORE = {
    "flush.begin": 30, "flush.committed": 30, "flush.done": 30, "redo.half": 30, "redo.unsynced": 30, "redo.synced": 30,
    "redo.clear": 2, "mirror.write": 2, "mirror.written": 2, "mirror.synced": 2, "blocks.begin": 6, "blocks.stored": 6,
    "replace.written": 2, "replace.done": 2, "guard.finish": 1, "guard.finished": 1, "acknowledged": 40,
}  # fmt: skip
_LIFE = {"start.opened": 1, "start.recovered": 1, "stop.begin": 1, "stop.end": 1}
_CALLS = {"call.begin": 20, "call.end": 20, "tool.run": 15, "tool.enter": 15, "tool.sent": 15, "tool.ran": 15}

POINTS: dict[str, tuple[int, tuple[str, ...]]] = {
    **{f"in.{kind}{end}": (most, _RUNNER) for kind, most in _INBOUND.items() for end in ("", ".taken")},
    **{f"out.{kind}{end}": (most, _RUNNER) for kind, most in _OUTBOUND.items() for end in ("", ".sent")},
    **{f"record.{name}{end}": (most, ("orchestrator",)) for name, most in _RECORD.items() for end in ("", ".made")},
    **{name: (most, ("orchestrator",)) for name, most in (_STORE | _LIFE).items()},
    **{name: (most, _RUNNER) for name, most in _CALLS.items()},
    "time": (2500, _RUNNER),
}
"""By name: the highest visit that is waited for, and what may be killed there."""

FAILURES: dict[str, tuple[int, tuple[str, ...]]] = {
    "write": (60, ("ENOSPC", "EIO")),
    "sync": (60, ("ENOSPC", "EIO")),
    "acknowledged": (20, ("forward", "back", "still")),
}
"""What goes wrong without a death, in the same form."""

_SMALL_APPLY_BYTES = 256 << 10
"""The mirror follows after so little redo that the short life of a test sees it."""

_acknowledging: ContextVar[list[dict[str, Any]] | None] = ContextVar("acknowledging", default=None)


def watch(observer: Observer, data_dir: Path) -> None:
    """Visit the points of this process from now on."""
    guard.APPLY_AT = _SMALL_APPLY_BYTES
    guard.FILL_AT = _SMALL_APPLY_BYTES // 4
    stalled_jobs._RETRY_SECONDS = 0.3
    _watch_frames(observer)
    _watch_store(observer)
    _watch_writes(observer, data_dir)
    _watch_records(observer)
    _watch_calls(observer)


def _wrap(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    setattr(owner, name, make(getattr(owner, name)))


def _around(observer: Observer, owner: Any, name: str, before: str, after: str) -> None:
    """Visit one point before a plain function and another one after it."""

    def make(real: Any) -> Any:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if before:
                observer.hit(before)
            result = real(*args, **kwargs)
            if after:
                observer.hit(after)
            return result

        return wrapped

    _wrap(owner, name, make)


def _around_async(observer: Observer, owner: Any, name: str, before: str, after: str) -> None:
    """The same for a coroutine function."""

    def make(real: Any) -> Any:
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            if before:
                observer.hit(before)
            result = await real(*args, **kwargs)
            if after:
                observer.hit(after)
            return result

        return wrapped

    _wrap(owner, name, make)


# ------------------------------------------------------------------------------------------ frames


def _watch_frames(observer: Observer) -> None:
    runners: dict[str, int] = {}

    def remember(real: Any) -> Any:
        def write(self: children.Children, record: children.ChildRecord) -> None:
            real(self, record)
            runners[record.runner_id] = record.pid
            observer.say(runner=record.runner_id)

        return write

    def heard(kind_of: Callable[[Any], str]) -> Callable[[Any], Any]:
        def make(real: Any) -> Any:
            async def wrapped(self: link.RunnerLink, message: Any) -> None:
                kind = kind_of(message)
                pid = runners.get(self.socket.stem, 0)
                if kind:
                    observer.hit(f"in.{kind}", runner=pid)
                await real(self, message)
                if kind:
                    observer.hit(f"in.{kind}.taken", runner=pid)

            return wrapped

        return make

    def send(real: Any) -> Any:
        async def wrapped(self: link.RunnerLink, message: pb.ToRunner) -> None:
            kind = _outbound_kind(message)
            pid = runners.get(self.socket.stem, 0)
            observer.hit(f"out.{kind}", runner=pid)
            await real(self, message)
            observer.hit(f"out.{kind}.sent", runner=pid)

        return wrapped

    _wrap(children.Children, "write", remember)
    _wrap(link.RunnerLink, "_dispatch", heard(_runner_kind))
    _wrap(link.RunnerLink, "_hear", heard(_executor_kind))
    _wrap(link.RunnerLink, "_send", send)


def _runner_kind(data: bytes) -> str:
    """What the supervisor says of itself; empty for what it relays, which `_executor_kind` names, frame by frame."""
    kind = pb.FromRunner.FromString(data).WhichOneof("body") or "empty"
    return "" if kind in {"executor", "executors", "death"} else kind


def _executor_kind(message: ExecutorFrame | RunnerDeath) -> str:
    if isinstance(message, RunnerDeath):
        return "death"
    return pb.FromExecutor.FromString(message.data).WhichOneof("body") or "empty"


def _outbound_kind(message: pb.ToRunner) -> str:
    kind = message.WhichOneof("body") or "empty"
    if kind == "executor":
        kind = pb.ToExecutor.FromString(message.executor.frame).WhichOneof("body") or "empty"
    return kind


# ------------------------------------------------------------------------------------------- store


def _watch_store(observer: Observer) -> None:
    _around(observer, store.Store, "_flush_now", "flush.begin", "flush.done")
    _around(observer, guard.FlushGuard, "record", "flush.committed", "")
    _around(observer, guard.FlushGuard, "finish", "guard.finish", "guard.finished")
    _around(observer, redo.RedoLog, "append", "", "redo.synced")
    _around(observer, redo.RedoLog, "clear", "redo.clear", "")
    _around(observer, mirror.Mirror, "write", "mirror.write", "mirror.written")
    _around(observer, mirror.Mirror, "sync", "", "mirror.synced")
    _around(observer, blocks.BlockStore, "_put_many", "blocks.begin", "blocks.stored")
    _around_async(observer, service.Service, "start", "start.opened", "start.recovered")
    _around_async(observer, pool.Pool, "aclose", "", "stop.end")
    _around_async(observer, service.Service, "stop", "stop.begin", "")
    replaced = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if self.suffix == ".new":
            observer.hit("replace.written")
        result = replaced(self, target)
        if self.suffix == ".new":
            observer.hit("replace.done")
        return result

    Path.replace = replace  # type: ignore[method-assign,assignment]


def _watch_writes(observer: Observer, data_dir: Path) -> None:
    """Every write and every fsync that the store's own code makes in the data directory."""
    real_write, real_sync, real_datasync = os.pwrite, os.fsync, os.fdatasync
    wanted = os.fsdecode(data_dir)

    def ours(descriptor: int) -> str:
        name = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        return Path(name).name if name.startswith(wanted) else ""

    def write(descriptor: int, data: Any, offset: int) -> int:
        name = ours(descriptor)
        if name:
            observer.hit("write")
        if ".redo." in name and bytes(data[:8]) == redo._MAGIC:
            view = memoryview(data)
            half = len(view) // 2
            observer.hit("redo.half", before=lambda: real_write(descriptor, view[:half], offset))
        return real_write(descriptor, data, offset)

    def sync(descriptor: int) -> None:
        if ours(descriptor):
            observer.hit("sync")
        real_sync(descriptor)

    def datasync(descriptor: int) -> None:
        name = ours(descriptor)
        if name:
            observer.hit("sync")
        if ".redo." in name:
            observer.hit("redo.unsynced")
        real_datasync(descriptor)

    os.pwrite, os.fsync, os.fdatasync = write, sync, datasync  # type: ignore[assignment]


# ----------------------------------------------------------------------------------------- records


def _watch_records(observer: Observer) -> None:
    for name in _RECORD:
        # Behind both ways to put a step down: without an end, and to wait.
        method = "_put_down" if name == "put_down" else name
        _around(observer, jobs.JobRepository, method, f"record.{name}", f"record.{name}.made")

    def end_step(real: Any) -> Any:
        def wrapped(self: Any, record: Any, outcome: Any, **kwargs: Any) -> None:
            step = self.require_flight(record).step
            real(self, record, outcome, **kwargs)
            noted = _acknowledging.get()
            if noted is not None:
                facts = [outcome.state, [list(element) for element in outcome.console]]
                noted.append({"job": record.number, "step": step, "digest": digest_of(facts)})

        return wrapped

    def commit(real: Any) -> Any:
        async def wrapped(self: Any, change: Any, **blocks: Any) -> Any:
            noted: list[dict[str, Any]] = []

            def collecting() -> Any:
                token = _acknowledging.set(noted)
                try:
                    return change()
                finally:
                    _acknowledging.reset(token)

            result = await real(self, collecting, **blocks)
            for end in noted:
                observer.say(acknowledged=end)
                observer.unsettled.discard((end["job"], end["step"]))
            observer.hit("acknowledged")
            return result

        return wrapped

    _wrap(jobs.JobRepository, "end_step", end_step)
    _wrap(durability.Durability, "commit", commit)


def digest_of(facts: Any) -> str:
    """A short name of JSON-able facts."""
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


# ------------------------------------------------------------------------------------------- calls


def _watch_calls(observer: Observer) -> None:
    _around_async(observer, gateway.StepGateway, "call", "call.begin", "call.end")
    _around_async(observer, tool_runner.ToolRunner, "run", "tool.run", "tool.ran")
