"""Errors on the wire: a gRPC status and an ErrorDetail, and back to the same class.

The message of a ``StatekError`` crosses, cut to ``MAX_ERROR_TEXT_BYTES``. Of any other exception, which
is a bug of ours, only the type name does: its text may hold anything.
"""

from __future__ import annotations

from collections.abc import Iterator

import grpc
from google.protobuf.message import DecodeError

from orchestrator.api.limits import MAX_ERROR_TEXT_BYTES
from orchestrator.api.texts import from_wire, to_wire
from orchestrator.api.v1 import service_pb2 as pb
from statek.exceptions import InternalError, StatekError

__all__ = ["DETAIL_KEY", "detail_of", "error_of", "status_of"]

DETAIL_KEY = "statek-error-bin"
"""Key of the trailing metadata that carries the ErrorDetail."""

_STATUS = {
    "configuration": grpc.StatusCode.FAILED_PRECONDITION,
    "image_mismatch": grpc.StatusCode.FAILED_PRECONDITION,
    "invalid_request": grpc.StatusCode.INVALID_ARGUMENT,
    "invalid_format": grpc.StatusCode.INVALID_ARGUMENT,
    "invalid_archive": grpc.StatusCode.INVALID_ARGUMENT,
    "commit_dropped": grpc.StatusCode.NOT_FOUND,
    "not_found": grpc.StatusCode.NOT_FOUND,
    "unstorable_value": grpc.StatusCode.INVALID_ARGUMENT,
    "access_denied": grpc.StatusCode.PERMISSION_DENIED,
    "limit_exceeded": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "history_full": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "stale_object": grpc.StatusCode.ABORTED,
    "model": grpc.StatusCode.UNAVAILABLE,
    "tool": grpc.StatusCode.FAILED_PRECONDITION,
    "divergence": grpc.StatusCode.ABORTED,
    "runner": grpc.StatusCode.UNAVAILABLE,
    "runner_violation": grpc.StatusCode.ABORTED,
    "runner_lost": grpc.StatusCode.UNAVAILABLE,
    "restore_failed": grpc.StatusCode.FAILED_PRECONDITION,
    "store": grpc.StatusCode.UNAVAILABLE,
    "store_locked": grpc.StatusCode.FAILED_PRECONDITION,
    "store_damaged": grpc.StatusCode.DATA_LOSS,
    "store_full": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "store_version": grpc.StatusCode.FAILED_PRECONDITION,
    "future": grpc.StatusCode.FAILED_PRECONDITION,
    "future_cancelled": grpc.StatusCode.FAILED_PRECONDITION,
    "future_failed": grpc.StatusCode.FAILED_PRECONDITION,
    "future_settled": grpc.StatusCode.FAILED_PRECONDITION,
    "tool_changed": grpc.StatusCode.FAILED_PRECONDITION,
    "job_failed": grpc.StatusCode.FAILED_PRECONDITION,
    "harness": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "internal": grpc.StatusCode.INTERNAL,
}

_ATTRIBUTES = ("rule", "limit", "value", "usage", "path", "reason", "retryable", "type_name", "message", "kind", "tool")
"""Typed attributes of the classes in ``statek.exceptions``."""


def status_of(error: StatekError) -> grpc.StatusCode:
    """The gRPC status of an error; UNKNOWN for a code that this table does not have."""
    return _STATUS.get(error.code, grpc.StatusCode.UNKNOWN)


def detail_of(error: StatekError) -> pb.ErrorDetail:
    """The error as data."""
    detail = pb.ErrorDetail(code=error.code, message_text=_cut(str(error)))
    for name in _ATTRIBUTES:
        value = getattr(error, name, None)
        if isinstance(value, bool):
            detail.attributes[name].flag = value
        elif isinstance(value, int | float):
            detail.attributes[name].number = value
        elif isinstance(value, str) and value != str(error):
            detail.attributes[name].text = _cut(value)[: MAX_ERROR_TEXT_BYTES // 4]
    return detail


def error_of(data: bytes) -> StatekError:
    """The error that an ErrorDetail describes, of the same class as on the other side.

    An unknown code, which a newer service may send, becomes a plain StatekError with that code.
    """
    detail = pb.ErrorDetail()
    try:
        detail.ParseFromString(data)
        message = _text(detail.message_text)
    except (DecodeError, UnicodeDecodeError):
        return InternalError("the service refused the call with an unreadable error")
    kind = _classes().get(detail.code, StatekError)
    # Past the constructor: some take other arguments than the finished message.
    error = kind.__new__(kind)
    error.args = (message,)
    if detail.code not in _classes():
        error.code = detail.code
    for name, attribute in detail.attributes.items():
        if name not in _ATTRIBUTES:
            continue
        match attribute.WhichOneof("value"):
            case "text":
                setattr(error, name, _text(attribute.text))
            case "number":
                setattr(error, name, attribute.number)
            case "flag":
                setattr(error, name, attribute.flag)
            case _:
                continue
    return error


def _classes() -> dict[str, type[StatekError]]:
    """Every error class by its code."""
    return {kind.code: kind for kind in _subclasses(StatekError)}


def _subclasses(kind: type[StatekError]) -> Iterator[type[StatekError]]:
    """A class of ``statek.exceptions`` and those below it; what applications derive has no wire form."""
    if kind.__module__ == StatekError.__module__:
        yield kind
        for below in kind.__subclasses__():
            yield from _subclasses(below)


def _cut(text: str) -> bytes:
    """A text of bounded size on the wire; the cut is at a character."""
    data = to_wire(text)
    if len(data) <= MAX_ERROR_TEXT_BYTES:
        return data
    head = data[: MAX_ERROR_TEXT_BYTES - 3].decode("utf-8", "ignore")
    return to_wire(head) + b"..."


def _text(data: bytes) -> str:
    """A text from the wire, tolerant of a character cut in two."""
    try:
        return from_wire(data)
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")
