"""Whoever takes part in the comparison, this service or a rival."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from benchmarks.rivals.process import RivalProcess

__all__ = ["Contender", "RivalContender", "stored_bytes"]


class Contender(Protocol):
    """One side of the comparison; turns are numbered from 1."""

    name: str
    folder: Path

    def fsyncs(self) -> int | None:
        """How often it has synced so far; None where that is not to be seen."""
        ...

    async def begin(self) -> dict[str, str]:
        """Make the values of turn 0; gives words for the notes of its lines."""
        ...

    async def steps(self, first: int, count: int) -> list[float]:
        """Do turns; milliseconds of each."""
        ...

    async def prepare(self) -> None:
        """Look up what names the past."""
        ...

    async def view(self, turn: int) -> float:
        """Look at what a turn changed; milliseconds."""
        ...

    async def fork(self, turn: int) -> float:
        """Fork from a turn; milliseconds."""
        ...

    async def resume(self) -> tuple[float, str]:
        """Have the newest values from what is kept alone; milliseconds, and the digest of the values."""
        ...


class RivalContender:
    """A rival in its process."""

    def __init__(self, process: RivalProcess, folder: Path) -> None:
        """Args are its process and where it keeps things."""
        self.name = process.name
        self.folder = folder
        self._process = process
        self._fsyncs: int | None = None

    def fsyncs(self) -> int | None:
        """As its process said last."""
        return self._fsyncs

    async def begin(self) -> dict[str, str]:
        """Have it begin; gives its facts."""
        facts = (await self._ask("begin"))["facts"]
        return {str(key): str(value) for key, value in facts.items()}

    async def steps(self, first: int, count: int) -> list[float]:
        """Have it do turns."""
        return [float(each) for each in (await self._ask("steps", first=first, count=count))["ms"]]

    async def prepare(self) -> None:
        """Have it look up its past."""
        await self._ask("prepare")

    async def view(self, turn: int) -> float:
        """Have it look at a turn; its process compares what it sees."""
        return float((await self._ask("view", turn=turn))["ms"])

    async def fork(self, turn: int) -> float:
        """Have it fork."""
        return float((await self._ask("fork", turn=turn))["ms"])

    async def resume(self) -> tuple[float, str]:
        """Have it begin anew with what it kept."""
        said = await self._ask("resume")
        return float(said["ms"]), str(said["digest"])

    async def _ask(self, do: str, **arguments: int) -> dict[str, Any]:
        said = await self._process.ask(do, **arguments)
        self._fsyncs = said["fsyncs"]
        return said


def stored_bytes(folder: Path) -> int:
    """Bytes of the disk that the files of a folder take, each file once; blocks filled ahead count."""
    files = {}
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            found = path.stat()
            files[found.st_ino] = found.st_blocks * 512
    return sum(files.values())
