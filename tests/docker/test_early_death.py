"""A runner that dies before it says hello, with each real driver."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import psutil
import pytest

from orchestrator.sandboxes.docker import DockerDriver
from orchestrator.sandboxes.driver import Driver, RunnerSpec


@pytest.mark.root
async def test_driver_tells_how_a_runner_ended_that_lost_its_supervisor(driver: Driver, tmp_path: Path) -> None:
    silent = tmp_path / "h.sock"
    silent.touch()  # a file where nobody listens
    ref = await driver.start(RunnerSpec("early-death", silent, store_id=f"test-{os.getpid()}", incarnation=1))
    try:
        pid = await driver._pid_of(ref) if isinstance(driver, DockerDriver) else int(ref.id)
        zygote = psutil.Process(pid)
        while not zygote.children():
            await asyncio.sleep(0.005)
        zygote.children()[0].send_signal(signal.SIGKILL)
        text = await driver.wait_exit(ref)
        assert text == "it ended with exit status 5: it could not reach the host"
    finally:
        await driver.kill(ref)
