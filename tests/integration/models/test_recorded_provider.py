from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from statek.testing import RecordedProvider, parse_transcript

pytestmark = pytest.mark.timeout(20)
TRANSCRIPT = parse_transcript("## Turn 1\n\nfirst\n\n## Turn 2\n\nsecond\n", "talk.md")


@pytest.fixture
def server() -> Iterator[RecordedProvider]:
    with RecordedProvider(TRANSCRIPT, warmup_messages=1) as running:
        yield running


def send(server: RecordedProvider, body: Any, method: str = "POST", path: str = "/v1/chat/completions", **headers: str):
    host = server.api_base.removeprefix("http://").removesuffix("/v1")
    connection = http.client.HTTPConnection(host, timeout=10)
    try:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, data, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def asked(assistants: int, **more: Any) -> dict[str, Any]:
    return {"model": "recorded", "messages": [{"role": "assistant", "content": "x"}] * assistants, **more}


def test_the_history_chooses_the_reply(server):
    replies = [send(server, asked(n))[1]["choices"][0]["message"]["content"] for n in (2, 1, 2)]
    assert replies == ["second", "first", "second"]
    assert server.served == 3


def test_the_usage_is_given(server):
    status, data = send(server, asked(1))
    assert status == 200
    assert data["usage"] == {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


@pytest.mark.parametrize(
    ("body", "status", "code", "message"),
    [
        (b"{", 400, "invalid_json", None),
        (b"[" * 100_000, 400, "invalid_json", None),
        ([], 400, "invalid_request", "the body must be a JSON object, got list"),
        ({"messages": []}, 400, "invalid_request", "model must be a non-empty string"),
        ({"model": "m", "messages": []}, 400, "invalid_request", "messages must be a non-empty list"),
        (
            {"model": "m", "messages": [{"role": "user"}, {"role": "boss"}]},
            400,
            "invalid_request",
            "messages[1] must be an object with a known role",
        ),
        (asked(1, stream=True), 400, "unsupported", "streaming is not recorded: leave stream out"),
        (asked(1, n=2), 400, "unsupported", "n must be 1: one reply per turn is recorded"),
        (
            {"model": "m", "messages": [{"role": "user", "content": "x"}]},
            400,
            "invalid_request",
            "expected at least 1 assistant messages of warm-up, got 0",
        ),
        (asked(3), 400, "transcript_exhausted", "the transcript talk.md has 2 turns, turn 3 was asked for"),
    ],
)
def test_a_bad_request_is_refused(server, body, status, code, message):
    answered, data = send(server, body)
    assert (answered, data["error"]["code"]) == (status, code)
    if message is not None:
        assert data["error"]["message"] == message


def test_other_paths_and_sizes_are_refused(server):
    assert send(server, {}, path="/v1/embeddings")[0] == 404
    assert send(server, b"", "GET", "/secret")[0] == 404
    assert send(server, b"", "GET", "/v1/models")[1]["data"] == [{"id": "recorded", "object": "model"}]
    assert send(server, b"", **{"Content-Length": str(1 << 40)})[0] == 413
    assert send(server, b"", **{"Content-Length": "x"})[0] == 411


def test_it_listens_only_while_entered():
    server = RecordedProvider(TRANSCRIPT)
    with pytest.raises(RuntimeError, match=r"^the recorded provider is not running: enter it first$"):
        _ = server.api_base
    with server:
        assert server.api_base.startswith("http://127.0.0.1:")
        with pytest.raises(RuntimeError, match=r"^the recorded provider is running already$"):
            server.start()
    server.stop()
    with pytest.raises(ValueError, match=r"^warmup_messages must not be negative, got -1$"):
        RecordedProvider(TRANSCRIPT, warmup_messages=-1)
