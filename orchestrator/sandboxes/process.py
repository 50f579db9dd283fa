"""Runners as plain processes: NO ISOLATION. For tests of the engine, never chosen silently.

The code runs with the rights of the orchestrator's user; only the runner's own rlimits, seccomp and
landlock (where the kernel has them) stand between it and the machine. Everything that starts such a
runner, and every record of it, names the tier ``process``.

Without a mount namespace there is no /work and no /tmp of the runner's own: its two folders are the
working directory and TMPDIR, relative paths work, and an absolute ``/work/...`` is the host's.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from orchestrator.sandboxes.children import ChildRecord, Children, end_process, start_time, tree_of, usage_of_tree
from orchestrator.sandboxes.confinement import ArgumentList, ProcessFacts, confine
from orchestrator.sandboxes.driver import ProbeReport, RunnerRef, RunnerSpec, RunnerStats, Tier, describe_exit
from orchestrator.sandboxes.runner_files import cache_folder, flavour_digest, prepare_code, prepare_site
from statek.exceptions import RunnerLost

__all__ = ["UnsafeProcessDriver"]


class UnsafeProcessDriver:
    """Starts and ends runners that are not isolated.

    Args:
        cache: folder for the flavours' wheels and the records of running children.
    """

    def __init__(self, *, cache: Path | None = None) -> None:
        self._cache = cache or cache_folder()
        self._children = Children(self._cache / "runners" / "process")
        self._prepared: dict[str, tuple[Path, Path, str]] = {}
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    @property
    def name(self) -> str:
        """``process``."""
        return "process"

    @property
    def tier(self) -> Tier:
        """PROCESS: none."""
        return Tier.PROCESS

    async def probe(self) -> ProbeReport:
        """Always there, never safe."""
        reason = "plain processes WITHOUT ISOLATION (unsafe); used only when asked for by name"
        return ProbeReport(self.name, self.tier, available=True, reason=reason)

    async def prepare(self, flavour: str) -> str:
        """Install the flavour's wheels for this interpreter (once) and return the flavour's digest.

        Raises:
            ConfigurationError: the wheels cannot be installed.
        """
        site = await prepare_site(flavour, cache=self._cache)
        code = await prepare_code(flavour, cache=self._cache)
        digest = await asyncio.to_thread(flavour_digest, flavour)
        self._prepared[flavour] = (site, code, digest)
        return digest

    async def start(self, spec: RunnerSpec) -> RunnerRef:
        """Start one process tree.

        Raises:
            ConfigurationError: the wheels cannot be installed.
            RunnerLost: the process could not be started.
        """
        if spec.flavour not in self._prepared:
            await self.prepare(spec.flavour)
        site, code, digest = self._prepared[spec.flavour]
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="statek-unsafe-"))
        try:
            for name in ("tmp", "work"):
                await asyncio.to_thread((folder / name).mkdir)
            facts = ProcessFacts(
                interpreter=sys.executable,
                site=str(site),
                code_parent=str(code),
                digest=digest,
                tmp=str(folder / "tmp"),
                work=str(folder / "work"),
            )
            plan = confine(spec, facts)
            assert isinstance(plan, ArgumentList)
            process = await asyncio.create_subprocess_exec(
                *plan.argv,
                cwd=folder / "tmp",
                env=dict(plan.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except BaseException as error:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))
            if isinstance(error, OSError):
                raise RunnerLost(f"runner {spec.runner_id} could not be started: {error}") from error
            raise
        self._processes[spec.runner_id] = process
        started = start_time(process.pid)
        record = ChildRecord(
            runner_id=spec.runner_id,
            store_id=spec.store_id,
            incarnation=spec.incarnation,
            pid=process.pid,
            started=started,
            parent=process.pid,
            parent_started=started,
            folder=str(folder),
        )
        await asyncio.to_thread(self._children.write, record)
        return RunnerRef(self.name, str(process.pid), spec.runner_id, spec.incarnation)

    async def wait_exit(self, ref: RunnerRef) -> str:
        """Wait until the process has ended; how it ended."""
        process = self._processes.get(ref.runner_id)
        return "it is gone" if process is None else describe_exit(await process.wait())

    async def kill(self, ref: RunnerRef) -> None:
        """End the process and its descendants; returns when all that can be found is gone. Idempotent."""
        record = await asyncio.to_thread(self._children.read, ref.runner_id)
        process = self._processes.pop(ref.runner_id, None)
        if record is not None:
            await asyncio.to_thread(_end, record)
        elif process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        if process is not None:
            await process.wait()
        await asyncio.to_thread(self._children.forget, ref.runner_id)

    async def stats(self, ref: RunnerRef) -> RunnerStats:
        """Add up what its processes use.

        Raises:
            RunnerLost: it does not exist any more.
        """
        record = await asyncio.to_thread(self._children.read, ref.runner_id)
        if record is None or start_time(record.pid) != record.started:
            raise RunnerLost(f"runner {ref.runner_id} does not run any more")
        return await asyncio.to_thread(usage_of_tree, record.pid)

    async def list_runners(self, store_id: str) -> list[RunnerRef]:
        """Every runner of that store that has a record; a dead one too, so that its rest is removed."""
        records = await asyncio.to_thread(self._children.all)
        return [
            RunnerRef(self.name, str(item.pid), item.runner_id, item.incarnation)
            for item in records
            if item.store_id == store_id
        ]

    async def aclose(self) -> None:
        """Nothing is held beyond the runners, which go on."""


def _end(record: ChildRecord) -> None:
    if start_time(record.pid) == record.started:
        # Descendants first noted, then ended from the root down: nobody is left to start a new one.
        for pid in tree_of(record.pid):
            end_process(pid, start_time(pid))
    if record.folder:
        shutil.rmtree(record.folder, ignore_errors=True)
