"""Runs the actions of a step: formal tool calls of the model, before the step's own code.

Each has an output slot of its own and an ending of its own: an error is shown there and the next action runs. Only
``exit(...)`` ends them all, and the step with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sandbox_runner.executor.console import ERROR, NOTE, Console
from sandbox_runner.executor.namespace import Namespace
from sandbox_runner.executor.statements import EXIT, Ending, Failure, run_call, run_code
from sandbox_runner.wire.frames import Action
from sandbox_runner.wire.values import decode

__all__ = ["run_actions", "show_failure"]

CODE, TOOL = 1, 2


def run_actions(
    actions: Iterable[Action],
    step: int,
    namespace: Namespace,
    console: Console,
    echo: Callable[[object], None],
) -> Ending | None:
    """Run the actions in order, each in its slot of the console.

    Args:
        actions: what to run.
        step: names the source of their code in tracebacks.
        namespace: the workspace.
        console: is in slot 0 afterwards.
        echo: shows a value.

    Returns:
        The ending of the action that called ``exit``; None when all of them ran.
    """
    ending: Ending | None = None
    for number, action in enumerate(actions, start=1):
        console.slot(number)
        ending = _run(action, f"step {step}, call {number}", namespace, echo)
        console.end()
        if ending.failure is not None:
            show_failure(console, ending.failure)
        if ending.outcome == EXIT:
            break
    else:
        ending = None
    console.slot(0)
    return ending


def _run(action: Action, label: str, namespace: Namespace, echo: Callable[[object], None]) -> Ending:
    if action.kind == CODE:
        return run_code(action.code, label, namespace, echo)
    if action.kind == TOOL:
        return run_call(lambda: _call(action, namespace), echo)
    return Ending(2, failure=Failure(action.error_type, action.error_message, 0, ""))


def _call(action: Action, namespace: Namespace) -> Any:
    found: Any = decode(action.args)  # the host's own writing
    return namespace.tool(action.tool)(*found[0], **found[1])


def show_failure(console: Console, failure: Failure) -> None:
    """Show an error and where it came from, after ``console.end()``."""
    console.final(ERROR, failure.text)
    if failure.line:
        console.final(NOTE, f"(line {failure.line}: {failure.source[:200]})")
