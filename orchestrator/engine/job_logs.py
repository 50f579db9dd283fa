"""One log file per job, for people: what was said, what ran, what it printed.

``<logs_path>/<role>_<id>.log``. The file follows the durable chat log, so that nothing stands in it that did not
happen; after a start it goes on with what is new. A text of a job may hold anything: behind the mark of its line it
cannot pass for another entry.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

from orchestrator.engine.jobs import job_id
from orchestrator.printable import printable
from orchestrator.rotating_file import RotatingWriter
from statek.exceptions import StatekError
from statek.executors.views import ItemView

__all__ = ["BACKUPS", "MAX_LOG_BYTES", "JobLogs", "log_path"]

_log = logging.getLogger("statek.joblogs")

MAX_LOG_BYTES = 10 << 20
"""Length of one job's log file."""

BACKUPS = 1
"""Older files that are kept of each job's log."""

_UNFIT = re.compile(r"[^A-Za-z0-9._-]")

ReadItems = Callable[[str, int], Awaitable[Sequence[ItemView]]]


def log_path(folder: Path, role: str, id_: str) -> Path:
    """Where a job's log is; characters of the role that a file name should not have become underscores."""
    return folder / f"{_UNFIT.sub('_', role)[:100]}_{id_}.log"


class JobLogs:
    """Writes the logs of jobs while they are driven.

    Args:
        folder: where the files are.
        read_items: gives the finished chat items of a job from an index on.
        read_role: gives the role of a job's agent.
        known: number of the newest job that an earlier process may have written of.
    """

    def __init__(
        self, folder: Path, read_items: ReadItems, read_role: Callable[[int], Awaitable[str]], *, known: int
    ) -> None:
        self._folder = folder
        self._read_items = read_items
        self._read_role = read_role
        self._known = known
        self._writer = RotatingWriter(max_bytes=MAX_LOG_BYTES, backups=BACKUPS)
        self._written: dict[int, int] = {}
        self._roles: dict[int, str] = {}
        self._noted: dict[int, None] = {}
        self._work = asyncio.Event()
        self._task = asyncio.create_task(self._main())

    def note(self, number: int) -> None:
        """Something of a job may have become durable (the event loop)."""
        if number > self._known:
            self._written.setdefault(number, 0)
        self._noted[number] = None
        self._work.set()

    async def _main(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            noted, self._noted = list(self._noted), {}
            for number in noted:
                try:
                    await self._catch_up(number)
                except Exception:  # noqa: BLE001 -- a log that cannot be written stops nothing
                    _log.exception("the log of job %s lacks something", job_id(number))

    async def _catch_up(self, number: int) -> None:
        """Write what a job's log does not have yet; what an earlier process left out is not written later."""
        id_ = job_id(number)
        if number not in self._roles:
            self._roles[number] = await self._read_role(number)
        start = self._written.get(number)
        items = await self._read_items(id_, start or 0)
        self._written[number] = (start or 0) + len(items)
        text = "".join(map(_entry, items)) if start is not None else ""
        if text:
            self._writer.write_nowait(log_path(self._folder, self._roles[number], id_), text)

    async def aclose(self) -> None:
        """Write what was noted, and end."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        for number in [*self._noted]:
            with suppress(StatekError):
                await self._catch_up(number)
        await asyncio.to_thread(self._writer.close)


def _entry(item: ItemView) -> str:
    """An entry: its head, what was said, what ran and what it printed, each in lines that nothing else looks like."""
    at = dt.datetime.fromtimestamp(item.at_us / 1e6, dt.UTC).isoformat(timespec="milliseconds")
    lines = [f"--- {at} {item.kind}" + (f" step {item.step} {item.state}" if item.step else "")]
    if item.text and item.text != item.code:
        lines += _marked("  ", item.text)
    if item.code:
        lines += _marked(">>> ", item.code)
    for _, text in item.console:
        lines += _marked("  ", text)
    return "\n".join(lines) + "\n"


def _marked(mark: str, text: str) -> list[str]:
    """The lines of a text of the job behind a mark; what would end a line early or command a terminal is spelt out."""
    return [mark + printable(line) for line in text.removesuffix("\n").split("\n")]
