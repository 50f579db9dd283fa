"""A provider on loopback and gateways that are closed at the end of the test."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator.app import open_service
from orchestrator.models import GatewaySettings, LiteLLMModel
from statek.agents.agent import Agent
from statek.model import ModelReply
from statek.settings import StatekSettings
from tests.integration.models.provider_server import Answer, Provider
from tests.integration.models.shapes import SHAPES, answer

Ask = Callable[..., Any]


@pytest.fixture
def provider() -> Iterator[Callable[..., Provider]]:
    servers: list[Provider] = []

    def start(*answers: Answer) -> Provider:
        server = Provider(list(answers))
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.release.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
async def gateway() -> AsyncIterator[Callable[..., LiteLLMModel]]:
    opened: list[LiteLLMModel] = []

    def make(**settings: Any) -> LiteLLMModel:
        settings = {"backoff_seconds": 0.001, "timeout_seconds": 20, **settings}
        opened.append(LiteLLMModel(GatewaySettings(**settings)))
        return opened[-1]

    yield make
    for one in opened:
        await one.aclose()


@pytest.fixture
def ask(provider: Callable[..., Provider], gateway: Callable[..., Any], tmp_path: Path) -> Ask:
    """Runs a job against replies in a provider's form; gives the bodies of the requests and the job."""

    async def run(
        shape: str,
        agent: Agent,
        replies: list[ModelReply],
        message: str = "hi",
        others: Sequence[Agent] = (),
        **settings: Any,
    ) -> tuple[list[Any], Any]:
        server = provider(*(Answer(body=answer(shape, reply)) for reply in replies))
        base = f"http://127.0.0.1:{server.server_address[1]}"
        agent.update_metadata({**agent.metadata, "MODEL": SHAPES[shape], "API_BASE": base})
        model = gateway(trusted_api_bases=(base,), api_keys=dict.fromkeys(SHAPES, "key"), attempts=1)
        values = {"data_dir": tmp_path / shape, "driver": "process", "pool_size": 1, **settings}
        async with open_service(StatekSettings.load(values, environ={}), [agent, *others], model=model) as service:
            id_ = await service.submit(agent.role, message=message)
            await service.wait(id_)
            await service.wait_idle()  # the end of a sub-task may make it go on
            job = await service.job(id_)
        assert (job.summary.status, job.summary.failure) == ("DONE", None)
        assert len(server.requests) == len(replies)
        return [body for _, body in server.requests], job

    return run
