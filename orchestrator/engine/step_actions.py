"""What the formal calls of a step in flight are in the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any

from orchestrator.engine.active_job import ActiveJob, StepSource
from orchestrator.engine.console import Console
from orchestrator.engine.provider_calls import MAX_ARGUMENT_CHARS, call_action, refused_action, warmup_action
from orchestrator.engine.static_advice import examine
from orchestrator.sandboxes.step import Action, ActionKind
from statek.static_policy import StaticPolicy

__all__ = ["ACTION_CONSOLE_BYTES", "MAX_ACTIONS_BYTES", "actions_of", "advise", "tool_log"]

ACTION_CONSOLE_BYTES = 32 << 10
"""Room on the console for the error and notes of one action, which are shown whatever was printed."""

MAX_ACTIONS_BYTES = 256 << 10
"""What the actions of a step may need together of the frame of 1 MiB that starts it: code, as bytes, and arguments.

A text of 200,000 characters can be four times as many bytes. What does not fit is that call's error, not the job's end.
"""

_LONG_ARGUMENTS_CHARS = 2000
"""Arguments of so much are read on the loop; reading them takes 3 ms at the most."""


async def actions_of(
    job: ActiveJob, source: StepSource, refuse: Callable[[str], Awaitable[str | None]]
) -> tuple[Action, ...]:
    """The actions of a step; every run of it has the same ones as long as the job's tools are.

    Args:
        job: the job.
        source: its step in flight.
        refuse: why code is not let run, None where it is.
    """
    if source.kind == "warmup":
        return tuple(warmup_action(call) for call in job.framework_calls())
    actions: list[Action] = []
    room, size = 2 * MAX_ARGUMENT_CHARS, 0
    for call in source.calls:
        room -= len(call.arguments)
        if room < 0:
            action = _too_long()
        else:
            read = partial(call_action, call, job.provider_tools, job.tools.keys())
            # 200 KB of empty lists take a quarter of a second to encode.
            action = await asyncio.to_thread(read) if len(call.arguments) > _LONG_ARGUMENTS_CHARS else read()
        if action.kind is ActionKind.CODE:
            refusal = await refuse(action.code)
            if refusal is not None:
                error_type, _, message = refusal.partition(": ")
                action = refused_action(error_type, message)
        size += len(action.code.encode()) + len(action.args)
        if size > MAX_ACTIONS_BYTES:
            action = _too_long()
        actions.append(action)
    return tuple(actions)


def _too_long() -> Action:
    message = f"limit actions_bytes is {MAX_ACTIONS_BYTES}, the calls of this reply are longer together; make fewer"
    return refused_action("LimitExceeded", message)


async def advise(code: str, actions: Iterable[Action], console: Console) -> None:
    """Say early what the code of a reply, and of its calls, cannot do in a sandbox."""
    for number, source in enumerate([code, *(action.code for action in actions)]):
        for finding in await examine(source, StaticPolicy.ADVISE):
            console.note(finding.note(), number)


def tool_log(log: Sequence[Sequence[Sequence[str]]]) -> dict[str, Any]:
    """What the formal calls of a step showed, as it is kept with the step; nothing without calls."""
    return {"tool_log": [list(map(list, elements)) for elements in log]} if log else {}
