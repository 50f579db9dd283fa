"""A provider on loopback and gateways that are closed at the end of the test."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from orchestrator.models import GatewaySettings, LiteLLMModel
from tests.integration.models.provider_server import Answer, Provider


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
