"""Threads that a tool begins act for the job whose call it is, also after the call.

A new thread has no context of its own in Python, so that what it pushes into a queue would count as the application's,
which may tell every job anything. Once a service runs tools, ``threading.Thread`` and ``ThreadPoolExecutor`` hand on
whose call began the thread or the work; nothing else of the call comes along, and code outside of tools is not touched.
A worker of a pool is of nobody: each piece of work is of whoever submitted it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, ContextVar
from functools import partial
from typing import Any

from statek.tools import ToolContext, find_tool_context

__all__ = ["find_acting_context", "follow_threads"]

_began: ContextVar[ToolContext | None] = ContextVar("statek_tool_thread", default=None)
"""Whose call began this thread, or submitted this work."""

_start = threading.Thread.start
_submit = ThreadPoolExecutor.submit


def find_acting_context() -> ToolContext | None:
    """The context of the tool call that this code runs in, or that began its thread; None for the application."""
    return find_tool_context() or _began.get()


def follow_threads() -> None:
    """Hand on, from now on, whose call began a thread. Idempotent."""
    threading.Thread.start = _started  # type: ignore[method-assign, assignment]
    ThreadPoolExecutor.submit = _submitted  # type: ignore[method-assign, assignment]


def _started(thread: threading.Thread) -> None:
    """``threading.Thread.start``."""
    acting = find_acting_context()
    if acting is not None:
        thread.run = partial(_run_for, acting, thread.run)  # type: ignore[method-assign]
    _start(thread)


def _submitted(pool: ThreadPoolExecutor, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
    """``ThreadPoolExecutor.submit``; a worker that is begun for it must not be this call's."""
    acting = find_acting_context()
    if acting is None:
        return _submit(pool, function, *args, **kwargs)
    return Context().run(_submit, pool, partial(_run_for, acting, function), *args, **kwargs)


def _run_for(acting: ToolContext, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run work of a call."""
    token = _began.set(acting)
    try:
        return function(*args, **kwargs)
    finally:
        _began.reset(token)
