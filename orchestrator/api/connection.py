"""The connection of a blocking client: one channel, its limits, and errors as the service raised them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import grpc
from google.protobuf.message import Message

from orchestrator.api.errors import DETAIL_KEY, error_of
from orchestrator.api.limits import MAX_MESSAGE_BYTES
from orchestrator.api.socket_file import grpc_address
from orchestrator.api.v1 import service_pb2 as pb
from orchestrator.api.v1 import service_pb2_grpc as pb_grpc
from sandbox_runner.wire import values
from statek.exceptions import ConfigurationError, InternalError, InvalidRequest, LimitExceeded

__all__ = ["Connection", "graph_value", "named_values", "plain_text"]

AnswerT = TypeVar("AnswerT", bound=Message)

_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # The default authority is the quoted path, which HTTP/2 may refuse.
    ("grpc.default_authority", "localhost"),
)


class Connection:
    """One channel to one service; a context manager."""

    def __init__(self, socket_path: str | Path, *, timeout_seconds: float = 60.0) -> None:
        """Nothing is sent yet.

        Args:
            socket_path: the service's API socket (``statek config`` shows it).
            timeout_seconds: for a whole answer; ``wait`` and ``follow`` have no such limit.
        """
        self._path = Path(socket_path)
        self._timeout = timeout_seconds
        self._channel = grpc.insecure_channel(grpc_address(self._path), options=_OPTIONS)
        self._stub = pb_grpc.StatekServiceStub(self._channel)  # type: ignore[no-untyped-call]  # generated

    def __enter__(self) -> Self:
        """Give the client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """End the connection and every call on it."""
        self._channel.close()

    def _unary(
        self,
        call: Callable[..., AnswerT],
        request: Message,
        timeout: float | None = -1.0,
    ) -> AnswerT:
        """One request, one answer."""
        self._check_size(request)
        limit = self._timeout if timeout == -1.0 else timeout
        try:
            return call(request, timeout=limit)
        except grpc.RpcError as error:
            raise self._translated(error, limit) from None

    def _pages(self, call: Callable[..., Any], request: Message, timeout: float | None = -1.0) -> Iterator[Any]:
        """One request, a stream of pages; closing the iterator cancels the call."""
        self._check_size(request)
        limit = self._timeout if timeout == -1.0 else timeout
        stream = call(request, timeout=limit)
        try:
            yield from stream
        except grpc.RpcError as error:
            raise self._translated(error, limit) from None
        finally:
            stream.cancel()

    def _check_size(self, request: Message) -> None:
        size = request.ByteSize()
        if size > MAX_MESSAGE_BYTES:
            raise LimitExceeded(
                "api_message_bytes", MAX_MESSAGE_BYTES, size, "send less, or give the job a tool to read it"
            )

    def _translated(self, error: grpc.RpcError, limit: float | None) -> Exception:
        """The error that the other side raised, or what became of the connection."""
        # What gRPC raises is the call itself; only its stubs do not say so.
        call = cast("grpc.Call", error)
        for key, value in call.trailing_metadata() or ():
            if key == DETAIL_KEY and isinstance(value, bytes):
                return error_of(value)
        status = call.code()
        if status is grpc.StatusCode.UNAVAILABLE:
            return ConfigurationError(f"no service answers at {self._path}; statek serve starts one")
        if status is grpc.StatusCode.DEADLINE_EXCEEDED:
            return TimeoutError(f"the service at {self._path} gave no answer within {limit:g} s")
        return InternalError(f"the service at {self._path} failed: {status.name}: {call.details()}")


def plain_text(field: str, text: str) -> str:
    """A text that the wire carries as a string.

    Raises:
        InvalidRequest: it has lone surrogates.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidRequest(f"{field} {text!r} is no valid text") from None
    return text


def named_values(field: str, found: Mapping[str, Any]) -> list[pb.NamedValue]:
    """Values by name in graph form."""
    return [
        pb.NamedValue(name=plain_text(f"{field} name", name), graph=graph_value(f"{field}[{name!r}]", value))
        for name, value in found.items()
    ]


def graph_value(where: str, value: object) -> bytes:
    """The graph form of a value.

    Raises:
        InvalidRequest: it has none.
    """
    try:
        return values.encode(value)
    except values.GraphError as error:
        raise InvalidRequest(f"{where} cannot be sent: {error}") from None
