"""The same attacks against every driver that isolates: what dies, how, and what stands afterwards."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from orchestrator.sandboxes.driver import Driver, Tier
from orchestrator.sandboxes.pool import Pool
from orchestrator.sandboxes.step import Death, DeathCause, Outcome, StepResult
from tests.support.steps import Console, bounded_by_rlimit, run


async def survives(pool: Pool) -> None:
    """The pool gives another sandbox, and that one works."""
    sandbox = await pool.claim(timeout=30)
    console = Console()
    end = await run(sandbox, "print(6 * 7)", console=console)
    assert isinstance(end, StepResult)
    assert (end.outcome, console.text.strip()) == (Outcome.OK, "42")


IGNORE_SIGNALS = """
import signal
for n in range(1, 32):
    try: signal.signal(n, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: pass
"""
ATTACKS = {
    "memory bomb": ("data = []\nwhile True: data.append(bytearray(1 << 20))", {DeathCause.MEMORY}),
    "endless loop": ("while True: pass", {DeathCause.DEADLINE}),
    "ignores every signal": (IGNORE_SIGNALS, {DeathCause.DEADLINE}),
    "segfault": ("import ctypes; ctypes.string_at(0)", {DeathCause.CRASHED}),
    "leaves at once": ("import os; os._exit(42)", {DeathCause.CRASHED}),
}


@pytest.mark.parametrize("attack", sorted(ATTACKS))
async def test_attack_ends_in_its_death_and_the_pool_goes_on(pool: Pool, attack: str, driver: Driver) -> None:
    code, causes = ATTACKS[attack]
    sandbox = await pool.claim(timeout=30)
    end = await run(sandbox, code, deadline=1.0 if DeathCause.DEADLINE in causes else 20.0)
    if attack == "memory bomb" and bounded_by_rlimit(driver):
        assert isinstance(end, StepResult), end
        assert (end.outcome, end.error_type) == (Outcome.ERROR, "MemoryError")
    else:
        assert isinstance(end, Death), end
        assert end.cause in causes, end
    await pool.destroy(sandbox)
    await survives(pool)


REFUSED = {
    "fork": ("import os; os.fork()", {"PermissionError", "BlockingIOError"}),
    "program": ("import subprocess; subprocess.run(['/usr/bin/python3.11', '-c', ''])", {"PermissionError", "OSError"}),
    "network socket": ("import socket; socket.socket(socket.AF_INET)", {"PermissionError", "OSError"}),
    "write outside": ("open('/usr/evil', 'w')", {"PermissionError", "OSError"}),
    "fill /tmp": ("open('/tmp/big', 'wb').write(b'x' * (64 << 20))", {"OSError"}),
    "kill PID 1": ("import os; os.kill(1, 9)", {"PermissionError", "ProcessLookupError"}),
    "memory of PID 1": ("open('/proc/1/mem', 'rb')", {"PermissionError", "FileNotFoundError"}),
    "host's password file": ("open('/etc/shadow')", {"PermissionError", "FileNotFoundError"}),
    "become root": ("import os; os.setuid(0)", {"PermissionError"}),
}


@pytest.mark.parametrize("attempt", sorted(REFUSED))
async def test_attempt_is_an_ordinary_error_in_the_code(pool: Pool, attempt: str) -> None:
    code, types = REFUSED[attempt]
    sandbox = await pool.claim(timeout=30)
    end = await run(sandbox, code)
    assert isinstance(end, StepResult), end
    assert end.outcome is Outcome.ERROR
    assert end.error_type in types, (end.error_type, end.error_message)


async def test_inode_flood_is_bounded(pool: Pool, driver: Driver) -> None:
    sandbox = await pool.claim(timeout=30)
    end = await run(sandbox, "for n in range(10**7): open(f'/tmp/{n}', 'w').close()", deadline=20.0)
    if driver.tier is Tier.CONTAINER:
        assert isinstance(end, StepResult), end
        assert (end.outcome, end.error_type) == (Outcome.ERROR, "OSError")
    else:
        # bubblewrap's tmpfs has no inode limit: the memory group is what bounds it.
        assert isinstance(end, Death), end
        assert end.cause in {DeathCause.MEMORY, DeathCause.DEADLINE}
    await pool.destroy(sandbox)
    await survives(pool)


async def test_host_kill_takes_everything_and_the_step_ends(pool: Pool, driver: Driver) -> None:
    sandbox = await pool.claim(timeout=30)
    console = Console()
    running = asyncio.create_task(run(sandbox, "print('on')\nwhile True: pass", deadline=60.0, console=console))
    while "on" not in console.text:
        await asyncio.sleep(0.01)
    await driver.kill(sandbox.runner)
    end = await running
    assert isinstance(end, Death)
    assert end.cause is DeathCause.LOST
    assert sandbox.runner.runner_id not in {ref.runner_id for ref in await driver.list_runners(pool._store_id)}
    await driver.kill(sandbox.runner)  # idempotent


async def test_orphans_of_an_older_incarnation_are_ended_at_the_start(driver: Driver, tmp_path: Path) -> None:
    store = f"orphans-{os.getpid()}-{driver.name}"
    first = Pool(driver, size=2, max_runners=2, socket_dir=tmp_path / "a", store_id=store, incarnation=1)
    await first.start()
    await first.wait_warm(2, timeout=30)
    # As after a SIGKILL of the first orchestrator: nobody ends its runners.
    left = {ref.runner_id for ref in await driver.list_runners(store)}
    second = Pool(driver, size=0, max_runners=2, socket_dir=tmp_path / "b", store_id=store, incarnation=2)
    first._closed = True
    for task in first._tasks:
        task.cancel()
    await second.start()
    try:
        assert (len(left), second.statistics().orphans) == (2, 2)
        assert await driver.list_runners(store) == []
    finally:
        await second.aclose()
        await first.aclose()
