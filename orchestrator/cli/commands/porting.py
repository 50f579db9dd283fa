"""Commands that carry jobs between stores: jobs export, jobs import."""

from __future__ import annotations

import argparse

from orchestrator.cli import exit_codes
from orchestrator.cli.desk import Desk, open_desk
from orchestrator.cli.progress import Progress
from orchestrator.cli.terminal import Terminal
from statek.settings import StatekSettings

__all__ = ["dispatch"]


def dispatch(options: argparse.Namespace, settings: StatekSettings, terminal: Terminal) -> int:
    """Run the command that the options name."""
    always = getattr(options, "progress", False)
    text = f"writing {options.output}" if options.jobs_command == "export" else f"checking {options.file}"
    with Progress(terminal.err, text, always=always) as progress, open_desk(settings) as desk:
        if options.jobs_command == "export":
            _export(desk, options, terminal, progress)
        else:
            _import(desk, options, terminal, progress)
    return exit_codes.OK


def _export(desk: Desk, options: argparse.Namespace, terminal: Terminal, progress: Progress) -> None:
    """``statek jobs export``."""
    size = desk.export_to(options.id, options.output)
    progress.clear()
    if terminal.json:
        terminal.value({"id": options.id, "file": str(options.output), "bytes": size})
    else:
        terminal.note(f"{size} bytes written to {options.output}")


def _import(desk: Desk, options: argparse.Namespace, terminal: Terminal, progress: Progress) -> None:
    """``statek jobs import``: prints the new id and nothing else."""
    found = desk.import_from(options.file, principal=options.principal, request_id=options.request_id)
    progress.clear()
    if terminal.json:
        terminal.value({"id": found.id, "repeated": found.repeated, "lost": list(found.lost)})
        return
    terminal.line(found.id)
    if found.repeated:
        terminal.note(f"job {found.id} was made by an earlier import of this request id")
        return
    for name in found.lost:
        terminal.note(f"variable {name} reaches a durable object and did not come")
    terminal.note(f"job {found.id} rests; statek push or statek fork lets it go on")
