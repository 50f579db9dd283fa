"""What metadata and settings say is in the request that the provider gets: read off a real HTTP server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.app import open_service
from orchestrator.models import LiteLLMModel
from statek.agents.agent import SupervisedAgent
from statek.settings import StatekSettings, set_statek_settings
from tests.integration.models.provider_server import Answer, Provider, completion

pytestmark = pytest.mark.timeout(90)

DONE = Answer(body=completion("```python\nexit()\n```"))
PROMPT = "Work.\n\n--- L: SMALL ---\nBe quick.\n\n--- H: LARGE ---\nBe careful."


@pytest.fixture
def ask(
    provider: Callable[..., Provider],
    gateway: Callable[..., LiteLLMModel],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Any]:
    """Runs one job and gives what the provider was asked: headers and body."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    monkeypatch.setenv("CEREBRAS_API_KEY", "sk-cerebras")
    server = provider(DONE)
    model = gateway(trusted_api_bases=(server.base,))

    async def run(
        metadata: dict[str, str], settings: dict[str, Any] | None = None, **given: Any
    ) -> tuple[dict[str, str], dict[str, Any]]:
        values = {"data_dir": tmp_path / "data", "driver": "process", "pool_size": 1, **(settings or {})}
        chosen = StatekSettings.load(values, environ={})
        set_statek_settings(chosen)
        try:
            agent = SupervisedAgent("helper", PROMPT, _metadata={"API_BASE": server.base, **metadata})
            async with open_service(chosen, [agent], model=model) as service:
                summary = await service.wait(await service.submit("helper", message="Hi.", **given))
        finally:
            set_statek_settings(None)
        assert summary.failure is None
        return server.requests[-1]

    return run


async def test_temperature(ask: Callable[..., Any]) -> None:
    _, plain = await ask({"MODEL": "openai/m"})
    _, warm = await ask({"MODEL": "openai/m", "TEMPERATURE": "0.25"})
    _, own = await ask({"MODEL": "openai/m/temperature=0.5", "TEMPERATURE": "0.25"})
    assert ("temperature" in plain, warm["temperature"], own["temperature"]) == (False, 0.25, 0.5)


async def test_provider(ask: Callable[..., Any]) -> None:
    asked = [
        await ask({"MODEL": "m", "PROVIDER": "openai"}),
        await ask({"MODEL": "m", "PROVIDER": "cerebras"}),
        await ask({"MODEL": "openai/m", "PROVIDER": "cerebras"}),
        await ask({"MODEL": "m"}, {"default_llm_api_provider": "cerebras"}),
        await ask({"MODEL": "m", "PROVIDER": "openai"}, {"default_llm_api_provider": "cerebras"}),
    ]
    assert [(headers["authorization"], body["model"]) for headers, body in asked] == [
        ("Bearer sk-openai", "m"),
        ("Bearer sk-cerebras", "m"),
        ("Bearer sk-openai", "m"),
        ("Bearer sk-cerebras", "m"),
        ("Bearer sk-openai", "m"),
    ]


async def test_default_difficulty(ask: Callable[..., Any]) -> None:
    models = {"MODEL": "L:openai/small,M:openai/middle,H:openai/large"}
    asked = [
        await ask(models),
        await ask(models, {"default_difficulty": "L"}),
        await ask({**models, "DEFAULT_DIFFICULTY": "HIGH"}, {"default_difficulty": "L"}),
    ]
    said = [(body["model"], body["messages"][0]["content"].split("\n")[-1]) for _, body in asked]
    assert said == [("middle", "Work."), ("small", "Be quick."), ("large", "Be careful.")]


async def test_language_rule_and_hint(ask: Callable[..., Any]) -> None:
    def texts(body: dict[str, Any]) -> tuple[bool, str]:
        system, user = (message["content"] for message in body["messages"])
        return system != "Work.", user

    _, both = await ask({"MODEL": "openai/m"}, locale="PL-PL")
    _, neither = await ask({"MODEL": "openai/m", "AUTO_LANG_RULE": "false", "AUTO_LANG_HINT": "FALSE"}, locale="PL-PL")
    _, rule = await ask({"MODEL": "openai/m", "AUTO_LANG_HINT": "FALSE"}, locale="PL-PL")
    _, none = await ask({"MODEL": "openai/m"})
    assert [texts(body) for body in (neither, rule, none)] == [(False, "Hi."), (True, "Hi."), (False, "Hi.")]
    said, hinted = texts(both)
    assert (said, hinted.startswith("Hi. ("), hinted.endswith(")")) == (True, True, True)
