"""Real runners as plain subprocesses, with uids of their own and without."""

from __future__ import annotations

import asyncio
import os
import shlex
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from orchestrator.sandboxes.driver import RunnerRef, Tier
from orchestrator.sandboxes.link import LinkLimits, RunnerLink
from orchestrator.sandboxes.sandbox import Sandbox, SandboxTiming
from orchestrator.sandboxes.step import OutputKind, StepEnd, StepInput, StepLimits, ToolSpec
from tests.support.fake_runner import RecordingHandler

ROOT = Path(__file__).resolve().parents[3]
LIMITS = StepLimits(memory_bytes=1 << 30)


class SubprocessDriver:
    """Kills the one runner of a test."""

    tier = Tier.PROCESS

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def kill(self, ref: RunnerRef) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


@dataclass
class Running:
    """A claimed runner with its processes."""

    process: asyncio.subprocess.Process
    link: RunnerLink
    sandbox: Sandbox
    handler: RecordingHandler
    processes: list[psutil.Process]
    executor_pid: int
    step: int = 0

    async def run(self, code: str, **changes: object) -> StepEnd:
        self.step += 1
        fields: dict[str, object] = {"step": self.step, "code": code, "time_us": 0, "seed": 0, **changes}
        fields.setdefault("tools", (ToolSpec("echo", "(*args)", ""),))
        return await self.sandbox.run_step(StepInput(**fields), self.handler)

    def printed(self) -> list[str]:
        texts = [item.text for item in self.handler.outputs if item.kind is OutputKind.PRINT]
        self.handler.outputs.clear()
        return texts

    @property
    def supervisor(self) -> psutil.Process:
        return next(child for child in self.processes[1:] if child.pid != self.executor_pid)


def in_reach(argv: list[str], folder: Path) -> list[str]:
    """Start in a mount namespace where other uids can reach the interpreter and the code, when they cannot already."""
    needed = {path.resolve() for path in (Path(sys.executable), Path(sys.prefix), ROOT)}
    kept: dict[Path, set[Path]] = {}
    for path in needed:
        hidden = next((f for f in reversed(path.parents) if not f.stat().st_mode & stat.S_IXOTH), None)
        if hidden is not None:
            kept.setdefault(hidden, set()).add(hidden / path.relative_to(hidden).parts[0])
    if not kept:
        return argv
    commands = []
    for hidden, children in kept.items():
        spares = {child: folder / f"kept-{len(commands)}-{child.name}" for child in sorted(children)}
        commands += [f"mkdir {_q(spare)} && mount --bind {_q(child)} {_q(spare)}" for child, spare in spares.items()]
        commands.append(f"mount -t tmpfs -o mode=755 none {_q(hidden)}")
        commands += [f"mkdir {_q(child)} && mount --bind {_q(spare)} {_q(child)}" for child, spare in spares.items()]
    script = " && ".join([*commands, 'exec "$@"'])
    return ["unshare", "--mount", "sh", "-c", script, "sh", *argv]


def _q(path: Path) -> str:
    return shlex.quote(str(path))


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="st-") as name:
        path = Path(name)
        path.chmod(0o755)
        for inner in ("work", "tmp"):
            (path / inner).mkdir()
            (path / inner).chmod(0o777)
        yield path


@pytest.fixture
async def runner(folder: Path, request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    """A runner with one uid; ``parametrize(indirect=True)`` with "uids" or with more arguments."""
    wanted: list[str] = getattr(request, "param", [])
    link = RunnerLink(folder / "host.sock", limits=LinkLimits(ping_interval_seconds=0.1, ping_timeout_seconds=1.0))
    await link.listen()
    argv = [sys.executable, "-s", "-m", "sandbox_runner", "--socket", str(link.socket)]
    argv += ["--work-dir", str(folder / "work"), "--tmp-dir", str(folder / "tmp")]
    if "uids" in wanted:
        assert os.geteuid() == 0, "these tests switch uids and need root"
        argv = in_reach(argv, folder)
    else:
        argv += ["--no-uid-switch", *wanted]
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd="/",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "SECRET": "s3cret"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        await link.wait_hello(30)
        ready = await link.claim(LIMITS, 10)
        sandbox = Sandbox(
            link,
            SubprocessDriver(process),  # type: ignore[arg-type]
            RunnerRef("process", str(process.pid), "r-1", 1),
            limits=LIMITS,
            image_digest="",
            timing=SandboxTiming(start_ack_seconds=10, backstop_seconds=2),
        )
        zygote = psutil.Process(process.pid)
        processes = [zygote, *zygote.children()]
        yield Running(process, link, sandbox, RecordingHandler(), processes, ready.pid)
        await sandbox.destroy()
        await all_gone(processes)
    finally:
        await link.aclose()
        if process.returncode is None:
            process.kill()
            await process.wait()


async def all_gone(processes: list[psutil.Process]) -> None:
    """Wait until none of the processes exists any more."""
    async with asyncio.timeout(10):
        while any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes):
            await asyncio.sleep(0.005)
