"""Runs the calendar assistant once: import, submit (or go on with what a crash left), wait, print."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from examples.calendar_assistant.agent import ROLE, make_agent, startup_variables
from examples.calendar_assistant.ics import IcsImport
from examples.calendar_assistant.model import Message
from examples.calendar_assistant.options import ChosenModel, Options, choose_model, parse_options, recorded_provider
from examples.calendar_assistant.outbox import Outbox
from examples.calendar_assistant.report import render_report
from examples.calendar_assistant.reporting import job_report
from examples.calendar_assistant.setup import load_entries, make_message, make_user, now_at_home, today_at_home
from orchestrator.app import open_store, running_service, until_terminated
from orchestrator.engine.service import Service
from orchestrator.models import LiteLLMModel
from orchestrator.store.store import Store
from statek.exceptions import StatekError
from statek.executors.views import JobSummary
from statek.job_status import JobStatus
from statek.settings import StatekSettings

__all__ = ["main"]

_SHOWN = "shown.txt"
"""File in the data directory: ids of the jobs whose end was printed, one per line."""

_EXIT_FAILED = 1
_EXIT_SETUP = 2
_EXIT_SUSPENDED = 3
_EXIT_INTERRUPTED = 130
_EXIT_TERMINATED = 143


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program.

    Returns:
        0 when the job is done, 1 when it failed or cannot go on now, 2 when the set-up is wrong, 3 when it waits
        for somebody, 130 and 143 when SIGINT or SIGTERM stopped it: all is on the disk, the same command goes on.
    """
    options = parse_options(sys.argv[1:] if arguments is None else arguments)
    try:
        return asyncio.run(until_terminated(_run(options)))
    except asyncio.CancelledError:
        _progress("terminated; everything is on the disk, and the same command goes on")
        return _EXIT_TERMINATED
    except KeyboardInterrupt:
        _progress("interrupted; everything is on the disk, and the same command goes on")
        return _EXIT_INTERRUPTED
    except StatekError as error:
        print(f"calendar_assistant: error[{error.code}]: {error}", file=sys.stderr)
        return _EXIT_SETUP


async def _run(options: Options) -> int:
    settings = StatekSettings.load({"data_dir": options.data_dir})
    with recorded_provider() as provider:
        chosen = await choose_model(options.model, provider)
        for line in chosen.lines:
            print(line, flush=True)
        imported = await asyncio.to_thread(load_entries, options.ics, today_at_home())
        store = await asyncio.to_thread(open_store, settings)
        try:
            return await _with_store(options, settings, store, chosen, imported)
        finally:
            await asyncio.to_thread(store.close)


async def _with_store(
    options: Options, settings: StatekSettings, store: Store, chosen: ChosenModel, imported: IcsImport
) -> int:
    agent = make_agent(options.outbox, chosen.name)
    model = LiteLLMModel(chosen.gateway)
    try:
        async with running_service(settings, store, [agent], model=model, progress=_progress) as service:
            shown = options.data_dir / _SHOWN
            job = await _unfinished(service, shown) or await _submit(service, store, options, imported)
            summary = await _wait(service, job)
            report = await job_report(service, store, job, model=chosen, outbox=Outbox(options.outbox))
            command = _statek_command(options.data_dir)
            for line in render_report(report, command=command):
                print(line)
            if summary.status == JobStatus.DONE.value:
                await asyncio.to_thread(_note_shown, shown, job)
            return _exit_code(summary)
    finally:
        await model.aclose()


async def _unfinished(service: Service, shown: Path) -> str | None:
    """A job that an earlier run of this program left, the oldest first.

    One that is done, but whose end nobody was shown, is such a job too: without it the same command after a crash
    would do the work a second time.
    """
    known = await asyncio.to_thread(_read_shown, shown)
    for summary in await service.jobs():
        if summary.role == ROLE and (summary.status != JobStatus.DONE.value or summary.id not in known):
            _progress(f"going on with job {summary.id}, which an earlier run left at step {summary.steps}")
            return summary.id
    return None


def _read_shown(file: Path) -> set[str]:
    """Ids of the jobs whose end was printed."""
    return set(file.read_text().split()) if file.exists() else set()


def _note_shown(file: Path, job: str) -> None:
    """Remember that a job's end was printed, so that the next run makes a new one."""
    sys.stdout.flush()
    with file.open("a") as lines:
        lines.write(f"{job}\n")
        lines.flush()
        os.fsync(lines.fileno())


async def _submit(service: Service, store: Store, options: Options, imported: IcsImport) -> str:
    """Make the calendar and the job."""
    origin = str(options.ics) if options.ics else "made at run time from public holidays and recurring meetings"
    _progress(f"calendar: {len(imported.entries)} events ({origin})")
    for note in imported.notes:
        _progress(f"calendar: {note}")

    def make() -> Message:
        return make_message(make_user(imported.entries), now_at_home())

    message = await store.write(make)
    variables = await store.read(lambda: startup_variables(message))
    text = await store.read(lambda: str(message.text))
    job = await service.submit(ROLE, shared_vars=variables, message=text)
    _progress(f"submitted job {job}")
    return job


async def _wait(service: Service, job: str) -> JobSummary:
    """Wait for the job, saying each step as it ends."""
    waiting = asyncio.ensure_future(service.wait(job))
    following = asyncio.ensure_future(_say_steps(service, job))
    try:
        return await waiting
    finally:
        following.cancel()


async def _say_steps(service: Service, job: str) -> None:
    async for item in service.follow(job):
        if item.step:
            _progress(f"step {item.step} {item.outcome.get('outcome', item.state)}")


def _exit_code(summary: JobSummary) -> int:
    if summary.status == JobStatus.SUSPENDED.value:
        return _EXIT_SUSPENDED
    return 0 if summary.status == JobStatus.DONE.value and summary.failure is None else _EXIT_FAILED


def _progress(text: str) -> None:
    """A line about what is going on, apart from the transcript."""
    print(f"· {text}", file=sys.stderr, flush=True)


def _statek_command(data_dir: Path) -> str:
    """How the user of this very environment types ``statek``."""
    program = "statek"
    if shutil.which(program) is None:
        installed = Path(sys.executable).parent / program
        program = str(installed.relative_to(Path.cwd())) if installed.is_relative_to(Path.cwd()) else str(installed)
    default = StatekSettings().data_dir
    return program if data_dir == default else shlex.join([program, "--data-dir", str(data_dir)])
