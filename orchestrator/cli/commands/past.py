"""Commands about the commits of a job: history, view, diff, tag, rollback, fork."""

from __future__ import annotations

import argparse

from orchestrator.cli import as_json, exit_codes, past_lines, present
from orchestrator.cli.desk import Desk, open_desk, service_answers
from orchestrator.cli.progress import Progress
from orchestrator.cli.terminal import Terminal
from statek.executors.history import CommitView
from statek.job_mode import JobMode
from statek.settings import StatekSettings

__all__ = ["dispatch", "present_remark"]


def dispatch(options: argparse.Namespace, settings: StatekSettings, terminal: Terminal) -> int:
    """Run the command that the options name."""
    always = getattr(options, "progress", False)
    waiting = Progress(terminal.err, "asking the service or opening the store", always=always)
    with waiting as progress, open_desk(settings) as desk:
        match options.command:
            case "history":
                _history(desk, options, terminal, progress)
            case "view":
                _view(desk, options, terminal, progress)
            case "diff":
                _diff(desk, options, terminal, progress)
            case "tag":
                _tag(desk, options, terminal, progress)
            case "rollback":
                _tell(desk.rollback(options.id, options.commit), terminal, progress)
            case _:
                _fork(desk, options, settings, terminal, progress)
    return exit_codes.OK


def _history(desk: Desk, options: argparse.Namespace, terminal: Terminal, progress: Progress) -> None:
    """``statek history``."""
    found = desk.commits(options.id, newest=options.newest)
    progress.clear()
    if terminal.json:
        terminal.value([as_json.commit_value(commit) for commit in found])
    else:
        terminal.lines(past_lines.commit_rows(found))
        present_remark(found[-1], terminal)


def present_remark(commit: CommitView, terminal: Terminal) -> None:
    """Say what no commit of such a job can show."""
    remark = JobMode(commit.mode).remark
    if remark:
        terminal.note(remark)


def _view(desk: Desk, options: argparse.Namespace, terminal: Terminal, progress: Progress) -> None:
    """``statek view``."""
    state = desk.view(options.id, options.at, focus="recent" if options.recent else "full")
    progress.clear()
    if terminal.json:
        terminal.value(
            {
                "commit": as_json.commit_value(state.commit),
                "variables": [as_json.variable_value(variable) for variable in state.variables],
                "files": [as_json.file_value(file) for file in state.files],
            }
        )
        return
    terminal.lines(past_lines.commit_rows([state.commit]))
    present_remark(state.commit, terminal)
    if state.variables:
        terminal.lines(["", *present.variable_rows(state.variables)])
    if state.files:
        terminal.lines(["", *present.file_rows(state.files)])
    if not (state.variables or state.files):
        terminal.note("that commit changed nothing" if options.recent else "no variables and no files then")


def _diff(desk: Desk, options: argparse.Namespace, terminal: Terminal, progress: Progress) -> None:
    """``statek diff``."""
    found = desk.diff(options.id, options.before, options.after)
    progress.clear()
    if terminal.json:
        terminal.value(as_json.diff_value(found))
    elif found.variables or found.files:
        terminal.lines(past_lines.diff_lines(found))
    else:
        terminal.note(f"commits {found.before.number} and {found.after.number} have the same variables and files")
        present_remark(found.after, terminal)


def _tag(desk: Desk, options: argparse.Namespace, terminal: Terminal, progress: Progress) -> None:
    """``statek tag``."""
    if options.delete:
        desk.untag(options.id, options.name)
        progress.clear()
        terminal.note(f"tag {options.name} is gone; its commit stays")
        return
    _tell(desk.tag(options.id, options.name, options.at), terminal, progress)


def _tell(commit: CommitView, terminal: Terminal, progress: Progress) -> None:
    """Show one commit."""
    progress.clear()
    if terminal.json:
        terminal.value(as_json.commit_value(commit))
    else:
        terminal.lines(past_lines.commit_rows([commit]))


def _fork(
    desk: Desk, options: argparse.Namespace, settings: StatekSettings, terminal: Terminal, progress: Progress
) -> None:
    """``statek fork``: prints the new id and nothing else."""
    id_ = desk.fork(options.id, options.at, message=options.message)
    progress.clear()
    if terminal.json:
        terminal.value({"id": id_})
    else:
        terminal.line(id_)
    if not service_answers(settings):
        terminal.note(f"job {id_} goes on when a service with its agent runs")
