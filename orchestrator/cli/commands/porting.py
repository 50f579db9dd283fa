"""Commands that carry jobs to other stores and images: jobs export, jobs import, jobs migrate."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from orchestrator.api.limits import MAX_NEWEST
from orchestrator.api.socket_file import api_socket
from orchestrator.cli import exit_codes
from orchestrator.cli.desk import Desk, open_desk
from orchestrator.cli.progress import Progress
from orchestrator.cli.terminal import Terminal
from statek.exceptions import InvalidRequest, NotFound, RestoreFailed
from statek.settings import StatekSettings
from statek.upkeep import Migrated

if TYPE_CHECKING:
    from orchestrator.api.client import StatekClient

__all__ = ["dispatch"]


def dispatch(options: argparse.Namespace, settings: StatekSettings, terminal: Terminal) -> int:
    """Run the command that the options name."""
    always = getattr(options, "progress", False)
    if options.jobs_command == "migrate":
        with Progress(terminal.err, "asking the service", always=always) as progress:
            return _migrate(options, settings, terminal, progress)
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


def _migrate(options: argparse.Namespace, settings: StatekSettings, terminal: Terminal, progress: Progress) -> int:
    """``statek jobs migrate``: by the running service, whose image it is.

    Of several jobs one that cannot be moved does not keep the others, nor what became of them, from the operator.
    """
    from orchestrator.api.client import StatekClient

    found: list[Migrated] = []
    refused: list[str] = []
    with StatekClient(api_socket(settings)) as client:
        ids = options.ids or _unfinished(client)
        for id_ in ids:
            progress.say(f"migrating {id_}")
            try:
                found.append(client.migrate(id_, options.image, dry_run=options.dry_run))
            except (InvalidRequest, NotFound, RestoreFailed) as error:
                if len(ids) == 1:
                    raise
                refused.append(str(error))
    progress.clear()
    _tell_migrated(found, terminal)
    for reason in dict.fromkeys(refused):  # another image is refused with the same words for every job
        terminal.note(reason)
    return exit_codes.FAILED if refused else exit_codes.OK


def _unfinished(client: StatekClient) -> list[str]:
    """The ids of all jobs that are not DONE, oldest first, however many jobs there are."""
    ids: list[str] = []
    before = ""
    while page := client.jobs(newest=MAX_NEWEST, before=before):
        ids[:0] = [job.id for job in page if job.status != "DONE"]
        before = page[0].id
    return ids


def _tell_migrated(found: list[Migrated], terminal: Terminal) -> None:
    """What became of each job and its variables."""
    if terminal.json:
        terminal.value([asdict(job) | {"names": [asdict(name) for name in job.names]} for job in found])
        return
    for job in found:
        if job.saved_on == job.image:
            terminal.note(f"job {job.job} is on {job.image} already")
            continue
        made = f"commit {job.commit}" if job.commit >= 0 else "dry run, nothing written"
        terminal.line(f"{job.job} {job.saved_on} -> {job.image} ({made})")
        for name in job.names:
            terminal.line(f"  {name.name}: {name.state}{f': {name.reason}' if name.reason else ''}")


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
