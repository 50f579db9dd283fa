"""An OpenAI-compatible HTTP server on loopback that answers from a recorded transcript.

A gateway talks to it as to any provider, so a whole job can be run, also on a machine without a provider key or a
network. It keeps no state: the reply is chosen by the number of assistant messages in the request, hence it makes no
difference whether server or client were restarted in between.
"""

from __future__ import annotations

import json
import re
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from statek.testing.transcript import Transcript

__all__ = ["RecordedProvider"]

_LOOKUP = re.compile(r"(?:```python\n)?print\(find_sub_task_handler\(id=.*\)\)(?:\n```)?")

_MAX_REQUEST_BYTES = 64 << 20
_SOCKET_TIMEOUT_SECONDS = 30.0
_ROLES = frozenset({"assistant", "developer", "system", "tool", "user"})


class _RefusedError(Exception):
    """A request that the server answers with an error."""

    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def _checked_messages(body: bytes) -> tuple[str, list[dict[str, Any]]]:
    """Model name and messages of a request body, or ``_RefusedError``."""
    bad = HTTPStatus.BAD_REQUEST
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _RefusedError(bad, "invalid_json", f"the body is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise _RefusedError(bad, "invalid_request", f"the body must be a JSON object, got {type(data).__name__}")
    model = data.get("model")
    if not isinstance(model, str) or not model:
        raise _RefusedError(bad, "invalid_request", "model must be a non-empty string")
    if data.get("stream"):
        raise _RefusedError(bad, "unsupported", "streaming is not recorded: leave stream out")
    if data.get("n", 1) != 1:
        raise _RefusedError(bad, "unsupported", "n must be 1: one reply per turn is recorded")
    messages = data.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _RefusedError(bad, "invalid_request", "messages must be a non-empty list")
    for position, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise _RefusedError(bad, "invalid_request", f"messages[{position}] must be an object with a known role")
    return model, messages


class _Handler(BaseHTTPRequestHandler):
    """One connection; the server object carries the transcript."""

    protocol_version = "HTTP/1.1"
    server_version = "RecordedProvider"
    sys_version = ""
    timeout = _SOCKET_TIMEOUT_SECONDS
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        try:
            body = self._read_body()
            if self.path != "/v1/chat/completions":
                raise _RefusedError(HTTPStatus.NOT_FOUND, "not_found", f"no such path: POST {self.path[:100]}")
            self._send(HTTPStatus.OK, self.server.completion(*_checked_messages(body)))
        except _RefusedError as error:
            self._send_error(error)

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self._send(HTTPStatus.OK, {"object": "list", "data": [{"id": "recorded", "object": "model"}]})
            return
        self._send_error(_RefusedError(HTTPStatus.NOT_FOUND, "not_found", f"no such path: GET {self.path[:100]}"))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing: the caller's output belongs to the caller."""

    def _read_body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self.close_connection = True
            raise _RefusedError(HTTPStatus.LENGTH_REQUIRED, "length_required", "a Content-Length header is required")
        if int(length) > _MAX_REQUEST_BYTES:
            self.close_connection = True
            text = f"the body has {int(length)} bytes, the limit is {_MAX_REQUEST_BYTES}"
            raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", text)
        return self.rfile.read(int(length))

    def _send_error(self, error: _RefusedError) -> None:
        self._send(
            error.status, {"error": {"message": str(error), "type": "invalid_request_error", "code": error.code}}
        )

    def _send(self, status: HTTPStatus, data: dict[str, Any]) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


def _is_reply(message: dict[str, Any]) -> bool:
    """Whether the model said it: the look-up of a sub-task's result is written by the service."""
    if message["role"] != "assistant":
        return False
    calls = message.get("tool_calls") or []
    if calls and all(str(call.get("id", "")).startswith("STATEK-SUBTASK-") for call in calls):
        return False
    return not _LOOKUP.fullmatch(str(message.get("content") or ""))


class _Server(ThreadingHTTPServer):
    """The listening socket and the transcript."""

    # A client that leaves its connection open must not hold up the end of the program.
    daemon_threads = True
    block_on_close = False

    def __init__(self, transcript: Transcript, warmup_messages: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.transcript = transcript
        self.warmup_messages = warmup_messages
        self.lock = threading.Lock()
        self.served = 0

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that went away in mid-request."""

    def completion(self, model: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
        """The reply in OpenAI form, or ``_RefusedError``."""
        turn = sum(_is_reply(message) for message in messages) - self.warmup_messages
        replies = self.transcript.replies
        if turn < 0:
            found = turn + self.warmup_messages
            text = f"expected at least {self.warmup_messages} assistant messages of warm-up, got {found}"
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "invalid_request", text)
        if turn >= len(replies):
            text = f"the transcript {self.transcript.name} has {len(replies)} turns, turn {turn + 1} was asked for"
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "transcript_exhausted", text)
        with self.lock:
            self.served += 1
        # About four characters make a token of English and code.
        prompt = sum(len(str(message.get("content") or "")) for message in messages) // 4 + 1
        completion = len(replies[turn]) // 4 + 1
        message = {"role": "assistant", "content": replies[turn]}
        return {
            "id": f"chatcmpl-recorded-{turn}",
            "object": "chat.completion",
            "created": 0,
            "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
                "prompt_tokens_details": {"cached_tokens": 0},
            },
        }


class RecordedProvider:
    """The server as a context manager: listening from ``__enter__`` to ``__exit__``.

    Any bearer token is accepted: there is nothing to protect on a socket of this machine that only replays a file.
    """

    def __init__(self, transcript: Transcript, *, warmup_messages: int = 0) -> None:
        """Prepare the server; it listens once entered.

        Args:
            transcript: what to answer.
            warmup_messages: assistant messages of visible warm-up blocks, which precede the first turn in each request.

        Raises:
            ValueError: ``warmup_messages`` is negative.
        """
        if warmup_messages < 0:
            raise ValueError(f"warmup_messages must not be negative, got {warmup_messages}")
        self._transcript = transcript
        self._warmup_messages = warmup_messages
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def api_base(self) -> str:
        """The address for a client's ``api_base``, for example ``http://127.0.0.1:40123/v1``."""
        return f"http://127.0.0.1:{self._running().server_address[1]}/v1"

    @property
    def served(self) -> int:
        """Replies given so far."""
        return self._running().served

    def start(self) -> None:
        """Listen on a free port of 127.0.0.1.

        Raises:
            RuntimeError: it is listening already.
            OSError: no socket could be had.
        """
        if self._server is not None:
            raise RuntimeError("the recorded provider is running already")
        self._server = _Server(self._transcript, self._warmup_messages)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="recorded-provider", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening; without effect when it is not running."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.shutdown()
        server.server_close()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _running(self) -> _Server:
        if self._server is None:
            raise RuntimeError("the recorded provider is not running: enter it first")
        return self._server
