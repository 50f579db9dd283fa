"""Commands that only read: jobs, show, locals, logs, agents."""

from __future__ import annotations

import argparse

from orchestrator.cli import as_json, exit_codes, present
from orchestrator.cli.commands.past import present_remark
from orchestrator.cli.desk import Desk, open_desk, service_answers
from orchestrator.cli.progress import Progress
from orchestrator.cli.terminal import Terminal
from statek.settings import StatekSettings

__all__ = ["dispatch"]


def dispatch(options: argparse.Namespace, settings: StatekSettings, terminal: Terminal) -> int:
    """Run the command that the options name."""
    always = getattr(options, "progress", False)
    waiting = Progress(terminal.err, "asking the service or opening the store", always=always)
    with waiting as progress, open_desk(settings) as desk:
        match options.command:
            case "jobs":
                _jobs(desk, options, terminal, progress)
            case "show":
                _show(desk, options, terminal, progress)
            case "locals":
                _locals(desk, options, terminal, progress)
            case "agents":
                _agents(desk, terminal, progress)
            case _:
                _logs(desk, options, settings, terminal, progress)
    return exit_codes.OK


def _jobs(desk: Desk, options: argparse.Namespace, terminal: Terminal, progress: Progress) -> None:
    """``statek jobs``."""
    found = desk.jobs(newest=options.newest)
    progress.clear()
    if terminal.json:
        terminal.value([as_json.summary_value(job) for job in found])
    elif found:
        terminal.lines(present.job_rows(found))
    else:
        terminal.note("no jobs yet")


def _agents(desk: Desk, terminal: Terminal, progress: Progress) -> None:
    """``statek agents list``."""
    found = desk.agents()
    progress.clear()
    if terminal.json:
        terminal.value([as_json.agent_value(agent) for agent in found])
    elif found:
        terminal.lines(present.agent_rows(found))
    else:
        terminal.note("no service has run an agent yet")


def _show(desk: Desk, options: argparse.Namespace, terminal: Terminal, progress: Progress) -> None:
    """``statek show``."""
    view = desk.job(options.id)
    progress.clear()
    if terminal.json:
        terminal.value(as_json.job_value(view))
    else:
        terminal.lines(present.job_lines(view))


def _locals(desk: Desk, options: argparse.Namespace, terminal: Terminal, progress: Progress) -> None:
    """``statek locals``."""
    found = desk.variables(options.id)
    commit = desk.commits(options.id, newest=1)[-1]
    progress.clear()
    if terminal.json:
        terminal.value([as_json.variable_value(variable) for variable in found])
        return
    if found:
        terminal.lines(present.variable_rows(found))
    else:
        terminal.note("no variables")
    present_remark(commit, terminal)


def _logs(
    desk: Desk, options: argparse.Namespace, settings: StatekSettings, terminal: Terminal, progress: Progress
) -> None:
    """``statek logs``: with --json one line per entry."""
    if options.follow and service_answers(settings):
        entries = desk.follow(options.id, start=options.start)
        progress.say("")
    else:
        entries = iter(desk.job(options.id).items[options.start :])
    for index, item in enumerate(entries, options.start):
        progress.clear()
        if terminal.json:
            terminal.value(as_json.item_value(index, item))
        else:
            terminal.lines(present.item_lines(index, item))
        terminal.flush()
    if options.follow and not service_answers(settings):
        terminal.note("no service is running, so nothing more will come; statek serve goes on with the jobs")
