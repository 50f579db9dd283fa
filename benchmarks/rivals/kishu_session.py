"""Kishu: the session of a notebook, each cell committed after it ran.

It runs in IPython's shell without a Jupyter front end, by Kishu's own settings for that (``test_mode``, the path of the
notebook from TEST_NOTEBOOK_PATH): no messages and no saving of the notebook, which would take longer. Kishu's SQLite
file has the defaults of SQLite, a rollback journal that is synced fully.
"""

from __future__ import annotations

import os
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.rivals.workloads import Workload

__all__ = ["Kishu"]


class Kishu:
    """A notebook with one cell per turn."""

    def __init__(self, folder: Path, workload: Workload) -> None:
        self._notebook = folder / "job.ipynb"
        self._workload = workload
        self._commits: list[str] = []
        self._forks = 0
        # Read when its modules are imported, which is why they are imported below.
        os.environ.update(
            KISHU_PATH_ROOT=str(folder), TEST_NOTEBOOK_PATH=str(self._notebook), IPYTHONDIR=str(folder / "ipython")
        )
        import nbformat
        from kishu.commands import KishuCommand
        from kishu.jupyterint import init_kishu
        from kishu.storage.config import Config

        Config.set("JUPYTERINT", "test_mode", True)
        self._init_kishu = init_kishu
        self._command = KishuCommand
        if not self._notebook.exists():
            nbformat.write(nbformat.v4.new_notebook(), str(self._notebook))
        self._open()

    def facts(self) -> dict[str, str]:
        """Its version, and how its file is synced."""
        return {"version": version("kishu"), "sync": "delete_full"}

    def fsyncs(self) -> None:
        """SQLite syncs in its own code: nobody counts."""

    def begin(self) -> None:
        """Run the cell that makes the values of turn 0."""
        self._cell(self._workload.make_source())

    def steps(self, first: int, count: int) -> list[float]:
        """Run a cell per turn."""
        taken = []
        for turn in range(first, first + count):
            source = self._workload.change_source(turn)
            begun = time.perf_counter()
            self._cell(source)
            taken.append((time.perf_counter() - begun) * 1000)
        return taken

    def prepare(self) -> None:
        """Which commit is which turn's: one per cell, the oldest first."""
        self._commits = [commit.commit_id for commit in self._command.log_all(self._notebook).commit_graph]

    def view(self, turn: int, name: str, index: int) -> str:
        """Check a commit out, into the session: Kishu gives the past's values in no other way."""
        self._shell.user_ns["_kishu"].checkout(self._commits[turn])
        return str(self._shell.user_ns[name][index])

    def fork(self, turn: int) -> None:
        """A branch that begins at a commit."""
        self._forks += 1
        made = self._command.branch(self._notebook, f"fork-{self._forks}", self._commits[turn])
        if made.status != "ok":
            raise RuntimeError(f"kishu made no branch: {made.status}")

    def resume(self) -> dict[str, Any]:
        """A new shell, Kishu in it, the newest commit checked out."""
        self._open()
        self._shell.user_ns["_kishu"].checkout(self._commits[-1])
        return {name: self._shell.user_ns[name] for name in self._workload.names}

    def close(self) -> None:
        """Its connections are closed by themselves."""

    def _open(self) -> None:
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config as Traits

        traits = Traits()
        traits.HistoryManager.enabled = False
        InteractiveShell.clear_instance()
        self._shell = InteractiveShell.instance(config=traits)
        with self._shell.builtin_trap:  # it asks for get_ipython()
            self._init_kishu()

    def _cell(self, source: str) -> None:
        self._shell.run_cell(source, store_history=True).raise_error()
