"""Views as values that JSON can carry without changing them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from statek.events import Event
from statek.executors.history import CommitDiff, CommitView
from statek.executors.views import (
    AgentView,
    CallView,
    FileView,
    FutureView,
    ItemView,
    JobSummary,
    JobView,
    QueueView,
    VariableView,
)

__all__ = [
    "agent_value",
    "call_value",
    "commit_value",
    "diff_value",
    "event_value",
    "file_value",
    "future_value",
    "is_exact",
    "item_value",
    "job_value",
    "queue_value",
    "summary_value",
    "variable_value",
]

_MAX_DEPTH = 60
_MAX_PARTS = 100_000
_MAX_SAFE_INTEGER = 2**53
"""Beyond it, readers that take numbers as doubles change them."""


def summary_value(summary: JobSummary) -> dict[str, Any]:
    """A summary."""
    return asdict(summary)


def event_value(event: Event) -> dict[str, Any]:
    """An event."""
    return asdict(event)


def call_value(call: CallView) -> dict[str, Any]:
    """A call."""
    return asdict(call)


def file_value(file: FileView) -> dict[str, Any]:
    """A file of a job."""
    return asdict(file)


def agent_value(agent: AgentView) -> dict[str, Any]:
    """An agent."""
    return asdict(agent)


def queue_value(queue: QueueView) -> dict[str, Any]:
    """A queue."""
    return asdict(queue)


def commit_value(commit: CommitView) -> dict[str, Any]:
    """A commit of a job."""
    return asdict(commit)


def diff_value(diff: CommitDiff) -> dict[str, Any]:
    """What differs between two commits."""
    return {
        "before": commit_value(diff.before),
        "after": commit_value(diff.after),
        "variables": [
            {
                "name": change.name,
                "before": None if change.before is None else variable_value(change.before),
                "after": None if change.after is None else variable_value(change.after),
            }
            for change in diff.variables
        ],
        "files": [
            {
                "path": change.path,
                "before": None if change.before is None else file_value(change.before),
                "after": None if change.after is None else file_value(change.after),
            }
            for change in diff.files
        ],
    }


def future_value(future: FutureView) -> dict[str, Any]:
    """A future."""
    return asdict(future)


def item_value(index: int, item: ItemView) -> dict[str, Any]:
    """A chat item; console elements as objects."""
    value = asdict(item)
    value["console"] = [{"kind": kind, "text": text} for kind, text in item.console]
    return {"index": index, **value}


def job_value(view: JobView) -> dict[str, Any]:
    """A whole job."""
    return {
        **summary_value(view.summary),
        "commits": view.commits,
        "image_digest": view.image_digest,
        "blocks": view.blocks,
        "inbox": [asdict(entry) for entry in view.inbox],
        "awaited": None if view.awaited is None else asdict(view.awaited),
        "items": [item_value(index, item) for index, item in enumerate(view.items)],
    }


def variable_value(variable: VariableView) -> dict[str, Any]:
    """A variable; ``value`` is there only where JSON holds it unchanged."""
    shown = {
        "name": variable.name,
        "form": variable.form,
        "size_bytes": variable.size_bytes,
        "preview": variable.preview,
    }
    if variable.form == "graph" and is_exact(variable.value):
        shown["value"] = variable.value
    return shown


def is_exact(value: Any) -> bool:
    """Whether JSON gives the same value back (to any reader).

    False for cycles, and for values that are endlessly large once what they share is written out.
    """
    return _is_exact(value, 0, itertools.count())


def _is_exact(value: Any, depth: int, looked_at: Iterator[int]) -> bool:
    if next(looked_at) >= _MAX_PARTS:
        return False
    if value is None or isinstance(value, bool | str):
        return True
    if isinstance(value, int):
        return abs(value) <= _MAX_SAFE_INTEGER
    if isinstance(value, float):
        return math.isfinite(value)
    if depth >= _MAX_DEPTH:
        return False
    if type(value) is list:
        return all(_is_exact(item, depth + 1, looked_at) for item in value)
    if type(value) is dict:
        return all(isinstance(key, str) and _is_exact(item, depth + 1, looked_at) for key, item in value.items())
    return False
