"""A real service with an application's durable classes, whose agent a test chooses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from orchestrator.app import open_service
from orchestrator.engine.service import Service
from statek.agents.agent import SupervisedAgent
from statek.executors.views import ItemView, JobView
from statek.settings import StatekSettings
from statek.testing import ScriptedModel

Open = Callable[..., AbstractAsyncContextManager[Service]]


def code(source: str) -> str:
    """A reply that runs ``source``."""
    return f"```python\n{source}\n```"


def steps(job: JobView) -> list[ItemView]:
    """The entries of the chat log that ran code."""
    return [item for item in job.items if item.step]


def printed(item: ItemView) -> str:
    """What a step's console shows."""
    return "\n".join(text for _, text in item.console)


@pytest.fixture
def open_with(tmp_path: Path) -> Open:
    """Opens a service over this test's store; again after it was closed, as after a restart."""

    @asynccontextmanager
    async def opened(
        replies: Sequence[Any], *, agent: type[SupervisedAgent] = SupervisedAgent, **given: Any
    ) -> AsyncIterator[Service]:
        settings = {key: given.pop(key) for key in list(given) if not key.startswith("_") and key != "warmup_def"}
        given.setdefault("_metadata", {"MODEL": "scripted/test"})
        made = agent(role="helper", _system_prompt="Work.", **given)
        values = {"data_dir": tmp_path / "data", "driver": "process", "pool_size": 1, **settings}
        async with open_service(StatekSettings.load(values, environ={}), [made], model=ScriptedModel(replies)) as svc:
            yield svc

    return opened
