"""Runs the dispatcher once: push a message, let the agents work, print what each of them did."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import statek
from examples.dispatcher.agents import DISPATCHER, make_agents
from examples.dispatcher.models import role_models
from examples.dispatcher.office import Message, Office, Room
from examples.recorded import default_model
from orchestrator.cli.terminal import split_lines
from orchestrator.embedded import Embedded
from orchestrator.printable import printable
from statek import durable
from statek.exceptions import StatekError
from statek.executors.job import Job
from statek.settings import StatekSettings
from statek.statek_push_queue import StatekPushQueue

__all__ = ["main"]

REQUEST = "Please find a room for six people tomorrow at two, for planning."

_EXIT_FAILED = 1
_EXIT_SETUP = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program.

    Returns:
        0 when every job is done, 1 when one failed or cannot go on, 2 when something has to be set up first.
    """
    parser = argparse.ArgumentParser(
        prog="python -m examples.dispatcher",
        description="Let a dispatcher give the work of a queued message to two specialists.",
        allow_abbrev=False,
    )
    parser.add_argument("--data-dir", type=Path, default=Path(".statek/dispatcher"), help="default: %(default)s")
    parser.add_argument("--model", default=default_model(), help="provider/model (default: %(default)s)")
    given = parser.parse_args(arguments)
    try:
        return asyncio.run(_run(given.data_dir, given.model))
    except StatekError as error:
        print(f"dispatcher: error[{error.code}]: {error}", file=sys.stderr)
        return _EXIT_SETUP


async def _run(data_dir: Path, wanted: str) -> int:
    settings = StatekSettings.load({"data_dir": data_dir})
    outbox = data_dir / "outbox.txt"
    async with role_models(wanted) as models:
        print(f"Model: {models.reason}", flush=True)
        service = statek.init(settings=settings)
        try:
            first = await asyncio.to_thread(_push, service)
            agents = make_agents(outbox, models.names)
            await statek.start_statek_async(agents, model=models.gateway, until_idle=True)
            return await asyncio.to_thread(_report, service, first, outbox)
        finally:
            statek.close()


def _push(service: Embedded) -> int:
    """Make the office and push the message; gives the number of the first job of this run."""

    def make() -> Message:
        rooms = [Room("Oak", 4, []), Room("Elm", 6, [14]), Room("Ash", 12, [14, 15])]
        message = Message("Ann", REQUEST, Office(rooms))
        durable.tag(message, "message")
        return message

    message = service.store.commit_sync(make)
    StatekPushQueue().push_to_agent_queue(DISPATCHER, message)
    print(f"· pushed a message to the queue of {DISPATCHER}: {REQUEST}", file=sys.stderr, flush=True)
    return len(service.access.jobs()) + 1


def _report(service: Embedded, first: int, outbox: Path) -> int:
    """Print what each job did."""
    failed = False
    for job in service.access.jobs()[first - 1 :]:
        _print_job(job)
        failed |= job.error is not None or job.status.name != "DONE"
    print("\nanswers that were sent:")
    for line in outbox.read_text(encoding="utf-8").splitlines() if outbox.exists() else ():
        _, to, text = line.split("\t", 2)
        print(f"  to {printable(to)}: {printable(text)}")
    return _EXIT_FAILED if failed else 0


def _print_job(job: Job) -> None:
    parent = job.parent_job
    origin = f"for {parent.id}" if parent is not None else "from the queue"
    print(f"\n{job.id}  {job.agent_role}, {origin}")
    for item in job.chat_log:
        if item.kind == "notification":
            print(f"  * {printable(item.text)}")
        if item.step:
            _print_marked("  >", item.code)
            _print_marked("   ", "\n".join(text for _, text in item.console))


def _print_marked(mark: str, text: str) -> None:
    """Lines of the job, which may hold anything, behind a mark."""
    for line in split_lines(text):
        print(f"{mark} {printable(line)}")
