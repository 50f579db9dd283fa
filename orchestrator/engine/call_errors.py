"""Errors of calls as answers: data, whatever they were."""

from __future__ import annotations

from orchestrator.engine.objects.failures import ApplicationFailure, failure_answer
from orchestrator.sandboxes.step import CallAnswer

__all__ = ["error_answer", "timeout_answer"]


def error_answer(error: Exception) -> CallAnswer:
    """An exception as data: its type's name and its bounded text."""
    if isinstance(error, ApplicationFailure):
        return failure_answer(error)
    answer = failure_answer(error)
    return CallAnswer(error_type=type(error).__name__, error_message=answer.error_message)


def timeout_answer(error: TimeoutError) -> CallAnswer:
    """A tool's time-out under the name that code knows."""
    return CallAnswer(error_type="TimeoutError", error_message=str(error))
