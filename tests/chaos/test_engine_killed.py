"""The Docker engine is killed under a job: one error that names it, and the job goes on when the engine is back."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.app import open_service
from orchestrator.sandboxes.docker import DockerDriver
from statek import tool
from statek.agents.agent import SupervisedAgent
from statek.settings import StatekSettings
from statek.testing import ScriptedModel
from tests.support.private_engine import PrivateEngine

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]


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
async def test_engine_killed_in_mid_job(
    own_engine: PrivateEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("orchestrator.engine.stalled_jobs._RETRY_SECONDS", 0.5)
    sent: list[int] = []

    @tool(effect="external")
    async def kill_engine(**kwargs: object) -> str:
        """Kill the engine under this very step, runners included."""
        sent.append(1)
        await asyncio.to_thread(own_engine.stop)
        return "killed"

    replies = [f"```python\n{source}\n```" for source in ("kept = 1", "print(kill_engine())", "exit(kept)")]
    agent = SupervisedAgent(
        role="helper", _system_prompt="Work.", _tools=[kill_engine], _metadata={"MODEL": "scripted/test"}
    )
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="st-"))
    settings = StatekSettings.load({"data_dir": folder, "pool_size": 0, "idle_hold_seconds": 0}, environ={})
    driver = DockerDriver(own_engine.address)
    model = ScriptedModel(replies, delay_seconds=0.2)
    try:
        with caplog.at_level(logging.ERROR):
            async with open_service(settings, [agent], model=model, driver=driver) as service:
                id_ = await service.submit("helper")
                stalled = await service.wait(id_)
                assert stalled.status in {"STARTED", "READY"}
                assert f"the Docker engine {own_engine.address} does not answer" in stalled.reason
                await asyncio.to_thread(own_engine.start)
                async with asyncio.timeout(120):
                    while (summary := (await service.jobs())[0]).status != "DONE":
                        await asyncio.sleep(0.05)
        assert (summary.exit_status, summary.failure) == ("1", None)
        assert sent == [1]
        assert own_engine.address in caplog.text
    finally:
        await driver.aclose()
        await asyncio.to_thread(shutil.rmtree, folder, True)
