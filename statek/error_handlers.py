"""Error handlers: application code that is told when a critical error ends a job.

A tool names one, ``@tool(error_handler=_undo)``. When a call of the tool has succeeded, the handler is kept with the
job, durably, with the call's result as its context; where that is a future, from when code first reads its value. When
the job ends by a failure, anything but a cancellation, every kept handler is called once as ``_undo(context, error)``;
a job that ends as it should calls none. One that was being called when the service died is in doubt: it is reported and
not called again, like an external effect.
"""

from __future__ import annotations

import functools
import inspect
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

__all__ = [
    "MAX_HANDLERS",
    "ErrorHandler",
    "error_handler",
    "handlers_from_text",
    "handlers_text",
    "inherited",
    "is_valid_error_handler",
    "with_state",
]

F = TypeVar("F", bound=Callable[..., Any])

_log = logging.getLogger("statek.tools")
_MARK = "__statek_error_handler__"

MAX_HANDLERS = 1000
"""Handlers that one job keeps; calls beyond it are not handled, and the log says so."""


@dataclass(frozen=True, slots=True)
class ErrorHandler:
    """A handler that a job keeps.

    Attributes:
        job: number of the job whose tool call it is for.
        role: of that job's agent.
        item, call: where the call's result is: index of the chat item, number of the call in its journal.
        tool: name of the tool.
        state: ``waiting`` (for the value of its future to be read) | ``kept`` | ``called`` (and not ended) | ``done`` |
            ``failed`` | ``in doubt``.
        future: number of the future that the call gave; 0 for none.
    """

    job: int
    role: str
    item: int
    call: int
    tool: str
    state: str = "kept"
    future: int = 0


def error_handler(function: F) -> F:
    """Mark a function ``_name(context, error=None)`` as an error handler; what it raises is logged and goes no further.

    Raises:
        TypeError: its name or its parameters are others.
    """
    _check_form(function)
    wrapper: Any
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def handle_async(context: Any, error: BaseException | None = None) -> Any:
            try:
                return await function(context, error)
            except Exception:  # noqa: BLE001 -- a handler must not fail the ones behind it
                _log.exception("error handler %s failed", function.__name__)

        wrapper = handle_async
    else:

        @functools.wraps(function)
        def handle(context: Any, error: BaseException | None = None) -> Any:
            try:
                return function(context, error)
            except Exception:  # noqa: BLE001 -- a handler must not fail the ones behind it
                _log.exception("error handler %s failed", function.__name__)

        wrapper = handle
    setattr(wrapper, _MARK, True)
    marked: F = wrapper
    return marked


def is_valid_error_handler(function: object) -> bool:
    """Whether something is a function that ``error_handler`` marked."""
    return callable(function) and getattr(function, _MARK, False) is True


def _check_form(function: Callable[..., Any]) -> None:
    if not inspect.isroutine(function):
        raise TypeError(f"only a function can be an error handler, not {type(function).__name__}")
    name = function.__name__
    kinds = inspect.Parameter
    parameters = list(inspect.signature(function).parameters.values())
    plain = [p for p in parameters if p.kind in {kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD}]
    if not name.startswith("_"):
        raise TypeError(f"the name of error handler {name} must begin with an underscore")
    fits = len(parameters) == len(plain) == 2
    if not fits or plain[0].default is not kinds.empty or plain[1].default is kinds.empty:
        raise TypeError(f"error handler {name} must take (context, error=None), not {inspect.signature(function)}")


def handlers_text(handlers: Sequence[ErrorHandler]) -> str:
    """The stored form."""
    return json.dumps([list(asdict(handler).values()) for handler in handlers]) if handlers else ""


def handlers_from_text(text: str) -> list[ErrorHandler]:
    """The handlers of a stored form."""
    return [ErrorHandler(*fields) for fields in json.loads(text)] if text else []


def inherited(text: str) -> str:
    """The stored form of what a child takes over: the handlers that its parent has not called."""
    return handlers_text([handler for handler in handlers_from_text(text) if handler.state == "kept"])


def with_state(handlers: Sequence[ErrorHandler], at: int, state: str) -> str:
    """The stored form with another state of one handler."""
    return handlers_text([replace(handler, state=state) if i == at else handler for i, handler in enumerate(handlers)])
