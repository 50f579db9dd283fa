"""Runners on gVisor's kernel: the main job, what ends badly there, and a service that takes nothing weaker."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.sandboxes.driver import Driver, Tier
from orchestrator.sandboxes.pool import Pool
from orchestrator.sandboxes.probe import make_driver, require_tier, select_driver
from orchestrator.sandboxes.step import Death, DeathCause, Outcome, StepResult
from statek.exceptions import ConfigurationError
from tests.docker.test_main_job import make_run
from tests.support.steps import Console, run

GVISORS_RELEASE = "4.4.0"
"""What gVisor's kernel says to be, whatever the host's is."""

IGNORES_SIGNALS = """
import signal
for n in range(1, 32):
    try: signal.signal(n, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: pass
"""

pytestmark = [pytest.mark.docker, pytest.mark.gvisor, pytest.mark.timeout(240)]


@pytest.fixture
async def driver(gvisor_engine: str) -> AsyncIterator[Driver]:
    made = make_driver("docker", engine=gvisor_engine, runtime="runsc")
    report = await made.probe()
    assert report.available, report.reason
    yield made
    await made.aclose()


async def test_a_step_runs_on_gvisors_kernel(pool: Pool) -> None:
    sandbox = await pool.claim(timeout=60)
    console = Console()
    end = await run(sandbox, "import os\nprint(os.uname().release)", console=console)
    assert isinstance(end, StepResult)
    assert (end.outcome, console.text.strip(), sandbox.tier) == (Outcome.OK, GVISORS_RELEASE, Tier.GVISOR)
    assert os.uname().release != GVISORS_RELEASE


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("while True: pass", DeathCause.DEADLINE),
        (IGNORES_SIGNALS, DeathCause.DEADLINE),
        ("import ctypes; ctypes.string_at(0)", DeathCause.CRASHED),
        ("import os; os._exit(42)", DeathCause.CRASHED),
    ],
)  # fmt: skip
async def test_a_bad_end_is_told_apart_and_the_next_runner_works(pool: Pool, code: str, cause: DeathCause) -> None:
    sandbox = await pool.claim(timeout=60)
    end = await run(sandbox, code, deadline=1.5)
    assert isinstance(end, Death), end
    assert end.cause is cause, end
    await pool.destroy(sandbox)
    console = Console()
    assert isinstance(await run(await pool.claim(timeout=60), "print(6 * 7)", console=console), StepResult)
    assert console.text.strip() == "42"


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.fork()",
        "import socket; socket.socket(socket.AF_INET)",
        "open('/etc/shadow').read()",
        "open('/usr/evil', 'w')",
        "import os; os.setuid(0)",
        "open('/proc/1/mem', 'rb').read(1)",
    ],
)
async def test_the_filter_and_the_file_rights_hold_there(pool: Pool, code: str) -> None:
    end = await run(await pool.claim(timeout=60), code)
    assert isinstance(end, StepResult)
    assert end.outcome is Outcome.ERROR
    assert end.error_type in {"PermissionError", "OSError", "FileNotFoundError"}


async def test_a_memory_bomb_takes_its_own_runner_only(pool: Pool) -> None:
    sandbox = await pool.claim(timeout=60)
    end = await run(sandbox, "data = []\nwhile True: data.append(bytearray(1 << 20))", deadline=30)
    assert isinstance(end, Death), end
    await pool.destroy(sandbox)
    assert isinstance(await run(await pool.claim(timeout=60), "x = 1"), StepResult)


def test_the_main_job(gvisor_engine: str, tmp_path: Path) -> None:
    said = make_run(tmp_path, gvisor_engine, STATEK_RUNTIME="runsc", STATEK_REQUIRED_TIER="gvisor")
    assert said.splitlines()[-1] == "job j1 DONE tier=gvisor steps=10"


async def test_nothing_weaker_is_taken(gvisor_engine: str) -> None:
    weaker = await select_driver("docker", engine=gvisor_engine)
    with pytest.raises(ConfigurationError, match="required_tier is gvisor, driver docker gives container here"):
        require_tier(weaker, "gvisor")
    await weaker.aclose()
    with pytest.raises(ConfigurationError, match=r"the Docker engine has no runtime runsc-kvm, it has .*runc"):
        await select_driver("docker", engine=gvisor_engine, runtime="runsc-kvm")
    strong = await select_driver("docker", engine=gvisor_engine, runtime="runsc")
    for tier in (None, "process", "container", "gvisor"):
        require_tier(strong, tier)
    with pytest.raises(ConfigurationError, match="required_tier is microvm, driver docker gives gvisor here"):
        require_tier(strong, "microvm")
    await strong.aclose()
