"""How a job that became runnable inside a store change is brought to whoever drives jobs.

A change on the store thread (a pushed message, the end of a sub-task, a queue's event) may make another job
runnable. It does not know the service, and may happen while none runs: then the next start finds the job
among the active ones. An announcement is a hint, never the truth: the change that it came from may still
be rolled back, so whoever hears it looks at the records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["QUEUES", "Listener", "announce", "is_heard", "listening"]

QUEUES = 0
"""Announced instead of a job's number: something waits in the queues of the store."""

Listener = Callable[[int, str, bool], None]
"""Gets a job's number, its tenant and whether it is to end, on the thread of the change; must not wait."""

_listeners: list[Listener] = []


def announce(number: int, tenant: str, *, cancelled: bool = False) -> None:
    """Say that a job may have become runnable or is to end, or that something waits in the queues (``QUEUES``)."""
    for listener in tuple(_listeners):
        listener(number, tenant, cancelled)


def is_heard() -> bool:
    """Whether anybody drives the jobs of this process: any job that is not done may be taken up at any moment."""
    return bool(_listeners)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Hear announcements inside the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
