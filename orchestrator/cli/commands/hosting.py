"""Commands that drive jobs in this process: run, serve."""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from orchestrator.api.limits import RESERVED_PARAMETERS
from orchestrator.api.server import ApiServer
from orchestrator.api.socket_file import api_socket
from orchestrator.app import open_service, until_terminated
from orchestrator.app import serve as serve_until_stopped
from orchestrator.cli import as_json, exit_codes, present
from orchestrator.cli.application import load_agents
from orchestrator.cli.commands.controlling import named
from orchestrator.cli.progress import Progress
from orchestrator.cli.terminal import Terminal
from orchestrator.engine.service import Service
from orchestrator.printable import printable
from orchestrator.sandboxes.driver import Driver
from statek.agents.agent import Agent
from statek.exceptions import InvalidRequest
from statek.executors.views import JobSummary
from statek.model import Model
from statek.settings import StatekSettings

__all__ = ["Submission", "run", "run_job", "serve"]


@dataclass(frozen=True, slots=True)
class Submission:
    """What ``run`` submits; see ``Service.submit``."""

    role: str
    shared_vars: Mapping[str, object] = field(default_factory=dict)
    message: str = ""
    principal: str = ""
    mode: str = ""
    params: Mapping[str, object] = field(default_factory=dict)
    locale: str | None = None
    chat_style: str | None = None


class _Escaping(logging.Formatter):
    """Log lines may hold texts of jobs."""

    def format(self, record: logging.LogRecord) -> str:
        """One line per line of the record, with nothing that a terminal obeys."""
        return "\n".join(printable(line) for line in super().format(record).split("\n"))


def _log_to(terminal: Terminal, settings: StatekSettings) -> None:
    """Send log lines to standard error."""
    handler = logging.StreamHandler(terminal.err)
    handler.setFormatter(_Escaping("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)


def run(options: argparse.Namespace, settings: StatekSettings, terminal: Terminal) -> int:
    """``statek run``: one job, from submission to its end."""
    _log_to(terminal, settings)
    agents = load_agents(options.app)
    role = options.role or _only_role(agents)
    job = Submission(
        role,
        shared_vars=named("--var", options.var),
        message=options.message,
        principal=options.principal,
        mode=options.mode,
        params=named("--param", options.param),
        locale=options.locale or None,
        chat_style=options.chat_style or None,
    )
    always = getattr(options, "progress", False)
    with Progress(terminal.err, "opening the store", always=always) as progress:
        try:
            summary = asyncio.run(until_terminated(run_job(settings, agents, job, terminal, progress)))
        except asyncio.CancelledError:
            progress.clear()
            terminal.note("terminated; the job goes on at the next statek run or statek serve")
            return exit_codes.TERMINATED
        except KeyboardInterrupt:
            progress.clear()
            terminal.note("interrupted; the job goes on at the next statek run or statek serve")
            return exit_codes.INTERRUPTED
    return _close(summary, terminal)


def _only_role(agents: Sequence[Agent]) -> str:
    """The role of the only agent.

    Raises:
        InvalidRequest: there are several.
    """
    if len(agents) > 1:
        roles = ", ".join(sorted(agent.role for agent in agents))
        raise InvalidRequest(f"the application has several agents; choose one with --role: {roles}")
    return agents[0].role


async def run_job(
    settings: StatekSettings,
    agents: Sequence[Agent],
    job: Submission,
    terminal: Terminal,
    progress: Progress,
    *,
    model: Model | None = None,
    driver: Driver | None = None,
) -> JobSummary:
    """Submit a job, print its entries as they are finished, and return when it rests.

    Other commands reach the service over its socket meanwhile.

    Raises:
        StatekError: the service cannot be opened, or the job is refused.
    """
    params: dict[str, Any] = dict(job.params)
    reserved = sorted(params.keys() & RESERVED_PARAMETERS)
    if reserved:
        raise InvalidRequest(f"a prompt parameter cannot be called {reserved[0]!r}")
    async with (
        open_service(settings, agents, model=model, driver=driver, progress=progress.say) as service,
        ApiServer(service, settings),
    ):
        id_ = await service.submit(
            job.role,
            shared_vars=job.shared_vars,
            message=job.message,
            principal=job.principal,
            locale=job.locale,
            chat_style=job.chat_style,
            mode=job.mode or None,
            **params,
        )
        progress.say(f"job {id_} is running")
        printing = asyncio.ensure_future(_print_items(service, id_, terminal, progress))
        try:
            summary = await service.wait(id_)
            if summary.status == "DONE":
                await printing
        finally:
            printing.cancel()
            with suppress(asyncio.CancelledError):
                await printing
        progress.say("closing the service")
        return summary


async def _print_items(service: Service, id_: str, terminal: Terminal, progress: Progress) -> None:
    """Print entries as they are finished."""
    index = 0
    async for item in service.follow(id_):
        progress.clear()
        if terminal.json:
            terminal.value(as_json.item_value(index, item))
        else:
            terminal.lines(present.item_lines(index, item))
        terminal.flush()
        index += 1
        progress.say(f"job {id_} is running, entry {index}")


def _close(summary: JobSummary, terminal: Terminal) -> int:
    """Print the last line and choose the exit code."""
    resting = summary.status in {"DONE", "SUSPENDED"}
    if summary.failure is not None:
        terminal.note(f"job {summary.id} failed: {': '.join(filter(None, summary.failure.values()))}")
    elif summary.reason:
        terminal.note(f"job {summary.id}: {summary.reason}")
    if summary.status == "SUSPENDED":
        terminal.note("statek futures list and statek calls list show what it waits for")
    if terminal.json:
        terminal.value(as_json.summary_value(summary))
    else:
        terminal.line(present.closing_line(summary))
    if summary.status == "SUSPENDED":
        return exit_codes.SUSPENDED
    if not resting:
        return exit_codes.USAGE
    return exit_codes.OK if summary.failure is None else exit_codes.FAILED


def serve(options: argparse.Namespace, settings: StatekSettings, terminal: Terminal) -> int:
    """``statek serve``: until SIGTERM or SIGINT."""
    _log_to(terminal, settings)
    agents = load_agents(options.app)
    roles = ", ".join(sorted(agent.role for agent in agents))
    terminal.note(f"starting with {roles}; the API will be at {api_socket(settings).absolute()}")
    with Progress(terminal.err, "opening the store", always=getattr(options, "progress", False)) as progress:
        asyncio.run(serve_until_stopped(settings, agents, progress=progress.say))
    terminal.note("stopped; everything is on the disk")
    return exit_codes.OK
