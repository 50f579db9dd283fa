"""Pickling everything: the whole namespace in a file of its own after each step."""

from __future__ import annotations

import os
import pickle
import time
from pathlib import Path
from typing import Any

from benchmarks.rivals.workloads import Workload, apply_edits

__all__ = ["Pickling"]


class Pickling:
    """One file per commit, written, synced, renamed, and the folder synced; nothing of the past is lost by that.

    A fork is another folder with a hard link: the files never change, so nothing has to be copied.
    """

    def __init__(self, folder: Path, workload: Workload) -> None:
        self._folder = folder
        self._workload = workload
        self._values: dict[str, Any] = {}
        self._newest = 0
        self._forks = 0
        self._fsyncs = 0

    def facts(self) -> dict[str, str]:
        """Nothing but the protocol; every file and folder is synced."""
        return {"version": f"protocol_{pickle.HIGHEST_PROTOCOL}", "sync": "fsync"}

    def fsyncs(self) -> int:
        """Files and folders synced so far."""
        return self._fsyncs

    def begin(self) -> None:
        """Pickle the values of turn 0."""
        self._values = self._workload.initial()
        self._write(0)

    def steps(self, first: int, count: int) -> list[float]:
        """Change and pickle."""
        taken = []
        for turn in range(first, first + count):
            edits = self._workload.edits(turn)
            begun = time.perf_counter()
            apply_edits(self._values, edits)
            self._write(turn)
            taken.append((time.perf_counter() - begun) * 1000)
        return taken

    def prepare(self) -> None:
        """A turn names its file."""

    def view(self, turn: int, name: str, index: int) -> str:
        """Unpickle all of a turn for one element."""
        return str(self._read(turn)[name][index])

    def fork(self, turn: int) -> None:
        """Link the file of a turn into another folder."""
        self._forks += 1
        folder = self._folder / f"fork-{self._forks}"
        folder.mkdir()
        os.link(self._path(turn), folder / self._path(turn).name)
        self._sync_folder(folder)
        self._sync_folder(self._folder)

    def resume(self) -> dict[str, Any]:
        """Unpickle the newest turn."""
        self._values = {}
        self._values = self._read(self._newest)
        return self._values

    def close(self) -> None:
        """No file is open."""

    def _path(self, turn: int) -> Path:
        return self._folder / f"{turn:06d}.pickle"

    def _write(self, turn: int) -> None:
        path = self._path(turn)
        draft = path.with_suffix(".draft")
        with draft.open("wb") as file:
            pickle.dump(self._values, file, pickle.HIGHEST_PROTOCOL)
            file.flush()
            self._sync(file.fileno())
        draft.rename(path)
        self._sync_folder(self._folder)
        self._newest = turn

    def _read(self, turn: int) -> dict[str, Any]:
        with self._path(turn).open("rb") as file:
            values: dict[str, Any] = pickle.load(file)  # noqa: TID251 - its own file: what this rival is about
        return values

    def _sync(self, number: int) -> None:
        os.fsync(number)
        self._fsyncs += 1

    def _sync_folder(self, folder: Path) -> None:
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._sync(number)
        finally:
            os.close(number)
