"""Jobs that another thread submits while the embedded service is starting."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.embedded import Embedded
from orchestrator.engine.service import Service
from statek.agents.agent import SupervisedAgent
from statek.settings import StatekSettings
from statek.task_door import NewJob
from statek.testing import ScriptedModel

from .conftest import code


@pytest.mark.timeout(60)
async def test_job_submitted_between_recovery_and_the_first_notice_is_driven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = SupervisedAgent(role="helper", _system_prompt="Work.", _tools=[], _metadata={"MODEL": "scripted/test"})
    values = {"data_dir": tmp_path / "data", "driver": "process", "pool_size": 1}
    embedded = Embedded(StatekSettings.load(values, environ={}))
    start = Service.start

    def submit() -> str:
        return embedded.submit_batch(agent, [NewJob()])[0].id

    async def start_and_be_overtaken(self: Service) -> None:
        await start(self)
        submit()

    monkeypatch.setattr(Service, "start", start_and_be_overtaken)
    try:
        before = submit()
        await embedded.run([agent], model=ScriptedModel([code("exit('done')")]), until_idle=True)
        ended = [embedded.access.job_sync(id_).summary.status for id_ in (before, "j2")]
    finally:
        embedded.close()
    assert ended == ["DONE", "DONE"]
