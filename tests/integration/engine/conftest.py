"""A real service per test: real store, real runner processes; only the model is scripted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from orchestrator.app import open_service
from orchestrator.engine.service import Service
from statek import tool
from statek.agents.agent import SupervisedAgent
from statek.exceptions import ModelError
from statek.executors.views import ItemView, JobView
from statek.model import Model, ModelReply, ModelRequest
from statek.settings import StatekSettings
from statek.testing import ScriptedModel

Open = Callable[..., AbstractAsyncContextManager[Service]]


def code(source: str) -> str:
    """A reply that runs ``source``."""
    return f"```python\n{source}\n```"


def steps(job: JobView) -> list[ItemView]:
    """The entries of the chat log that ran code."""
    return [item for item in job.items if item.step]


def console(item: ItemView) -> list[str]:
    """The texts of a step's console."""
    return [text for _, text in item.console]


class RunnerLoss:
    """A tool that ends the runner of the step that calls it, the first time; harmless afterwards."""

    def __init__(self) -> None:
        self.service: Service | None = None

        @tool(effect="none")
        async def lose_runner(**kwargs: object) -> None:
            """End the runner of this very step."""
            service, self.service = self.service, None
            if service is not None:
                for driver in service._drivers.values():
                    await driver._sandbox._driver.kill(driver._sandbox.runner)  # type: ignore[union-attr]

        self.tool = lose_runner


@pytest.fixture
def runner_loss() -> RunnerLoss:
    return RunnerLoss()


async def crash(service: Service) -> None:
    """Stop driving as a crash would: nothing is put down, nothing more is written."""
    await service._scheduler.stop()
    service._drivers.clear()


@pytest.fixture
def open_with(tmp_path: Path) -> Open:
    """Opens a service over this test's store; again after it was closed, as after a restart."""

    @asynccontextmanager
    async def opened(
        replies: Sequence[Any],
        *,
        tools: Sequence[Any] = (),
        warmup: str | None = None,
        metadata: dict[str, str] | None = None,
        prompt: str = "Work.",
        **settings: Any,
    ) -> AsyncIterator[Service]:
        agent = SupervisedAgent(
            role="helper",
            _system_prompt=prompt,
            _tools=list(tools),
            _metadata={"MODEL": "scripted/test", **(metadata or {})},
            warmup_def=warmup,
        )
        values = {"data_dir": tmp_path / "data", "driver": "process", "pool_size": 1, **settings}
        async with open_service(StatekSettings.load(values, environ={}), [agent], model=ScriptedModel(replies)) as svc:
            yield svc

    return opened


class RoleModel:
    """A model that answers by the role that a job's prompt names (``I am <role>.``) and by the job's turn.

    Args:
        scripts: replies by role: texts, or functions of the request.
    """

    def __init__(self, **scripts: Sequence[Any]) -> None:
        self._scripts = scripts
        self.requests: list[ModelRequest] = []

    async def complete(self, request: ModelRequest) -> ModelReply:
        """The reply of the job's role for its turn."""
        self.requests.append(request)
        role = str(request.messages[0]["content"]).removeprefix("I am ").partition(".")[0]
        script = self._scripts[role]
        if request.turn >= len(script):
            raise ModelError(f"{role} has no reply for turn {request.turn}")
        reply = script[request.turn]
        return ModelReply(text=reply(request) if callable(reply) else reply)

    def asked(self, job: str) -> list[ModelRequest]:
        """The requests of one job."""
        return [request for request in self.requests if request.job_id == job]


def agent(role: str, *, tools: Sequence[Any] = (), warmup: str | None = None, **metadata: str) -> SupervisedAgent:
    """An agent whose prompt names its role."""
    return SupervisedAgent(
        role=role,
        _system_prompt=f"I am {role}.",
        _tools=list(tools),
        _metadata={"MODEL": "scripted/test", **metadata},
        warmup_def=warmup,
    )


@pytest.fixture
def open_agents(tmp_path: Path) -> Open:
    """Opens a service with several agents over this test's store."""

    @asynccontextmanager
    async def opened(agents: Sequence[SupervisedAgent], model: Model, **settings: Any) -> AsyncIterator[Service]:
        values = {"data_dir": tmp_path / "data", "driver": "process", "pool_size": 1, **settings}
        async with open_service(StatekSettings.load(values, environ={}), agents, model=model) as service:
            yield service

    return opened
