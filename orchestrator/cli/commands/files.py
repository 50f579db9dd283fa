"""``statek files``: list what a job keeps in /work, show one file, or copy."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from orchestrator.cli import as_json, exit_codes, present
from orchestrator.cli.commands.past import present_remark
from orchestrator.cli.desk import Desk, open_desk
from orchestrator.cli.progress import Progress
from orchestrator.cli.terminal import Terminal
from statek.artifacts import copy_file, copy_files
from statek.exceptions import InvalidRequest
from statek.settings import StatekSettings

__all__ = ["files"]


def files(options: argparse.Namespace, settings: StatekSettings, terminal: Terminal) -> int:
    """List, print or copy.

    Raises:
        InvalidRequest: a file would be printed on a terminal, or overwritten.
    """
    to_terminal = bool(options.path) and options.output is None
    if to_terminal and sys.stdout.isatty():
        raise InvalidRequest("a file of a sandbox is not written to a terminal, which it could take over; give -o FILE")
    always = getattr(options, "progress", False)
    waiting = Progress(terminal.err, "asking the service or opening the store", always=always)
    with waiting as progress, open_desk(settings) as desk:
        if to_terminal:
            _print(desk, options, progress)
        elif options.output is None:
            _list(desk, options, terminal, progress)
        else:
            _copy(desk, options, terminal, progress)
    return exit_codes.OK


def _list(desk: Desk, options: argparse.Namespace, terminal: Terminal, progress: Progress) -> None:
    found = desk.files(options.id)
    commit = desk.commits(options.id, newest=1)[-1]
    progress.clear()
    if terminal.json:
        terminal.value([as_json.file_value(file) for file in found])
        return
    if found:
        terminal.lines(present.file_rows(found))
    else:
        terminal.note("no files")
    present_remark(commit, terminal)


def _print(desk: Desk, options: argparse.Namespace, progress: Progress) -> None:
    """The content as it is, on standard output that is a pipe or a file."""
    for piece in desk.file(options.id, options.path):
        progress.clear()
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def _copy(desk: Desk, options: argparse.Namespace, terminal: Terminal, progress: Progress) -> None:
    target: Path = options.output
    if options.path:
        size = copy_file(target, desk.file(options.id, options.path), overwrite=True)
        progress.clear()
        terminal.note(f"{size} bytes written to {target}")
        return
    if os.path.lexists(target):
        raise InvalidRequest(f"{target} is there already; all files are copied into a new folder only")
    found = [file.path for file in desk.files(options.id)]
    copied = copy_files(target, found, lambda path: desk.file(options.id, path))
    progress.clear()
    terminal.note(f"{len(copied)} file(s) written below {target}")
