"""The host's end of a rival's process: starts it, asks, reads what it says."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

__all__ = ["RivalFailed", "RivalProcess", "read_answer", "running_rival"]

_ROOT = Path(__file__).resolve().parents[2]
_ANSWER_SECONDS = 300.0
_END_SECONDS = 10.0
_LINE_BYTES = 1 << 20
_SHOWN_CHARS = 2000


class RivalFailed(Exception):
    """A rival did not do what it was asked to; the message says who, and what it said."""


def read_answer(line: bytes) -> dict[str, Any]:
    """One line of a rival's process.

    Raises:
        RivalFailed: it is no object of JSON, or says what went wrong.
    """
    try:
        said = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RivalFailed(f"not an answer: {line[:200]!r}") from error
    if not isinstance(said, dict):
        raise RivalFailed(f"not an answer: {line[:200]!r}")
    if "error" in said:
        raise RivalFailed(str(said["error"]))
    return said


class RivalProcess:
    """A rival at work; one question at a time."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        """Args are its name, its process, and the file that takes its stderr."""
        self.name = name
        self._process = process
        self._log = log

    async def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Have a command done.

        Raises:
            RivalFailed: it failed, ended, or took too long.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._process.stdin.drain()
                line = await self._process.stdout.readline()
            if not line:
                raise RivalFailed("its process has ended")
            return read_answer(line)
        except (RivalFailed, OSError, TimeoutError, ValueError) as error:
            why = str(error) or f"no answer within {_ANSWER_SECONDS:g} s"
            raise RivalFailed(f"{self.name}, {do}: {why}\n{self._last_words()}") from error

    def _last_words(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")[-_SHOWN_CHARS:]


@asynccontextmanager
async def running_rival(name: str, workload: str, python: Path, folder: Path) -> AsyncIterator[RivalProcess]:
    """A rival's process over a folder, ended at the end.

    Args:
        name: of the rival.
        workload: its name.
        python: interpreter that has the rival's packages.
        folder: what it keeps goes there, and nothing else.
    """
    log = folder.with_name(f"{folder.name}.log")
    # Nothing of this process's environment: neither keys of a tracing service nor settings of a rival.
    environment = {
        "HOME": str(folder),
        "PATH": os.defpath,
        "PYTHONPATH": str(_ROOT),
        "LANG": "C.UTF-8",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            str(python),
            "-m",
            "benchmarks.rivals.worker",
            name,
            workload,
            str(folder),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            limit=_LINE_BYTES,
            env=environment,
            cwd=folder,
        )
    try:
        yield RivalProcess(name, process, log)
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(_END_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
