"""Events as lines of text. What a sandbox wrote is spelt out, so that it stays on its line."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.cli.present import when
from orchestrator.printable import printable
from statek.events import Event

__all__ = ["event_lines"]

_OWN_LINES = frozenset({"changes", "more"})


def event_lines(event: Event) -> Iterator[str]:
    """An event: its line, and one for each change that it tells of."""
    words = [str(event.seq), when(event.at_us), event.job, event.kind]
    words += [printable(event.name)] if event.name else []
    words += [f"step {event.step}"] if event.step else []
    words += [f"commit {event.commit}"] if event.commit >= 0 else []
    words += [f"{key}={printable(str(value))}" for key, value in event.payload.items() if key not in _OWN_LINES]
    yield "  ".join(words)
    for change in event.changes:
        yield f"    {printable(change.name)}: {_value(change.old)} -> {_value(change.new)}"
    if more := event.payload.get("more"):
        yield f"    and {more} more"


def _value(preview: str | None) -> str:
    return "-" if preview is None else printable(preview)
