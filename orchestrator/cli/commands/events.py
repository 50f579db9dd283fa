"""The command ``statek events``."""

from __future__ import annotations

import argparse

from orchestrator.cli import as_json, event_lines, exit_codes
from orchestrator.cli.desk import open_desk, service_answers
from orchestrator.cli.progress import Progress
from orchestrator.cli.terminal import Terminal
from statek.settings import StatekSettings

__all__ = ["events"]


def events(options: argparse.Namespace, settings: StatekSettings, terminal: Terminal) -> int:
    """Print events, with --json a line for each, as they are read."""
    always = getattr(options, "progress", False)
    waiting = Progress(terminal.err, "asking the service or opening the store", always=always)
    match = f"{options.match} job={options.job}" if options.job else options.match
    with waiting as progress, open_desk(settings) as desk:
        following = options.follow and service_answers(settings)
        if following:
            progress.say("")
        for event in desk.events(after=options.after, match=match, tenant=options.tenant, follow=following):
            progress.clear()
            if terminal.json:
                terminal.value(as_json.event_value(event))
            else:
                terminal.lines(event_lines.event_lines(event))
            if following:
                terminal.flush()
    if options.follow and not following:
        terminal.note("no service is running, so nothing more will come; statek serve goes on with the jobs")
    return exit_codes.OK
