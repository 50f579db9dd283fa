"""``statek futures``: what jobs wait for, and the answers of people."""

from __future__ import annotations

import argparse

from orchestrator.cli import as_json, exit_codes, present
from orchestrator.cli.desk import open_desk
from orchestrator.cli.progress import Progress
from orchestrator.cli.terminal import Terminal
from statek.executors.views import FutureView
from statek.settings import StatekSettings

__all__ = ["dispatch"]


def dispatch(options: argparse.Namespace, settings: StatekSettings, terminal: Terminal) -> int:
    """Run the command that the options name."""
    always = getattr(options, "progress", False)
    waiting = Progress(terminal.err, "asking the service or opening the store", always=always)
    with waiting as progress, open_desk(settings) as desk:
        match options.futures_command:
            case "list":
                found = desk.futures()
                progress.clear()
                _list(found, terminal)
                return exit_codes.OK
            case "show":
                future = desk.future(options.id)
            case "resolve":
                future = desk.resolve_future(options.id, options.value)
            case "fail":
                future = desk.fail_future(options.id, options.message)
            case _:
                future = desk.cancel_future(options.id, options.reason)
        progress.clear()
    if terminal.json:
        terminal.value(as_json.future_value(future))
    else:
        terminal.lines(present.future_lines(future))
    return exit_codes.OK


def _list(found: list[FutureView], terminal: Terminal) -> None:
    if terminal.json:
        terminal.value([as_json.future_value(future) for future in found])
    elif found:
        terminal.lines(present.future_rows(found))
    else:
        terminal.note("nothing is waited for")
