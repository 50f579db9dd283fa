"""Arguments of a call, decoded from a runner's bytes: the inbound side of durable objects.

Handles are resolved among this job's grants only, everything else is plain values of the graph form;
nothing is imported, looked up or evaluated that the bytes name.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any

from orchestrator.engine.objects.grants import Grants
from orchestrator.engine.objects.surface import is_public_name
from sandbox_runner.wire.values import EnumValue, FutureRef, GraphError, GraphLimits, Handle, decode
from statek.annotations import convert_argument
from statek.exceptions import AccessDenied

__all__ = ["bind_method", "checked_call", "decode_call", "decode_single"]


FromFuture = Callable[[FutureRef], object]


def decode_call(
    data: bytes,
    grants: Grants,
    limits: GraphLimits,
    from_future: FromFuture | None = None,
    *,
    named: set[int] | None = None,
) -> tuple[list[Any], dict[str, Any]]:
    """Decode ``[positional list, keyword dict]``; ``from_future`` makes what stands for a future, else its value does.

    The handles among them are added to ``named``.

    Raises:
        GraphError: malformed, over a limit, or not of that shape.
        AccessDenied: a handle that this job does not have.
    """
    return checked_call(_decode(data, grants, limits, from_future, named))


def checked_call(found: object) -> tuple[list[Any], dict[str, Any]]:
    """Decoded arguments, if they are ``[positional list, keyword dict]``.

    Raises:
        GraphError: they are not.
    """
    if type(found) is not list or len(found) != 2 or type(found[0]) is not list or type(found[1]) is not dict:
        raise GraphError("arguments are not a list of positional and a dict of keyword arguments")
    positional, keywords = found
    for name in keywords:
        if not is_public_name(name):
            raise GraphError(f"{ascii(name)[:80]} is no name of a keyword argument")
    return positional, keywords


def decode_single(data: bytes, grants: Grants, limits: GraphLimits) -> Any:
    """Decode ``[value]``.

    Raises:
        GraphError: malformed, over a limit, or not of that shape.
        AccessDenied: a handle that this job does not have.
    """
    found = _decode(data, grants, limits)
    if type(found) is not list or len(found) != 1:
        raise GraphError("the argument is not a list of one value")
    return found[0]


def _decode(
    data: bytes,
    grants: Grants,
    limits: GraphLimits,
    from_future: FromFuture | None = None,
    named: set[int] | None = None,
) -> object:
    refused: list[Exception] = []
    future_of = from_future or grants.future_value

    def resolve(handle: Handle) -> object:
        try:
            target = grants.resolve(handle.id).target
            if named is not None:
                named.add(handle.id)
            return target
        except AccessDenied as error:
            refused.append(error)
            raise

    def settled(future: FutureRef) -> object:
        try:
            return future_of(future)
        except Exception as error:
            refused.append(error)
            raise

    try:
        return decode(data, from_handle=resolve, from_future=settled, limits=limits)
    except GraphError:
        # AccessDenied is a PermissionError, hence an OSError, which the decoder takes for malformed input.
        if refused:
            raise refused[0] from None
        raise


def bind_method(
    method: Callable[..., Any], positional: list[Any], keywords: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Check arguments against a bound method's annotations, converting enum names and ISO dates.

    A call that does not fit the signature is passed on as it is: Python's own error says it best.

    Raises:
        TypeError: an argument has the wrong type, or is an enum member that no annotation asks for.
        ValueError: an enum has no such member, or a text is no ISO date.
    """
    name = getattr(method, "__name__", "method")
    try:
        signature = inspect.signature(method)
        bound = signature.bind(*positional, **keywords)
    except (TypeError, ValueError):
        return positional, keywords
    hints = _hints(method)
    for parameter, value in bound.arguments.items():
        kind = signature.parameters[parameter].kind
        annotation = hints.get(parameter, Any)
        if kind is inspect.Parameter.VAR_POSITIONAL:
            bound.arguments[parameter] = tuple(_convert(name, parameter, annotation, item) for item in value)
        elif kind is inspect.Parameter.VAR_KEYWORD:
            bound.arguments[parameter] = {key: _convert(name, key, annotation, item) for key, item in value.items()}
        else:
            bound.arguments[parameter] = _convert(name, parameter, annotation, value)
    return list(bound.args), dict(bound.kwargs)


def _convert(method: str, parameter: str, annotation: Any, value: Any) -> Any:
    converted = value if annotation is Any else convert_argument(method, parameter, annotation, value)
    if isinstance(converted, EnumValue):
        raise TypeError(f"{method}() argument {parameter!r}: enum members are taken only where an enum is declared")
    return converted


def _hints(method: Callable[..., Any]) -> dict[str, Any]:
    """Resolve the annotations of the application's own function; unresolvable ones check nothing."""
    try:
        return typing.get_type_hints(method)
    except Exception:  # noqa: BLE001 -- forward references may name anything, in application code
        return {}
