"""Stores of killed processes of earlier versions: their steps are run again against their journals, to the same end.

The recordings are in ``recorded/``; ``record.py`` says how one is made. A recording that does not give the same any
more means that jobs of users would not: the change is wrong, not the recording.
"""

from __future__ import annotations

import asyncio
import json
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.app import open_store
from orchestrator.engine.inspection import Inspection
from statek.records import RECORD_FORMAT
from statek.settings import StatekSettings
from tests.replay.jobs import ROLES
from tests.replay.runs import resume

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.json"))

pytestmark = pytest.mark.timeout(180)


def about(recording: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(recording.read_text())
    return found


@pytest.fixture(params=RECORDED, ids=lambda path: path.stem)
def recording(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.fixture
def folder(recording: Path) -> Iterator[Path]:
    """What the killed process left."""
    with tempfile.TemporaryDirectory(prefix="rec") as name:
        with tarfile.open(recording.with_suffix(".tar.xz")) as tar:
            tar.extractall(name, filter="data")
        yield Path(name)


def test_there_is_a_recording_of_the_record_format_in_force() -> None:
    assert RECORD_FORMAT in {about(recording)["record_format"] for recording in RECORDED}


async def test_recorded_jobs_come_to_the_same_end(recording: Path, folder: Path) -> None:
    assert await resume(folder) == about(recording)["facts"]


async def test_what_was_done_before_reads_as_it_did(recording: Path, folder: Path) -> None:
    """Without a service: steps, variables of every commit and calls of the steps that had ended before the kill."""
    expected = about(recording)["facts"]["jobs"]
    store = await asyncio.to_thread(open_store, StatekSettings.load({"data_dir": folder / "d"}, environ={}))
    try:
        inspection = Inspection(store)
        jobs = {summary.role: summary for summary in await inspection.jobs()}
        assert set(jobs) <= set(ROLES)
        for role, summary in jobs.items():
            view = await inspection.job(summary.id)
            ended = [item for item in view.items if item.step and item.state == "committed"]
            assert [item.code for item in ended] == [step["code"] for step in expected[role]["steps"]][: len(ended)]
            calls = [[[call.name, call.state] for call in item.calls] for item in ended]
            assert calls == [step["calls"] for step in expected[role]["steps"]][: len(ended)]
            for number in range(view.commits):
                variables = {one.name: one.form for one in await inspection.variables(summary.id, number)}
                past = expected[role]["past"][number]["variables"]
                assert variables == {name: form for name, (form, _) in past.items()}
    finally:
        await asyncio.to_thread(store.close)


async def test_a_recorded_step_is_in_flight_with_its_journal(folder: Path) -> None:
    """The recordings do hold a step in flight, with a journal."""
    store = await asyncio.to_thread(open_store, StatekSettings.load({"data_dir": folder / "d"}, environ={}))
    try:
        inspection = Inspection(store)
        (worker,) = [one for one in await inspection.jobs() if one.role == "worker"]
        (item,) = [one for one in (await inspection.job(worker.id)).items if one.state == "begun"]
    finally:
        await asyncio.to_thread(store.close)
    assert [(call.name, call.state) for call in item.calls][-1] == ("hold", "in doubt")
    assert len(item.calls) == 10
