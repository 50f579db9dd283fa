"""Runs the dialog: one line of the user, the agent's messages, until the agent says good-bye.

Every message is durable before it is answered, and every answer of the bakery is written down before it is shown;
``statek show`` has the whole dialog afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import statek
from examples.dialog.agent import RECORDED_USER, TRANSCRIPT, make_agent
from examples.recorded import default_model, example_model
from orchestrator.printable import printable
from statek.agents.dialog_agent import DialogAgent
from statek.exceptions import StatekError
from statek.executors.job import Job
from statek.model import Model
from statek.settings import StatekSettings

__all__ = ["main"]

_EXIT_FAILED = 1
_EXIT_SETUP = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program.

    Returns:
        0 when the dialog ended well, 1 when it failed or cannot go on, 2 when something has to be set up first.
    """
    parser = argparse.ArgumentParser(
        prog="python -m examples.dialog", description="Talk with a dialog agent in the terminal.", allow_abbrev=False
    )
    parser.add_argument("--data-dir", type=Path, default=Path(".statek/dialog"), help="default: %(default)s")
    parser.add_argument("--model", default=default_model(), help="provider/model (default: %(default)s)")
    given = parser.parse_args(arguments)
    try:
        return asyncio.run(_run(given.data_dir, given.model))
    except StatekError as error:
        print(f"dialog: error[{error.code}]: {error}", file=sys.stderr)
        return _EXIT_SETUP


async def _run(data_dir: Path, wanted: str) -> int:
    async with example_model(TRANSCRIPT, wanted) as model:
        print(f"Model: {model.reason}", flush=True)
        agent = make_agent(lambda line: print(f"bakery: {printable(line)}", flush=True), model.name)
        statek.init(settings=StatekSettings.load({"data_dir": data_dir, "pool_size": 1}))
        try:
            lines = iter(RECORDED_USER) if model.recorded else _typed()
            return await _talk(agent, lines, model.gateway, data_dir, echo=model.recorded)
        finally:
            statek.close()


async def _talk(agent: DialogAgent, lines: Iterator[str], model: Model, data_dir: Path, *, echo: bool) -> int:
    """Give the job one message after the other and let it answer."""
    job: Job | None = None
    while (line := await asyncio.to_thread(next, lines, None)) is not None:
        if echo:
            print(f"you: {line}", flush=True)
        if job is None:
            job = statek.StatekClientAPI().submit_new_job(agent, message=line)
        else:
            job.push_user_message(line)
        await statek.start_statek_async(agent, model=model, until_idle=True)
        if job.error is not None or job.status.name != "DONE":
            print(f"dialog: job {job.id} cannot go on: {job.error or job.reason}", file=sys.stderr)
            return _EXIT_FAILED
        if job.py_env.exit_status:  # answer(...) ended it
            break
    if job is not None:
        look = f"statek --data-dir {data_dir} show {job.id}"
        print(f"({len(job.get_dialog())} messages; to look further: {look})")
    return 0


def _typed() -> Iterator[str]:
    """What the user types, until an empty line or the end of the input."""
    while True:
        try:
            line = input("you: ").strip()
        except EOFError:
            return
        if not line:
            return
        yield line
