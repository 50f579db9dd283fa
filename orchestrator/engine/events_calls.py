"""The events of a step's calls: written in the block that keeps the entry of the journal that they tell of.

A call without effect makes none: it changes nothing, and the step's entry of the chat log shows it.
"""

from __future__ import annotations

from typing import Any

from orchestrator.engine.journal import EXIT_TYPE, RecordedCall
from statek.event_feed import emit
from statek.records import JobRecord

__all__ = ["tell_call", "tell_doubt"]


def tell_call(record: JobRecord, step: int, call: RecordedCall) -> None:
    """Say that a call was begun, or what became of it (store thread).

    Args:
        record: the job.
        step: number of the step.
        call: as recorded; without an answer it has begun.
    """
    told: dict[str, Any] = {"call": call.number, "effect": call.effect}
    if call.target:
        told["target"] = call.target
    if call.answer is None:
        emit(record, "call.begun", call.key.name, step=step, **told)
        return
    if call.answer.error_type and call.answer.error_type != EXIT_TYPE:
        told |= {"type": call.answer.error_type, "message": call.answer.error_message}
    emit(record, "call.ended", call.key.name, step=step, **told)


def tell_doubt(record: JobRecord, step: int, call: RecordedCall) -> None:
    """Say that only an operator can tell whether a call took effect (store thread)."""
    emit(record, "call.in_doubt", call.key.name, step=step, call=call.number, effect=call.effect)
