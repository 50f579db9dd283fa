"""A real service over this test's store, opened as often as a test wants."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from orchestrator.app import open_service
from orchestrator.engine.service import Service
from statek.agents.agent import SupervisedAgent
from statek.settings import StatekSettings
from statek.testing import ScriptedModel

Open = Callable[..., AbstractAsyncContextManager[Service]]


def code(source: str) -> str:
    """A reply that runs ``source``."""
    return f"```python\n{source}\n```"


def consoles(job: Any) -> list[list[str]]:
    """The console texts of every step that ran code."""
    return [[text for _, text in item.console] for item in job.items if item.step]


@pytest.fixture
def data_dir() -> Iterator[Path]:
    # Short: a Unix socket's path has 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="st-") as folder:
        yield Path(folder)


@pytest.fixture
def open_with(data_dir: Path) -> Open:
    """Opens a service over this test's store; again after it was closed, as after a restart."""

    @asynccontextmanager
    async def opened(
        replies: Sequence[Any], *, tools: Sequence[Any] = (), delay_seconds: float = 0, **settings: Any
    ) -> AsyncIterator[Service]:
        agent = SupervisedAgent(
            role="helper", _system_prompt="Work.", _tools=list(tools), _metadata={"MODEL": "scripted/test"}
        )
        values = {"data_dir": data_dir, "driver": "process", "pool_size": 1, **settings}
        model = ScriptedModel(replies, delay_seconds=delay_seconds)
        async with open_service(StatekSettings.load(values, environ={}), [agent], model=model) as service:
            yield service

    return opened
