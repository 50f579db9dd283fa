"""The gateway through litellm against a real HTTP server."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from orchestrator.models import GatewaySettings, LiteLLMModel
from statek.exceptions import ModelError
from statek.model import ModelReply, ModelRequest, ModelUsage, ProviderToolCall
from statek.testing import RecordedProvider, parse_transcript
from tests.integration.models.provider_server import Answer, completion

pytestmark = pytest.mark.timeout(60)

MESSAGES = ({"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"})
USAGE = ModelUsage(input_tokens=1000, output_tokens=100, cached_tokens=400, cost_microusd=None, attempts=1)


def ask(server: Any, model: str = "openai/nobody-sells-this", **more: Any) -> ModelRequest:
    options = {"api_base": server if isinstance(server, str) else server.base, **more.pop("options", {})}
    return ModelRequest(model=model, messages=MESSAGES, options=options, **more)


async def failure(model: LiteLLMModel, request: ModelRequest) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await model.complete(request)
    return caught.value


async def test_an_answer_with_its_usage(provider, gateway):
    server = provider(Answer(body=completion("hello")))
    reply = await gateway().complete(ask(server, temperature=0.5, job_id="job-77", options={"max_tokens": 9}))
    assert ModelReply("hello", (), USAGE) == reply
    headers, body = server.requests[0]
    assert {"model": "nobody-sells-this", "messages": list(MESSAGES), "temperature": 0.5, "max_tokens": 9} == body
    assert headers["authorization"] == "Bearer no-key"
    assert "job-77" not in json.dumps([headers, body])


async def test_a_cost_from_the_price_table(provider, gateway):
    server = provider(Answer(body={**completion(), "model": "gpt-4o-mini"}))
    reply = await gateway().complete(ask(server, "openai/gpt-4o-mini"))
    # 600 fresh at 0.15, 400 cached at 0.075, 100 out at 0.60 dollars per million tokens.
    assert reply.usage.cost_microusd == 90 + 30 + 60


async def test_tool_calls_are_passed_on_unchecked(provider, gateway):
    call = {"id": "c9", "type": "function", "function": {"name": "python_cli", "arguments": '{"code": '}}
    server = provider(Answer(body=completion(None, tool_calls=[call])))
    tools = ({"type": "function", "function": {"name": "python_cli", "parameters": {"type": "object"}}},)
    reply = await gateway().complete(ask(server, tools=tools))
    assert ModelReply("", (ProviderToolCall("c9", "python_cli", '{"code": '),), USAGE) == reply
    assert list(tools) == server.requests[0][1]["tools"]


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(Answer(429, {"error": {"message": "slow down"}}, {"Retry-After": "0"}), id="429"),
        pytest.param(Answer(408, {"error": {"message": "late"}}), id="408"),
        pytest.param(Answer(500, {"error": {"message": "oops"}}), id="500"),
        pytest.param(Answer(503, b"<html>down</html>"), id="503"),
        pytest.param(Answer(body=b'{"choices": [oops'), id="malformed"),
        pytest.param(Answer(body=b"<html>login</html>"), id="html"),
        pytest.param(Answer(body={**completion(), "choices": []}), id="no-choices"),
        pytest.param(Answer(body=b'{"id": ', announce=1000), id="cut-off"),
    ],
)
async def test_a_passing_failure_is_tried_again(provider, gateway, bad):
    server = provider(bad, bad, Answer(body=completion("at last")))
    reply = await gateway().complete(ask(server))
    assert (reply.text, reply.usage.attempts, len(server.requests)) == ("at last", 3, 3)


async def test_a_lasting_failure_ends_after_the_attempts(provider, gateway):
    server = provider(Answer(500, {"error": {"message": "kaput"}}))
    error = await failure(gateway(attempts=3), ask(server))
    assert error.retryable
    assert len(server.requests) == 3
    assert str(error) == (
        "model 'openai/nobody-sells-this': InternalServerError: litellm.InternalServerError: InternalServerError: "
        "OpenAIException - kaput (after 3 attempts)"
    )


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_a_refusal_is_final_and_quotes_no_key(provider, gateway, status):
    secret = "sk-proj-aBcDeF123456789"
    server = provider(Answer(status, {"error": {"message": f"Incorrect API key provided: {secret}."}}))
    error = await failure(gateway(), ask(server))
    assert (error.retryable, len(server.requests)) == (False, 1)
    assert secret not in str(error)
    assert "[masked]" in str(error)


async def test_a_long_retry_after_ends_the_call_at_once(provider, gateway):
    server = provider(Answer(429, {"error": {"message": "tomorrow"}}, {"Retry-After": "86400"}))
    error = await failure(gateway(), ask(server))
    assert (error.retryable, len(server.requests)) == (True, 1)
    assert str(error).endswith("; the provider asks to wait 86400 s, the limit is 60 s")


async def test_retry_after_is_waited_for(provider, gateway):
    server = provider(Answer(429, {"error": {"message": "x"}}, {"Retry-After": "0.2"}), Answer(body=completion()))
    started = time.monotonic()
    await gateway().complete(ask(server))
    assert time.monotonic() - started >= 0.2


async def test_a_silent_provider_times_out(provider, gateway):
    server = provider(Answer(hold=True, body=completion()))
    error = await failure(gateway(timeout_seconds=0.3, attempts=2), ask(server))
    assert (error.retryable, len(server.requests)) == (True, 2)


async def test_nobody_listens(gateway):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        error = await failure(gateway(attempts=2), ask(base))
    assert error.retryable
    assert str(error).endswith("Connection error. (after 2 attempts)")


async def test_a_huge_body_is_cut_off(provider, gateway):
    server = provider(Answer(endless=True))
    error = await failure(gateway(max_reply_bytes=1 << 20), ask(server))
    assert (error.retryable, len(server.requests)) == (False, 1)
    assert str(error) == "model 'openai/nobody-sells-this': the reply has more than 1048576 bytes"


async def test_a_compressed_body_is_not_unpacked(provider, gateway):
    bomb = gzip.compress(b" " * (64 << 20))
    server = provider(Answer(body=bomb, headers={"Content-Encoding": "gzip"}))
    error = await failure(gateway(), ask(server))
    assert str(error) == (
        "model 'openai/nobody-sells-this': the reply is compressed (gzip) although that was not asked for"
    )
    assert server.requests[0][0]["accept-encoding"] == "identity"


async def test_the_environments_key_goes_to_trusted_addresses_only(provider, gateway, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-environment-1234")
    server = provider(Answer(body=completion()))
    await gateway().complete(ask(server))
    await gateway(trusted_api_bases=(server.base + "/",)).complete(ask(server))
    await gateway(api_keys={"openai": "explicit"}, api_base=server.base).complete(
        ModelRequest(model="openai/m", messages=MESSAGES)
    )
    sent = [headers["authorization"] for headers, _ in server.requests]
    assert sent == ["Bearer no-key", "Bearer sk-from-environment-1234", "Bearer explicit"]


async def test_a_provider_with_credentials_of_its_own_cannot_be_led_elsewhere(provider, gateway):
    server = provider(Answer(body=completion()))
    error = await failure(gateway(), ask(server, "vertex_ai/gemini-2.5-pro"))
    assert str(error) == (
        "model 'vertex_ai/gemini-2.5-pro' may only be asked at another api_base if trusted_api_bases lists it"
    )
    assert server.requests == []


async def test_a_missing_key_is_named(gateway, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    model = gateway()
    assert await model.missing_keys("openai/gpt-5-mini") == ("OPENAI_API_KEY",)
    error = await failure(model, ModelRequest(model="openai/gpt-5-mini", messages=MESSAGES))
    assert not error.retryable
    assert str(error) == (
        "model 'openai/gpt-5-mini' needs a provider key: set OPENAI_API_KEY in the environment. To run without a key, "
        "give an api_base of a model server of your own (hosted_vllm/<model>), or answer from a recording with "
        "statek.testing.RecordedProvider"
    )
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    assert await model.missing_keys("openai/gpt-5-mini") == ()


async def test_an_unknown_provider_is_named(gateway):
    error = await failure(gateway(), ModelRequest(model="nobody/nothing", messages=MESSAGES))
    assert str(error) == (
        "model 'nobody/nothing' names no known provider: write provider/model, for example openai/gpt-5-mini"
    )


@pytest.mark.parametrize("name", ["api_key", "base_url", "callbacks", "mock_response", "n", "stream"])
async def test_an_option_that_is_not_sampling_is_refused(gateway, name):
    error = await failure(gateway(), ModelRequest(model="openai/m", messages=MESSAGES, options={name: 1}))
    assert str(error).startswith(f"unknown model option {name}; known options: api_base, ")


async def test_many_calls_at_once_and_a_cancelled_one(provider, gateway):
    held = provider(Answer(hold=True, body=completion()))
    server = provider(Answer(body=completion("x")))
    model = gateway()
    waiting = asyncio.create_task(model.complete(ask(held)))
    replies = await asyncio.gather(*(model.complete(ask(server)) for _ in range(20)))
    assert [reply.text for reply in replies] == ["x"] * 20
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_closing_ends_calls_and_the_thread(provider, gateway):
    held = provider(Answer(hold=True, body=completion()))
    model = gateway()
    waiting = asyncio.create_task(model.complete(ask(held)))
    await asyncio.to_thread(held.arrived.wait, 20)
    await model.aclose()
    with pytest.raises(ModelError, match=r"^the model gateway was closed during the call$"):
        await waiting
    with pytest.raises(ModelError, match=r"^the model gateway is closed$"):
        await model.start()
    assert "litellm" not in [thread.name for thread in threading.enumerate()]


async def test_a_second_gateway_works_after_the_first_one_closed(provider):
    server = provider(Answer(body=completion()))
    for _ in range(2):
        model = LiteLLMModel(GatewaySettings())
        assert (await model.complete(ask(server))).text == "hello"
        await model.aclose()


async def test_a_recorded_provider_is_a_provider(gateway):
    transcript = parse_transcript("## Turn 1\n\nfirst\n\n## Turn 2\n\nsecond\n")
    with RecordedProvider(transcript) as recorded:
        model = gateway()
        first = await model.complete(ask(recorded.api_base))
        history = (*MESSAGES, {"role": "assistant", "content": first.text}, {"role": "user", "content": "ok"})
        request = ModelRequest("openai/recorded", history, options={"api_base": recorded.api_base})
        second = await model.complete(request)
        assert (first.text, second.text, second.usage.cost_microusd) == ("first", "second", None)
        history = (*history, {"role": "assistant", "content": second.text})
        error = await failure(model, ModelRequest("openai/r", history, options={"api_base": recorded.api_base}))
    assert "the transcript transcript has 2 turns, turn 3 was asked for" in str(error)
    assert not error.retryable


def test_litellm_is_not_imported_before_it_is_needed():
    code = (
        "import sys; import orchestrator.models as m; m.LiteLLMModel(); "
        "print(sorted(n for n in ('litellm', 'openai', 'httpx') if n in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert (done.stdout, done.stderr) == ("[]\n", "")
