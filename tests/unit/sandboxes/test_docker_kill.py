"""Ending a container's PID 1 without its engine: what was not ended is not called ended."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator

import pytest

from orchestrator.sandboxes import docker
from orchestrator.sandboxes.docker import DockerDriver
from orchestrator.sandboxes.driver import RunnerRef
from statek.exceptions import RunnerLost

pytestmark = pytest.mark.timeout(20)


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """A process of this test, taken for PID 1 of a container."""
    monkeypatch.setattr(docker, "_is_container", lambda _pid, _identity: True)
    started = subprocess.Popen(["sleep", "60"])
    yield started
    started.kill()
    started.wait()


def forbid_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(signal, "pidfd_send_signal", refuse)


async def killed(monkeypatch: pytest.MonkeyPatch, pid: int) -> None:
    """Kill a runner whose engine does not answer."""
    driver = DockerDriver("unix:///nonexistent.sock")

    async def pid_of(_ref: RunnerRef) -> int:
        return pid

    async def ask(_question: object) -> None:
        raise RunnerLost("the engine does not answer")

    monkeypatch.setattr(driver, "_pid_of", pid_of)
    monkeypatch.setattr(driver, "_ask", ask)
    await driver.kill(RunnerRef("docker", "c1", "r1", 1))


async def test_a_process_that_was_killed_is_gone_whatever_its_engine_says(
    process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    await killed(monkeypatch, process.pid)
    assert process.wait() == -signal.SIGKILL


async def test_a_process_that_may_not_be_signalled_is_not_called_ended(
    process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid_signals(monkeypatch)
    with pytest.raises(RunnerLost, match="does not answer"):
        await killed(monkeypatch, process.pid)
    assert process.poll() is None
