"""Runs the data analysis once: make the table, let the agent work, list its files and copy them out."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import statek
from examples.data_analysis.agent import QUESTION, make_agent
from examples.data_analysis.agent import TRANSCRIPT as RECORDED
from examples.data_analysis.table import COUNTRIES, TABLE_NAME, YEARS, make_table
from examples.recorded import default_model, example_model
from orchestrator.cli.terminal import split_lines
from orchestrator.printable import printable
from orchestrator.sandboxes.runner_files import site_folder
from statek.exceptions import StatekError
from statek.executors.job import Job
from statek.settings import StatekSettings

__all__ = ["main"]

_FLAVOUR = "data"
_MEMORY = "1G"
_EXIT_FAILED = 1
_EXIT_SETUP = 2


@dataclass(frozen=True, slots=True)
class _Options:
    """The command line.

    Attributes:
        data_dir: folder of the store, the tables and the copied files.
        model: model string, ``provider/model``.
        question: what to find out.
    """

    data_dir: Path
    model: str
    question: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program.

    Returns:
        0 when the job is done, 1 when it failed or cannot go on, 2 when something has to be set up first.
    """
    parser = argparse.ArgumentParser(
        prog="python -m examples.data_analysis",
        description="Let an agent in a sandbox analyse a table and keep plots as files.",
        allow_abbrev=False,
    )
    parser.add_argument("--data-dir", type=Path, default=Path(".statek/data_analysis"), help="default: %(default)s")
    parser.add_argument("--model", default=default_model(), help="provider/model (default: %(default)s)")
    parser.add_argument("--question", default=QUESTION, help="for a real model; the recording answers one question")
    given = parser.parse_args(arguments)
    try:
        return asyncio.run(_run(_Options(given.data_dir, given.model, given.question)))
    except StatekError as error:
        print(f"data_analysis: error[{error.code}]: {error}", file=sys.stderr)
        return _EXIT_SETUP


async def _run(options: _Options) -> int:
    settings = StatekSettings.load(
        {"data_dir": options.data_dir, "flavour": _FLAVOUR, "memory_bytes": _MEMORY, "pool_size": 1}
    )
    tables = options.data_dir / "tables"
    await asyncio.to_thread(_write_table, tables)
    async with example_model(RECORDED, options.model) as model:
        print(f"Model: {model.reason}", flush=True)
        if not await asyncio.to_thread(site_folder(_FLAVOUR).is_dir):
            _progress("installing numpy, pandas and matplotlib for the sandbox, once: about 300 MB and a minute")
        statek.init(settings=settings)
        try:
            agent = make_agent(tables, model.name)
            job = statek.StatekClientAPI().submit_new_job(agent, message=options.question, table_names=TABLE_NAME)
            _progress(f"submitted job {job.id}: {options.question}")
            await statek.start_statek_async(agent, model=model.gateway, until_idle=True)
            return await asyncio.to_thread(_report, job, options.data_dir)
        finally:
            statek.close()


def _write_table(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = make_table()
    (folder / TABLE_NAME).write_text(text, encoding="utf-8")
    rows = text.count("\n") - 1
    _progress(f"table {TABLE_NAME}: {rows} holidays of {len(COUNTRIES)} countries, {YEARS[0]} to {YEARS[-1]}")


def _report(job: Job, data_dir: Path) -> int:
    """Print what the agent did, and copy its files out of the store."""
    for item in job.chat_log:
        if item.step:
            print(f"\nstep {item.step}")
            _print_marked("  >", item.code)
            _print_marked("   ", "\n".join(text for _, text in item.console))
    files = job.files
    print(f"\nfiles that the job keeps ({len(files)}):")
    for path, file in files.items():
        print(f"  {file.size_bytes:>8}  {printable(path)}")
    copies = files.copy_to(data_dir / "artifacts" / job.id, overwrite=True)
    if copies:
        print(f"copied to {data_dir / 'artifacts' / job.id}")
    print(f"\nanswer: {printable(str(job.py_env.exit_status))}")
    print(f"to look further: statek --data-dir {data_dir} show {job.id}")
    failed = job.error is not None or job.status.name != "DONE"
    if failed:
        print(f"data_analysis: job {job.id} did not end well: {job.error or job.reason}", file=sys.stderr)
    return _EXIT_FAILED if failed else 0


def _print_marked(mark: str, text: str) -> None:
    """Lines of the job, which may hold anything, behind a mark."""
    for line in split_lines(text):
        print(f"{mark} {printable(line)}")


def _progress(text: str) -> None:
    """A line about what is going on, apart from the result."""
    print(f"· {text}", file=sys.stderr, flush=True)
