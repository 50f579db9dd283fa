"""What calls raise, as answers: data, whatever it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.engine.objects.failures import ApplicationFailure, failure_answer
from orchestrator.sandboxes.step import CallAnswer
from statek.exceptions import JobExit

__all__ = ["error_answer", "timeout_answer", "value_or_exit"]


def error_answer(error: Exception) -> CallAnswer:
    """An exception as data: its type's name and its bounded text."""
    if isinstance(error, ApplicationFailure):
        return failure_answer(error)
    answer = failure_answer(error)
    return CallAnswer(error_type=type(error).__name__, error_message=answer.error_message)


def timeout_answer(error: TimeoutError) -> CallAnswer:
    """A tool's time-out under the name that code knows."""
    return CallAnswer(error_type="TimeoutError", error_message=str(error))


def value_or_exit(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """What a tool gives, a JobExit that it raises included: ending the job is no failure of the tool."""
    try:
        return function(*args, **kwargs)
    except JobExit as stop:
        return stop
