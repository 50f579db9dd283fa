"""The service inside the test's own process, with the application of the documents in its store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dbzero
import pytest

import statek
from statek import durable
from statek.agents.agent import Agent
from statek.executors.job import Job
from statek.settings import StatekSettings, set_statek_settings
from statek.testing import ScriptedModel
from tests.documents.printed.application import DAY, Message, make_message


@pytest.fixture(autouse=True)
def fresh_process() -> Iterator[None]:
    """Leave nothing open behind and no settings in force."""
    yield
    statek.close()
    if durable.is_initialised():
        dbzero.close()
    set_statek_settings(None)


class Application:
    """The application's objects, and jobs over them."""

    def __init__(self, settings: StatekSettings) -> None:
        self.store = statek.init(settings=settings).store
        self.message: Message = self.store.commit_sync(make_message)

    def variables(self) -> dict[str, Any]:
        """What the documents say a job begins with."""
        message = self.message

        def read() -> dict[str, Any]:
            return {
                "user": message.sender,
                "message": message,
                "calendar": message.sender.calendar,
                "today": DAY,
                "timestamp": message.created_at,
            }

        return self.store.read_sync(read)

    def work(self, agent: Agent, replies: Sequence[Any], variables: Mapping[str, Any] | None = None) -> Job:
        """Run one job to its end; it must not fail."""
        shared = self.variables() if variables is None else variables
        job = statek.StatekClientAPI().submit_new_job(agent, shared)
        statek.start_statek(agent, model=ScriptedModel(replies), until_idle=True)
        assert (job.status.name, job.error) == ("DONE", None)
        return job


@pytest.fixture
def application(tmp_path: Path) -> Application:
    return Application(StatekSettings(data_dir=tmp_path / "data", driver="bubblewrap", pool_size=1))
