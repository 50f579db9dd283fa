"""Errors of application code and of refused calls, as data for the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from orchestrator.sandboxes.step import CallAnswer
from sandbox_runner.wire.values import GraphError
from statek.exceptions import StoreDamaged, StoreFull, StoreLocked

__all__ = ["MAX_MESSAGE_CHARS", "ApplicationFailure", "failure_answer", "run_application"]

T = TypeVar("T")

MAX_MESSAGE_CHARS = 4_000
"""Longest error text that is sent into a sandbox."""

_MAX_TYPE_CHARS = 100


class ApplicationFailure(Exception):
    """Application code raised.

    Attributes:
        type_name: name of the exception type.
        message: its bounded text.
    """

    def __init__(self, type_name: str, message: str) -> None:
        super().__init__(f"{type_name}: {message}")
        self.type_name = type_name
        self.message = message


def run_application(call: Callable[[], T]) -> T:
    """Run application code; whatever it raises becomes data.

    ``SystemExit``, ``KeyboardInterrupt`` and the like are the application's mistake too: they must end
    neither the store thread nor the service.

    Raises:
        ApplicationFailure: what it raised.
        StoreError: the store itself failed underneath it (a subclass says how). The plain StoreError is
            the application's own mistake, such as calling dbzero's commit, and an answer like any other.
    """
    try:
        return call()
    except (StoreDamaged, StoreFull, StoreLocked):
        raise
    except BaseException as error:  # noqa: BLE001 -- see above
        raise ApplicationFailure(type(error).__name__[:_MAX_TYPE_CHARS], _text_of(error)) from None


def failure_answer(error: Exception) -> CallAnswer:
    """Turn a refusal or an application failure into an answer."""
    if isinstance(error, ApplicationFailure):
        return CallAnswer(error_type=error.type_name, error_message=error.message)
    name = "ValueError" if isinstance(error, GraphError) else type(error).__name__
    return CallAnswer(error_type=name, error_message=_text_of(error))


def _text_of(error: BaseException) -> str:
    """Give an exception's bounded text; a KeyError's is its key, not the key's repr twice."""
    try:
        only = error.args[0] if isinstance(error, KeyError) and len(error.args) == 1 else error
        text = str(only)
    except BaseException:  # noqa: BLE001 -- an exception whose __str__ raises
        return "(its text could not be made)"
    text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) > MAX_MESSAGE_CHARS:
        text = f"{text[:MAX_MESSAGE_CHARS]}... ({len(text)} characters)"
    return text
