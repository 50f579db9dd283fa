"""The executor before its claim: forked, confined as far as no claim has a say, waiting."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from orchestrator.sandboxes.link import LinkLimits, RunnerLink
from orchestrator.sandboxes.step import StepResult
from statek.exceptions import RunnerLost
from tests.integration.runner.conftest import LIMITS, ROOT, Running

pytestmark = pytest.mark.timeout(60)


@asynccontextmanager
async def unclaimed(folder: Path, work: Path) -> AsyncIterator[tuple[RunnerLink, asyncio.subprocess.Process]]:
    """A runner and its link; it may or may not become warm."""
    link = RunnerLink(folder / "host.sock", limits=LinkLimits())
    await link.listen()
    argv = [sys.executable, "-s", "-P", "-m", "sandbox_runner", "--socket", str(link.socket), "--no-uid-switch"]
    process = await asyncio.create_subprocess_exec(
        *argv,
        *("--work-dir", str(work), "--tmp-dir", str(folder / "tmp")),
        cwd="/",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        yield link, process
    finally:
        await link.aclose()
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def test_a_warm_runner_has_its_executor_and_one_that_dies_ends_the_runner(folder: Path) -> None:
    async with unclaimed(folder, folder / "work") as (link, process):
        await link.wait_hello(30)
        supervisor, executor = psutil.Process(process.pid).children()
        # It waits in the kernel, not in a loop; how soon after the greeting both do is the machine's affair.
        while [each.status() for each in (supervisor, executor)] != ["sleeping", "sleeping"]:
            await asyncio.sleep(0.01)
        # Forked second, confined already: no new privileges, and the kernel's first choice when memory ends.
        lines = Path(f"/proc/{executor.pid}/status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        assert (status["NoNewPrivs"], status["CapEff"].strip("0")) == ("1", "")
        assert Path(f"/proc/{executor.pid}/oom_score_adj").read_text() == "1000\n"
        executor.send_signal(signal.SIGKILL)
        assert isinstance(await link.lost, RunnerLost)
        assert await process.wait() == 0


async def test_a_claim_of_a_runner_whose_executor_is_stopped_fails_in_its_time(folder: Path) -> None:
    async with unclaimed(folder, folder / "work") as (link, process):
        await link.wait_hello(30)
        executor = psutil.Process(process.pid).children()[1]
        executor.send_signal(signal.SIGSTOP)
        with pytest.raises(RunnerLost, match=r"^the runner sent no Ready within 0.2 s$"):
            await link.claim(LIMITS, 0.2)


async def test_an_executor_that_cannot_be_confined_ends_the_start(folder: Path) -> None:
    async with unclaimed(folder, folder / "nothing-here") as (_, process):
        _, errors = await process.communicate()
        assert process.returncode == 4
        assert errors.decode().splitlines()[-1].startswith("sandbox_runner: an executor cannot be confined: ")


async def test_code_has_its_socket_and_no_way_to_the_zygote(runner: Running) -> None:
    code = """import os, stat
kinds = []
for number in range(64):
    try:
        mode = os.fstat(number).st_mode
    except OSError:
        continue
    kinds.append((number, "socket" if stat.S_ISSOCK(mode) else "device" if stat.S_ISCHR(mode) else oct(mode)))
print([number for number, kind in kinds if kind == "device"], [kind for _, kind in kinds if kind != "device"])"""
    end = await runner.run(code)
    assert isinstance(end, StepResult)
    assert (end.error_message, runner.printed()) == ("", ['[0,1,2] ["socket"]'])
