"""Drivers and pools that the container tests share."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from orchestrator.sandboxes.driver import Driver, RunnerLimits
from orchestrator.sandboxes.pool import Pool
from orchestrator.sandboxes.probe import make_driver

LIMITS = RunnerLimits(memory_bytes=256 << 20, pids=48, tmp_bytes=16 << 20, work_bytes=16 << 20, tmp_inodes=512)
DRIVERS = [pytest.param("docker", marks=pytest.mark.docker), "bubblewrap"]


@pytest.fixture(params=DRIVERS)
async def driver(request: pytest.FixtureRequest) -> AsyncIterator[Driver]:
    engine = request.getfixturevalue("docker_engine") if request.param == "docker" else None
    made = make_driver(request.param, engine=engine)
    report = await made.probe()
    assert report.available, f"{report.reason}; {report.remedy}"
    yield made
    await made.aclose()


@pytest.fixture
async def pool(driver: Driver, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pool]:
    folder = tmp_path_factory.mktemp("s")
    made = Pool(
        driver,
        size=1,
        max_runners=4,
        socket_dir=folder,
        store_id=f"test-{os.getpid()}-{folder.name}",
        incarnation=1,
        runner_limits=LIMITS,
    )
    await made.start()
    yield made
    await made.aclose()
