"""A job goes on upon the image that its newest commit names; another one is refused, and nothing is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from orchestrator.app import open_service
from orchestrator.engine.service import Service
from orchestrator.sandboxes.process import UnsafeProcessDriver
from statek.model import ModelReply, ModelRequest
from statek.settings import StatekSettings
from statek.testing import ScriptedModel

from .conftest import agent, code, crash, steps


class Image(UnsafeProcessDriver):
    """Runs what is here under the name of an image of the test's."""

    def __init__(self, digest: str) -> None:
        super().__init__()
        self._digest = digest

    async def prepare(self, flavour: str) -> str:
        """The name."""
        await super().prepare(flavour)
        return self._digest


class StopsAt:
    """A scripted model whose answer to one turn never comes while ``held``."""

    def __init__(self, replies: Sequence[str], turn: int) -> None:
        self._script = ScriptedModel(replies)
        self._turn = turn
        self.held = True
        self.reached = asyncio.Event()

    async def complete(self, request: ModelRequest) -> ModelReply:
        if self.held and request.turn == self._turn:
            self.reached.set()
            await asyncio.Event().wait()
        return await self._script.complete(request)


@asynccontextmanager
async def on_image(digest: str, folder: Path, model: Any) -> AsyncIterator[Service]:
    settings = StatekSettings.load({"data_dir": folder / "data", "pool_size": 1}, environ={})
    driver = Image(digest)
    try:
        async with open_service(settings, [agent("helper")], model=model, driver=driver) as service:
            yield service
    finally:
        await driver.aclose()


async def stopped_in_the_middle(folder: Path, model: StopsAt, *, crashed: bool) -> str:
    """A job on the image ``old``, left in the turn in which the model is silent."""
    async with on_image("old", folder, model) as service:
        id_ = await service.submit("helper")
        await model.reached.wait()
        if crashed:
            await crash(service)
    model.held = False
    return id_


REFUSED = (
    "job j1 was saved (commit 1) on the image old, and this service runs new: "
    "start the service with that image to go on with it, or move it (statek jobs migrate)"
)


@pytest.mark.parametrize("crashed", [False, True])
async def test_another_image_is_refused_and_the_right_one_goes_on(
    tmp_path: Path, crashed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    model = StopsAt([code("kept = [1, 2]"), code("exit(sum(kept))")], 1)
    id_ = await stopped_in_the_middle(tmp_path, model, crashed=crashed)
    with caplog.at_level(logging.ERROR, "statek.service"):
        async with on_image("new", tmp_path, model) as service:
            stalled = await service.wait(id_)
            beside = await service.wait(await service.submit("helper"))
            variables = await service.variables(id_)
    assert (stalled.status, stalled.reason, stalled.failure) == ("STARTED", REFUSED, None)
    assert [(one.name, one.value) for one in variables] == [("kept", [1, 2])]  # what it saved can be read all the same
    assert (beside.status, beside.exit_status) == ("DONE", "3")
    said = [record.getMessage() for record in caplog.records if record.name == "statek.service"]
    assert said == [f"job j1 cannot go on now: {REFUSED}"]
    async with on_image("old", tmp_path, model) as service:
        done = await service.wait(id_)
        made = steps(await service.job(id_))
    assert (done.status, done.exit_status, done.failure, done.reason) == ("DONE", "3", None, "")
    assert [item.code for item in made] == ["kept = [1, 2]", "exit(sum(kept))"]


async def test_a_refused_job_can_be_cancelled(tmp_path: Path) -> None:
    model = StopsAt([code("kept = 1"), code("exit(kept)")], 1)
    id_ = await stopped_in_the_middle(tmp_path, model, crashed=True)
    async with on_image("new", tmp_path, model) as service:
        assert (await service.wait(id_)).reason == REFUSED
        summary = await service.cancel(id_, "not needed")
    assert (summary.status, (summary.failure or {})["kind"]) == ("DONE", "cancelled")


async def test_a_job_that_has_kept_nothing_goes_on_upon_any_image(tmp_path: Path) -> None:
    model = StopsAt([code("print('looked around')"), code("exit(7)")], 1)
    id_ = await stopped_in_the_middle(tmp_path, model, crashed=True)
    async with on_image("new", tmp_path, model) as service:
        summary = await service.wait(id_)
    assert (summary.status, summary.exit_status) == ("DONE", "7")


async def test_a_fork_keeps_the_image_of_its_commit(tmp_path: Path) -> None:
    model = StopsAt([code("kept = 1"), code("more = 2"), code("exit(kept)")], 2)
    id_ = await stopped_in_the_middle(tmp_path, model, crashed=False)
    async with on_image("new", tmp_path, model) as service:
        summary = await service.wait(await service.past.fork(id_, 1))
    assert summary.reason == REFUSED.replace("j1", "j2")
