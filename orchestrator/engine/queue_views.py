"""The queues as plain data."""

from __future__ import annotations

from orchestrator.engine.views import MAX_SHORT_CHARS
from statek.executors.views import HeldView, QueueView
from statek.queue_records import QueueEntry, QueueLane, lanes
from statek.rendering import render_value

__all__ = ["MAX_HELD_SHOWN", "queue_views"]

MAX_HELD_SHOWN = 50
"""Held entries of one lane that are shown; the others are counted."""


def queue_views() -> list[QueueView]:
    """Every lane with what waits and what could not be delivered (store thread)."""
    return [_view(lane) for lane in lanes()]


def _view(lane: QueueLane) -> QueueView:
    shown = lane.first_held(MAX_HELD_SHOWN)
    return QueueView(
        role=lane.title(),
        waiting=lane.tail - lane.head,
        held=len(lane.held),
        entries=tuple(_held(lane.held[number]) for number in shown),
    )


def _held(entry: QueueEntry) -> HeldView:
    try:
        text = render_value([entry.value.load()])[1:-1]
    except Exception as error:  # noqa: BLE001 -- an application's own text method may raise anything
        text = f"<{type(error).__name__}>"
    short = text if len(text) <= MAX_SHORT_CHARS else text[: MAX_SHORT_CHARS - 3] + "..."
    return HeldView(at_us=entry.at_us, target=entry.target, value=short, reason=entry.why())
