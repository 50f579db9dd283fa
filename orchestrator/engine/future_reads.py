"""Which futures the calls of a step gave, and whose values its code has read: what the journal says of both.

Reads are waits, and calls with a future among their arguments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from orchestrator.engine.future_arguments import FUTURE_MARK, future_arguments, read_awaited
from orchestrator.engine.journal import Journal
from orchestrator.sandboxes.step import CallKind
from sandbox_runner.wire import values
from sandbox_runner.wire.values import FutureRef, GraphError
from statek.exceptions import InvalidRequest
from statek.tools import ToolDef

__all__ = ["given_future", "read_futures"]

_MAX_FUTURE_BYTES = 2000
"""Longest graph form of a future by itself; longer answers are something else and need not be read."""


def given_future(answer: bytes) -> int:
    """Number of the future that an answer is; 0 for any other answer."""
    if len(answer) > _MAX_FUTURE_BYTES or FUTURE_MARK not in answer:
        return 0
    found = values.decode(answer)
    return found.id if isinstance(found, FutureRef) else 0


def read_futures(journal: Journal, tools: Mapping[str, ToolDef]) -> Iterator[tuple[str, Sequence[int]]]:
    """Mode and numbers of the futures that a step's code has waited for, or given to calls that need their values.

    The mode is empty for a wait that was too long to be kept.
    """
    for call in journal.calls:
        if call.key.kind is CallKind.AWAIT:
            if call.answer is None or call.answer.error_type:
                continue
            if not call.args:
                yield "", ()
                continue
            with suppress(GraphError, InvalidRequest):
                awaited = read_awaited(call.key.name, call.args)
                yield awaited.mode, awaited.futures
        elif FUTURE_MARK in call.args:
            with suppress(GraphError):
                numbers = future_arguments(call.args, tools.get(call.key.name))
                if numbers:
                    yield "all", numbers
