from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.sandboxes.driver import RunnerRef
from orchestrator.sandboxes.link import LinkLimits, RunnerLink
from orchestrator.sandboxes.sandbox import Sandbox, SandboxTiming
from orchestrator.sandboxes.step import StepEnd, StepInput, StepLimits
from tests.support.fake_runner import FakeDriver, FakeRunner, RecordingHandler

LIMITS = StepLimits(frame_bytes=64 << 10, checkpoint_bytes=64 << 10, output_head_bytes=1000, output_tail_bytes=0)


@dataclass
class Talk:
    """Both ends of a conversation: the real host side and a hand-made runner."""

    link: RunnerLink
    runner: FakeRunner
    sandbox: Sandbox
    driver: FakeDriver
    handler: RecordingHandler

    def begin_step(self, step: int = 1, **changes: object) -> asyncio.Task[StepEnd]:
        fields: dict[str, object] = {"step": step, "code": "pass", "time_us": 0, "seed": 0, **changes}
        return asyncio.create_task(self.sandbox.run_step(StepInput(**fields), self.handler))


@pytest.fixture
def socket_path() -> Iterator[Path]:
    # Short: a Unix socket's path has 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="st-") as folder:
        yield Path(folder) / "host.sock"


@pytest.fixture
async def link(socket_path: Path) -> AsyncIterator[RunnerLink]:
    link = RunnerLink(
        socket_path,
        limits=LinkLimits(
            frame_bytes=LIMITS.frame_bytes,
            ping_interval_seconds=0.05,
            idle_ping_interval_seconds=0.05,
            ping_timeout_seconds=0.2,
        ),
    )
    await link.listen()
    yield link
    await link.aclose()


@pytest.fixture
async def dialled(link: RunnerLink, socket_path: Path) -> AsyncIterator[FakeRunner]:
    runner = FakeRunner(socket_path)
    yield runner
    await runner.aclose()


@pytest.fixture
async def talk(socket_path: Path) -> AsyncIterator[Talk]:
    """A claimed runner with an empty workspace in place."""
    link = RunnerLink(socket_path, limits=LinkLimits(frame_bytes=LIMITS.frame_bytes, ping_interval_seconds=30))
    await link.listen()
    runner = FakeRunner(socket_path)
    await runner.greet()
    await link.wait_hello(5)
    _, _ = await asyncio.gather(link.claim(LIMITS, 5), runner.accept_claim())
    driver, handler = FakeDriver(), RecordingHandler()
    sandbox = Sandbox(
        link,
        driver,
        RunnerRef("fake", "1", "r-1", 1),
        limits=LIMITS,
        image_digest="img",
        timing=SandboxTiming(start_ack_seconds=2.0, restore_seconds=5.0, backstop_seconds=0.1),
    )
    yield Talk(link, runner, sandbox, driver, handler)
    await sandbox.destroy()
    await runner.aclose()
