"""The engine goes away: one clear error, and no runner stays behind."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.sandboxes.docker import DockerDriver, engine_remedy
from orchestrator.sandboxes.driver import RunnerSpec
from orchestrator.sandboxes.pool import Pool
from orchestrator.sandboxes.step import Death, DeathCause
from statek.exceptions import ConfigurationError, RunnerLost
from tests.support.private_engine import PrivateEngine
from tests.support.steps import Console, run

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]


@pytest.fixture
async def own_engine() -> AsyncIterator[PrivateEngine]:
    # Not pytest's folder: its path leaves no room for the engine's sockets.
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="eng"))
    engine = PrivateEngine(folder)
    await asyncio.to_thread(engine.start)
    yield engine
    await asyncio.to_thread(engine.stop)
    await asyncio.to_thread(shutil.rmtree, folder, True)


@pytest.mark.root
async def test_engine_stopped_in_mid_step(own_engine: PrivateEngine, tmp_path: Path) -> None:
    driver = DockerDriver(own_engine.address)
    pool = Pool(driver, size=0, max_runners=2, socket_dir=tmp_path, store_id="gone", incarnation=1)
    await pool.start()
    try:
        sandbox = await pool.claim(timeout=60)
        console = Console()
        running = asyncio.create_task(run(sandbox, "print('on')\nwhile True: pass", deadline=100.0, console=console))
        while "on" not in console.text:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(own_engine.stop)
        end = await running
        assert isinstance(end, Death)
        assert end.cause is DeathCause.LOST
        with pytest.raises(RunnerLost) as caught:
            await driver.start(RunnerSpec("x", tmp_path / "x.sock"))
        assert str(caught.value).startswith(f"the Docker engine {own_engine.address} does not answer (")
    finally:
        await pool.aclose()
        await driver.aclose()


async def test_no_engine_at_all_is_said_in_one_sentence(tmp_path: Path) -> None:
    address = f"unix://{tmp_path}/none.sock"
    driver = DockerDriver(address)
    report = await driver.probe()
    reason = f"the Docker engine {address} does not answer ([Errno 2] No such file or directory)"
    assert (report.available, report.reason, report.remedy) == (False, reason, engine_remedy(address))
    with pytest.raises(ConfigurationError) as caught:
        await driver.prepare("base")
    assert str(caught.value) == reason
    await driver.aclose()
