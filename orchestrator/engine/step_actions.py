"""What the formal calls of a step in flight are in the sandbox."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from orchestrator.engine.active_job import ActiveJob, StepSource
from orchestrator.engine.console import Console
from orchestrator.engine.provider_calls import MAX_ARGUMENT_CHARS, call_action, refused_action, warmup_action
from orchestrator.engine.static_advice import examine
from orchestrator.sandboxes.step import Action, ActionKind
from statek.static_policy import StaticPolicy

__all__ = ["ACTION_CONSOLE_BYTES", "actions_of", "advise", "tool_log"]

ACTION_CONSOLE_BYTES = 32 << 10
"""Room on the console for the error and notes of one action, which are shown whatever was printed."""


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
    room = 2 * MAX_ARGUMENT_CHARS
    for call in source.calls:
        room -= len(call.arguments)
        if room < 0:
            action = refused_action("LimitExceeded", "the calls of this reply are too long together; make fewer")
        else:
            action = call_action(call, job.provider_tools, job.tools.keys())
        if action.kind is ActionKind.CODE:
            refusal = await refuse(action.code)
            if refusal is not None:
                error_type, _, message = refusal.partition(": ")
                action = refused_action(error_type, message)
        actions.append(action)
    return tuple(actions)


async def advise(code: str, actions: Iterable[Action], console: Console) -> None:
    """Say early what the code of a reply, and of its calls, cannot do in a sandbox."""
    for number, source in enumerate([code, *(action.code for action in actions)]):
        for finding in await examine(source, StaticPolicy.ADVISE):
            console.note(finding.note(), number)


def tool_log(log: Sequence[Sequence[Sequence[str]]]) -> dict[str, Any]:
    """What the formal calls of a step showed, as it is kept with the step; nothing without calls."""
    return {"tool_log": [list(map(list, elements)) for elements in log]} if log else {}
