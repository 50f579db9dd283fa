"""What a caller sends, checked: names, values and texts of requests.

The caller may open the socket, and nothing more is known of it. Everything that is wrong with a request
ends in ``InvalidRequest`` or ``LimitExceeded`` with the name of the field.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from orchestrator.api.json_values import read_json
from orchestrator.api.limits import DEFAULT_NEWEST, MAX_NEWEST, MAX_VALUES, RESERVED_PARAMETERS
from orchestrator.api.texts import from_wire
from orchestrator.api.v1 import service_pb2 as pb
from orchestrator.engine.operator_calls import Resolution, Verdict
from sandbox_runner.wire import values
from statek.exceptions import InvalidRequest, LimitExceeded
from statek.future import FutureState, Settlement

__all__ = ["read_named_values", "read_newest", "read_resolution", "read_settlement", "read_text"]

_QUICK_BYTES = 16 << 10
"""Larger values are decoded on another thread, so that the event loop never waits for one."""

_LIMITS = values.GraphLimits(max_depth=100)


def read_text(field: str, data: bytes) -> str:
    """A text of a request.

    Raises:
        InvalidRequest: it is no UTF-8.
    """
    try:
        return from_wire(data)
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{field} is no UTF-8 text (byte {error.start})") from None


def read_newest(count: int) -> int:
    """How many jobs to list.

    Raises:
        LimitExceeded: too many.
    """
    if count > MAX_NEWEST:
        raise LimitExceeded("api_newest", MAX_NEWEST, count, "ask for fewer jobs")
    return count or DEFAULT_NEWEST


async def read_named_values(field: str, found: Iterable[pb.NamedValue], *, parameters: bool = False) -> dict[str, Any]:
    """Variables or parameters of a request by name.

    Args:
        field: name of the field, for errors.
        found: the values.
        parameters: whether they are prompt parameters, which may not use the service's own names.

    Raises:
        InvalidRequest: a name is no Python name, reserved or given twice, or a value is malformed.
        LimitExceeded: there are too many.
    """
    named = list(found)
    if len(named) > MAX_VALUES:
        raise LimitExceeded("api_values", MAX_VALUES, len(named), f"{field} has too many entries")
    result: dict[str, Any] = {}
    for item in named:
        where = f"{field}[{item.name!r}]"
        if not item.name.isidentifier() or item.name.startswith("_"):
            raise InvalidRequest(f"{where}: the name must be a Python name without a leading underscore")
        if parameters and item.name in RESERVED_PARAMETERS:
            raise InvalidRequest(f"{where}: the name has a meaning of its own; choose another")
        if item.name in result:
            raise InvalidRequest(f"{where} is given twice")
        result[item.name] = await _read_value(where, item)
    return result


async def _read_value(where: str, item: pb.NamedValue) -> Any:
    """The value, decoded off the loop where that may take long."""
    kind = item.WhichOneof("value")
    if kind is None:
        raise InvalidRequest(f"{where} has no value")
    data: bytes = getattr(item, kind)
    read = _from_json if kind == "json" else _from_graph
    if len(data) <= _QUICK_BYTES:
        return read(where, data)
    return await asyncio.to_thread(read, where, data)


def _from_json(where: str, data: bytes) -> Any:
    """A JSON value: finite numbers, no repeated keys."""
    try:
        return read_json(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{where} is no UTF-8 text (byte {error.start})") from None
    except ValueError as error:
        raise InvalidRequest(f"{where} is no JSON: {error}") from None


def _from_graph(where: str, data: bytes) -> Any:
    """A value in graph form that names nothing of the host."""
    try:
        return values.decode(data, from_handle=_no_handle, enum_loader=_no_enum, limits=_LIMITS)
    except values.GraphError as error:
        raise InvalidRequest(f"{where} is no value: {error}") from None


def _no_handle(_handle: values.Handle) -> Any:
    raise values.GraphError("a durable object cannot be named from outside")


def _no_enum(_value: values.EnumValue) -> Any:
    raise values.GraphError("a member of an enum cannot be given from outside")


async def read_resolution(request: pb.ResolveCallRequest) -> Resolution:
    """An operator's decision.

    Raises:
        InvalidRequest: none is given, or its value is malformed.
    """
    match request.WhichOneof("verdict"):
        case "happened":
            return Resolution(Verdict.HAPPENED, value=await _read_value("happened", request.happened))
        case "failed_text":
            return Resolution(Verdict.FAILED, message=read_text("failed_text", request.failed_text))
        case "retry":
            return Resolution(Verdict.RETRY)
        case _:
            raise InvalidRequest("a decision is missing: happened, failed or retry")


async def read_settlement(request: pb.SettleFutureRequest) -> Settlement:
    """How a future is to end.

    Raises:
        InvalidRequest: nothing is said of it, or its value is malformed.
    """
    match request.WhichOneof("outcome"):
        case "value":
            return Settlement(FutureState.RESOLVED, await _read_value("value", request.value))
        case "failed_text":
            return Settlement(FutureState.FAILED, message=read_text("failed_text", request.failed_text))
        case "cancelled_text":
            return Settlement(FutureState.CANCELLED, message=read_text("cancelled_text", request.cancelled_text))
        case _:
            raise InvalidRequest("an outcome is missing: value, failed or cancelled")
