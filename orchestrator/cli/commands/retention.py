"""The command ``compact``: drop commits that nobody wants to keep."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from orchestrator.cli import exit_codes
from orchestrator.cli.desk import open_desk
from orchestrator.cli.present import table
from orchestrator.cli.progress import Progress
from orchestrator.cli.terminal import Terminal
from statek.settings import StatekSettings
from statek.upkeep import Compacted, number_ranges

__all__ = ["compact"]

_SHOWN_RANGES = 8


def compact(options: argparse.Namespace, settings: StatekSettings, terminal: Terminal) -> int:
    """``statek compact``."""
    always = getattr(options, "progress", False)
    waiting = Progress(terminal.err, "asking the service or opening the store", always=always)
    with waiting as progress, open_desk(settings) as desk:
        done = desk.compact(
            options.id,
            keep_last=options.keep_last,
            keep_tagged=options.keep_tagged,
            dry_run=options.dry_run,
            progress=progress.say,
        )
        progress.clear()
    if terminal.json:
        terminal.value(asdict(done))
        return exit_codes.OK
    terminal.lines(_rows(done))
    removed = "would be removed" if done.dry_run else "removed"
    terminal.note(f"{done.freed_blocks} block(s) of {done.freed_bytes} bytes {removed}")
    return exit_codes.OK


def _rows(done: Compacted) -> list[str]:
    """A table of the jobs of which commits go."""
    if not done.jobs:
        return ["no commits to drop"]
    header = ("JOB", "WOULD DROP" if done.dry_run else "DROPPED", "COMMITS", "KEPT", "BLOCKS", "BYTES")
    rows = [
        (
            job.job,
            number_ranges(job.dropped, _SHOWN_RANGES),
            str(len(job.dropped)),
            str(job.kept),
            str(job.freed_blocks),
            str(job.freed_bytes),
        )
        for job in done.jobs
    ]
    return table(header, rows)
