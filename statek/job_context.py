"""The job that the running code serves: what a tool, or a helper that it calls, asks without passing things along.

Inside a tool call this is the call's own job. Tests, and code of the application that acts for a job, say which job it
is by ``statek.testing.statek_context``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from statek.exceptions import InvalidRequest
from statek.tools import find_tool_context

__all__ = [
    "get_current_agent",
    "get_current_agent_name",
    "get_current_job",
    "job_context",
    "perm_ctx_get",
    "perm_ctx_set",
    "perm_ctx_set_unique",
    "statek_ctx_get",
    "statek_ctx_set",
]


@dataclass(slots=True)
class _Given:
    """A context that was named by hand.

    Attributes:
        job, agent: as given.
        memory: stands for the durable memory of a job.
        values: of ``statek_ctx_set``.
    """

    job: Any
    agent: Any
    memory: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)


_given: ContextVar[_Given | None] = ContextVar("statek_job_context", default=None)
_call_values: ContextVar[tuple[object, dict[str, Any]] | None] = ContextVar("statek_call_values", default=None)


@contextmanager
def job_context(job: Any = None, agent: Any = None) -> Iterator[None]:
    """Make this the current job and agent inside the block; it goes before the one of a tool call."""
    token = _given.set(_Given(job, agent))
    try:
        yield
    finally:
        _given.reset(token)


def get_current_job() -> Any:
    """The job that is served: in a tool call the ``Job`` whose code made the call; None without one.

    What only its own tools may do (``raise_difficulty``, ``variable`` ...) is at ``ctx.job``.
    """
    given = _given.get()
    if given is not None:
        return given.job
    context = find_tool_context()
    if context is None or context.job is None:
        return None
    return context.job.tasks.job(context.job_id)


def get_current_agent() -> Any:
    """The agent of the current job; None without one."""
    given = _given.get()
    if given is not None and given.agent is not None:
        return given.agent
    return getattr(_served(), "agent", None)


def get_current_agent_name() -> str | None:
    """The role of the current agent; None without one."""
    agent = get_current_agent()
    return getattr(agent, "role", None)


def perm_ctx_get(key: str, default: Any = None) -> Any:
    """What the current job remembers under a key, durably.

    Raises:
        InvalidRequest: no job is served here.
    """
    given = _given.get()
    if given is not None and not hasattr(given.job, "memory_get"):
        return given.memory.get(key, default)
    return _job().memory_get(key, default)


def perm_ctx_set(key: str, value: Any) -> None:
    """Remember a JSON value for the rest of the current job, durably.

    Raises:
        InvalidRequest: no job is served here, no JSON value, or the memory is full.
    """
    given = _given.get()
    if given is not None and not hasattr(given.job, "memory_set"):
        given.memory[key] = value
        return
    _job().memory_set(key, value)


def perm_ctx_set_unique(key: str, value: Any) -> bool:
    """Remember a value where nothing is remembered yet; gives whether it was.

    Raises:
        InvalidRequest: as for ``perm_ctx_set``.
    """
    if perm_ctx_get(key) is not None:
        return False
    perm_ctx_set(key, value)
    return True


def statek_ctx_get(key: str, default: Any = None) -> Any:
    """A value of the running call (``statek_ctx_set``), which nobody keeps."""
    return _values().get(key, default)


def statek_ctx_set(key: str, value: Any) -> None:
    """Leave a value for whatever else runs in this call.

    Raises:
        InvalidRequest: no job is served here.
    """
    _values()[key] = value


def _values() -> dict[str, Any]:
    given = _given.get()
    if given is not None:
        return given.values
    context = find_tool_context()
    if context is None:
        raise InvalidRequest("no job is served here: this code was not called as a tool of a job")
    kept = _call_values.get()
    if kept is None or kept[0] is not context:
        kept = (context, {})
        _call_values.set(kept)
    return kept[1]


def _served() -> Any:
    """What stands for the job here: as it was named by hand, else the ``JobControl`` of the call; None without one."""
    given = _given.get()
    if given is not None:
        return given.job
    context = find_tool_context()
    return None if context is None else context.job


def _job() -> Any:
    job = _served()
    if job is None:
        raise InvalidRequest("no job is served here: this code was not called as a tool of a job")
    return job
