"""A real service behind a real socket; only the model is scripted. Blocking clients run on threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestrator.api.client import StatekClient
from orchestrator.api.server import ApiServer
from orchestrator.app import open_service
from orchestrator.engine.service import Service
from statek.agents.agent import SupervisedAgent
from statek.settings import StatekSettings
from statek.testing import ScriptedModel


@dataclass
class Served:
    """A service, its settings and a client of it."""

    service: Service
    settings: StatekSettings
    client: StatekClient

    async def ask(self, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a blocking verb of the client while the service goes on."""
        return await asyncio.to_thread(verb, *args, **kwargs)


Serve = Callable[..., AbstractAsyncContextManager[Served]]


def code(source: str) -> str:
    """A reply that runs ``source``."""
    return f"```python\n{source}\n```"


@pytest.fixture
def settings(tmp_path: Path) -> StatekSettings:
    values = {"data_dir": tmp_path / "d", "driver": "process", "pool_size": 1}
    return StatekSettings.load(values, environ={})


@pytest.fixture
def serve(settings: StatekSettings) -> Serve:
    @asynccontextmanager
    async def served(replies: Sequence[Any] = (), *, tools: Sequence[Any] = ()) -> AsyncIterator[Served]:
        agent = SupervisedAgent(
            role="helper", _system_prompt="Work.", _tools=list(tools), _metadata={"MODEL": "scripted/test"}
        )
        async with (
            open_service(settings, [agent], model=ScriptedModel(replies)) as service,
            ApiServer(service, settings),
        ):
            with StatekClient(settings.data_dir / "api.sock") as client:
                yield Served(service, settings, client)

    return served
