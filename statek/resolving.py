"""Ending futures from tools, and from anywhere else in the service's process."""

from __future__ import annotations

from typing import Any

from statek import runtime
from statek.future import FutureState, Settlement, door_of_call

__all__ = ["cancel_future", "fail_future", "resolve_future"]


def _settle(id_: str, settlement: Settlement) -> None:
    door = door_of_call()
    if door is None:
        door = runtime.embedded().futures
    door.settle(id_, settlement)


def resolve_future(future_id: str, value: Any = None) -> None:
    """Give a future its value, once; from a tool, or from anywhere in the service's process.

    Raises:
        NotFound: there is no such future.
        FutureSettled: it has come to an end before.
        InvalidRequest: the value cannot be kept.
    """
    _settle(future_id, Settlement(FutureState.RESOLVED, value))


def fail_future(future_id: str, message: str) -> None:
    """Let a future end without a value: the code gets a FutureFailed with the message. Raises as ``resolve_future``."""
    _settle(future_id, Settlement(FutureState.FAILED, message=message))


def cancel_future(future_id: str, reason: str = "") -> None:
    """Call a future off: the code gets a FutureCancelled. Raises as ``resolve_future``."""
    _settle(future_id, Settlement(FutureState.CANCELLED, message=reason))
