"""Commands that change something: submit, push, cancel, calls, queues."""

from __future__ import annotations

import argparse

from orchestrator.api.socket_file import api_socket
from orchestrator.cli import as_json, exit_codes, present
from orchestrator.cli.desk import open_desk
from orchestrator.cli.progress import Progress
from orchestrator.cli.terminal import Terminal
from statek.exceptions import InvalidRequest
from statek.executors.views import JobSummary
from statek.settings import StatekSettings

__all__ = ["dispatch", "named"]


def dispatch(options: argparse.Namespace, settings: StatekSettings, terminal: Terminal) -> int:
    """Run the command that the options name."""
    always = getattr(options, "progress", False)
    with Progress(terminal.err, "asking the service or opening the store", always=always) as progress:
        if options.command == "submit":
            _submit(options, settings, terminal, progress)
        elif options.command == "push":
            _push(options, settings, terminal, progress)
        elif options.command == "queues":
            _list_queues(settings, terminal, progress)
        elif options.command == "cancel":
            with open_desk(settings) as desk:
                _tell(desk.cancel(options.id, options.reason), terminal, progress, ending=True)
        elif options.calls_command == "list":
            _list_calls(settings, terminal, progress)
        else:
            _resolve(options, settings, terminal, progress)
    return exit_codes.OK


def named(option: str, pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Values by name, each given once.

    Raises:
        InvalidRequest: one is given twice.
    """
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidRequest(f"{option} {name} is given twice")
        found[name] = value
    return found


def _submit(options: argparse.Namespace, settings: StatekSettings, terminal: Terminal, progress: Progress) -> None:
    """``statek submit``: prints the id and nothing else."""
    from orchestrator.api.client import StatekClient

    with StatekClient(api_socket(settings)) as client:
        id_ = client.submit(
            options.role,
            shared_vars=named("--var", options.var),
            message=options.message,
            principal=options.principal,
            mode=options.mode,
            params=named("--param", options.param),
            locale=options.locale,
            chat_style=options.chat_style,
        )
    progress.clear()
    if terminal.json:
        terminal.value({"id": id_})
    else:
        terminal.line(id_)


def _push(options: argparse.Namespace, settings: StatekSettings, terminal: Terminal, progress: Progress) -> None:
    """``statek push``."""
    with open_desk(settings) as desk:
        delivered = desk.push(options.id, options.text, request_id=options.request_id)
    progress.clear()
    if terminal.json:
        terminal.value({"id": options.id, "delivered": delivered})
    elif delivered:
        terminal.note(f"job {options.id} hears it before its next model request")
    else:
        terminal.note(f"job {options.id} ended by a failure that no message mends; it keeps the message (statek show)")


def _list_queues(settings: StatekSettings, terminal: Terminal, progress: Progress) -> None:
    """``statek queues list``."""
    with open_desk(settings) as desk:
        found = desk.queues()
    progress.clear()
    if terminal.json:
        terminal.value([as_json.queue_value(queue) for queue in found])
    elif found:
        terminal.lines(present.queue_lines(found))
    else:
        terminal.note("nothing was ever pushed into a queue")


def _list_calls(settings: StatekSettings, terminal: Terminal, progress: Progress) -> None:
    """``statek calls list``."""
    with open_desk(settings) as desk:
        found = desk.calls()
    progress.clear()
    if terminal.json:
        terminal.value([as_json.call_value(call) for call in found])
    elif found:
        terminal.lines(present.call_rows(found))
    else:
        terminal.note("no call is in doubt")


def _resolve(options: argparse.Namespace, settings: StatekSettings, terminal: Terminal, progress: Progress) -> None:
    """``statek calls resolve``."""
    with open_desk(settings) as desk:
        if hasattr(options, "happened"):
            summary = desk.resolve(options.id, options.call, "happened", value=options.happened)
        elif hasattr(options, "failed"):
            summary = desk.resolve(options.id, options.call, "failed", message=options.failed)
        else:
            summary = desk.resolve(options.id, options.call, "retry")
    _tell(summary, terminal, progress, ending=False)


def _tell(summary: JobSummary, terminal: Terminal, progress: Progress, *, ending: bool) -> None:
    """Say how the job stands now."""
    progress.clear()
    if terminal.json:
        terminal.value(as_json.summary_value(summary))
        return
    terminal.lines(present.job_rows([summary]))
    if ending and summary.status != "DONE":
        terminal.note(f"the request is recorded; job {summary.id} ends when a service with its agent runs")
