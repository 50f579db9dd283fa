"""Runners in kernel namespaces, made by bubblewrap: the embedded driver where no engine answers.

The runner gets the interpreter that runs the orchestrator (so pickled functions load), its standard
library, the shared libraries that these need, the flavour's wheels and the runner's code, all
read-only; nothing else of the host. As root its three processes have three uids; otherwise they share
one, and seccomp and landlock are what protects the supervisor from the code.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import resource
import select
import shutil
import subprocess
import sys
import sysconfig
import time
from dataclasses import replace
from pathlib import Path

from orchestrator.sandboxes import cgroups
from orchestrator.sandboxes.children import ChildRecord, Children, end_process, start_time, usage_of_tree
from orchestrator.sandboxes.confinement import ArgumentList, BubblewrapFacts, confine
from orchestrator.sandboxes.driver import ProbeReport, RunnerRef, RunnerSpec, RunnerStats, Tier, describe_exit
from orchestrator.sandboxes.runner_files import cache_folder, flavour_digest, prepare_code, prepare_site
from orchestrator.sandboxes.stranded import find_stranded, is_stranded
from statek.exceptions import ConfigurationError, RunnerLost

__all__ = ["BubblewrapDriver"]

_LOG = logging.getLogger(__name__)

_PROBE_ATTEMPTS = 3
"""A mount of somebody else that goes away while the whole tree is bound fails one."""

_START_SECONDS = 10.0
_STDERR_BYTES = 4096
_GROUP_REMOVAL_SECONDS = 1.0
_LDD_LINE = re.compile(r"^\s+(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)$")
# Modules for a screen or for other databases; they would pull in a dozen libraries that nothing here calls.
_UNUSED_MODULES = ("_tkinter", "_curses", "_dbm", "_gdbm", "nis", "readline", "_test", "_xxtest")
_INSTALL = "apt-get install bubblewrap"
_ALLOW_NAMESPACES = "sysctl -w kernel.unprivileged_userns_clone=1"


class BubblewrapDriver:
    """Starts and ends runners as children of this process.

    Args:
        cache: folder for the flavours' wheels and the records of running children.
        program: path of bwrap; None looks for it in PATH.

    Attributes:
        grouped: whether runners get resource groups; known once a flavour is prepared.
    """

    def __init__(self, *, cache: Path | None = None, program: str | None = None) -> None:
        self._cache = cache or cache_folder()
        self._program = program
        self._children = Children(self._cache / "runners" / "bubblewrap")
        self._facts: dict[str, BubblewrapFacts] = {}
        self.grouped = False
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    @property
    def name(self) -> str:
        """``bubblewrap``."""
        return "bubblewrap"

    @property
    def tier(self) -> Tier:
        """NAMESPACE."""
        return Tier.NAMESPACE

    async def probe(self) -> ProbeReport:
        """Try to make the namespaces, with a program that does nothing."""
        program = self._find()
        if program is None:
            return ProbeReport(
                self.name, self.tier, available=False, reason="bubblewrap (bwrap) is not installed", remedy=_INSTALL
            )
        root = os.geteuid() == 0
        argv = [program, *(("--unshare-pid", "--unshare-net", "--unshare-ipc") if root else ("--unshare-all",))]
        argv += ["--die-with-parent", "--cap-drop", "ALL", "--ro-bind", "/", "/", "--", sys.executable, "-S", "-c", ""]
        for _ in range(_PROBE_ATTEMPTS):
            process = await asyncio.create_subprocess_exec(
                *argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            _, stderr = await process.communicate()
            if process.returncode == 0:
                break
        else:
            reason = f"bubblewrap cannot make namespaces here: {stderr.decode(errors='replace').strip()[:200]}"
            return ProbeReport(self.name, self.tier, available=False, reason=reason, remedy=_ALLOW_NAMESPACES)
        bound, _ = await asyncio.to_thread(cgroups.bounds)
        uids = "three uids" if root else "one uid"
        return ProbeReport(self.name, self.tier, available=True, reason=f"bubblewrap works: {uids}, {bound}")

    async def prepare(self, flavour: str) -> str:
        """Install the flavour's wheels for this interpreter (once) and return the flavour's digest.

        Raises:
            ConfigurationError: bubblewrap is missing or the wheels cannot be installed.
        """
        program = self._find()
        if program is None:
            raise ConfigurationError(f"bubblewrap (bwrap) is not installed; an administrator runs: {_INSTALL}")
        site = await prepare_site(flavour, cache=self._cache)
        code = await prepare_code(flavour, cache=self._cache)
        digest = await asyncio.to_thread(flavour_digest, flavour)
        bound, lacking = await asyncio.to_thread(cgroups.bounds)
        self.grouped = "memory" not in lacking
        if lacking and not self._facts:  # once, however many flavours there are
            _LOG.warning("runners are not bounded by every cgroup controller: %s", bound)
        self._facts[flavour] = await asyncio.to_thread(_find_facts, program, site, code, digest)
        return digest

    async def start(self, spec: RunnerSpec) -> RunnerRef:
        """Start one runner; returns when its PID 1 exists and is inside its limits.

        Raises:
            ConfigurationError: bubblewrap is missing or the wheels cannot be installed.
            RunnerLost: the namespaces could not be made.
        """
        if spec.flavour not in self._facts:
            await self.prepare(spec.flavour)
        starting = asyncio.ensure_future(self._start(spec))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            # Threads still hold the pipes of a start that is under way: it goes to its end and is undone then.
            with contextlib.suppress(RunnerLost):
                await self.kill(await starting)
            raise

    async def _start(self, spec: RunnerSpec) -> RunnerRef:
        facts = self._facts[spec.flavour]
        group = None
        if self.grouped:
            group = await asyncio.to_thread(self._make_group, spec)
            if group is None:
                raise RunnerLost(f"the kernel refused a resource group for runner {spec.runner_id}")
            facts = replace(facts, group_mount=group.memory_mount())
        plan = confine(spec, facts)
        assert isinstance(plan, ArgumentList)
        try:
            return await self._launch(spec, plan, group)
        except BaseException:
            if group is None or await asyncio.shield(asyncio.to_thread(_remove_group, group)):
                self._children.forget(spec.runner_id)
            raise

    def _make_group(self, spec: RunnerSpec) -> cgroups.ResourceGroup | None:
        """Make a runner's resource group; recorded first, so that a SIGKILL of this process leaves none behind."""
        name = f"statek-{spec.runner_id}"
        self._children.write(
            ChildRecord(
                runner_id=spec.runner_id,
                store_id=spec.store_id,
                incarnation=spec.incarnation,
                pid=0,
                started=0,
                parent=0,
                parent_started=0,
                groups=tuple(sorted({str(base / name) for base in cgroups.group_root().values()})),
                maker=os.getpid(),
                maker_started=start_time(os.getpid()),
            )
        )
        group = cgroups.ResourceGroup.create(name, spec.limits)
        if group is None:
            self._children.forget(spec.runner_id)
        return group

    async def _launch(self, spec: RunnerSpec, plan: ArgumentList, group: cgroups.ResourceGroup | None) -> RunnerRef:
        info_read, info_write = os.pipe()
        gate_read, gate_write = os.pipe()
        open_files = {info_read, info_write, gate_read, gate_write}
        process: asyncio.subprocess.Process | None = None
        try:
            # Started from the loop's thread: --die-with-parent means the thread that forked.
            process = await asyncio.create_subprocess_exec(
                *(plan.argv[0], "--info-fd", str(info_write), "--block-fd", str(gate_read), *plan.argv[1:]),
                pass_fds=(info_write, gate_read),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                limit=_STDERR_BYTES,
                env=dict(plan.environment),
                start_new_session=True,
            )
            for descriptor in (info_write, gate_read):
                os.close(descriptor)
                open_files.discard(descriptor)
            pid = await asyncio.to_thread(_read_child_pid, info_read)
            if pid == 0:
                words = await _last_words(process) or "it said nothing"
                raise RunnerLost(f"bubblewrap could not start runner {spec.runner_id}: {words}")
            await asyncio.to_thread(self._admit, spec, process.pid, pid, group)
            os.write(gate_write, b"1")
        except BaseException as error:
            if process is not None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await asyncio.shield(process.wait())
            if isinstance(error, OSError):
                raise RunnerLost(f"runner {spec.runner_id} could not be started: {error}") from error
            raise
        finally:
            for descriptor in open_files:
                os.close(descriptor)
        self._processes[spec.runner_id] = process
        return RunnerRef(driver=self.name, id=str(pid), runner_id=spec.runner_id, incarnation=spec.incarnation)

    def _admit(self, spec: RunnerSpec, parent: int, pid: int, group: cgroups.ResourceGroup | None) -> None:
        """Bound the waiting PID 1 and remember it, before it runs anything."""
        if group is not None:
            group.add(pid)
        for limit, value in ((resource.RLIMIT_NOFILE, spec.limits.open_files), (resource.RLIMIT_CORE, 0)):
            resource.prlimit(pid, limit, (value, value))
        self._children.write(
            ChildRecord(
                runner_id=spec.runner_id,
                store_id=spec.store_id,
                incarnation=spec.incarnation,
                pid=pid,
                started=start_time(pid),
                parent=parent,
                parent_started=start_time(parent),
                groups=tuple(sorted({str(path) for path in group.paths.values()})) if group is not None else (),
            )
        )

    async def wait_exit(self, ref: RunnerRef) -> str:
        """Wait until bubblewrap has ended, which it does with its PID 1; how it ended and its last words."""
        process = self._processes.get(ref.runner_id)
        if process is None:
            return "it is gone"
        status = await process.wait()
        return describe_exit(status, await _last_words(process))

    async def kill(self, ref: RunnerRef) -> None:
        """End PID 1, and with it every process of its namespace; returns when all of it is gone. Idempotent."""
        record = await asyncio.to_thread(self._children.read, ref.runner_id)
        process = self._processes.pop(ref.runner_id, None)
        gone = True
        if record is not None:
            gone = await asyncio.to_thread(_end, record)
        elif process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        if process is not None:
            await process.wait()
        if gone:
            await asyncio.to_thread(self._children.forget, ref.runner_id)

    async def stats(self, ref: RunnerRef) -> RunnerStats:
        """Measure a runner from its resource group, or by adding up its processes where it has none.

        Raises:
            RunnerLost: it does not exist any more.
        """
        record = await asyncio.to_thread(self._children.read, ref.runner_id)
        if record is None or start_time(record.pid) != record.started:
            raise RunnerLost(f"runner {ref.runner_id} does not run any more")
        if record.groups:
            folders = await asyncio.to_thread(cgroups.folders_of, record.pid)
            return await asyncio.to_thread(cgroups.read_usage, folders.get("memory"), folders.get("pids"))
        return await asyncio.to_thread(usage_of_tree, record.pid)

    async def list_runners(self, store_id: str) -> list[RunnerRef]:
        """Every runner of that store that has a record; the rest of dead ones, of any store, is removed."""
        records = await asyncio.to_thread(self._sweep)
        return [
            RunnerRef(driver=self.name, id=str(item.pid), runner_id=item.runner_id, incarnation=item.incarnation)
            for item in records
            if item.store_id == store_id and item.pid  # one that is still being made is its maker's
        ]

    def _sweep(self) -> list[ChildRecord]:
        """Remove starts that were cut off, groups and records whose processes are gone; the records that are left."""
        for pid in find_stranded():
            started = start_time(pid)
            if is_stranded(pid):  # looked at once more: the pid may have become another's before its start was read
                end_process(pid, started)
        alive = []
        for record in self._children.all():
            if record.is_alive():
                alive.append(record)
            elif _end(record):
                self._children.forget(record.runner_id)
        return alive

    async def aclose(self) -> None:
        """Nothing is held beyond the runners, which go on."""

    def _find(self) -> str | None:
        return self._program or shutil.which("bwrap")


def _find_facts(program: str, site: Path, code: Path, digest: str) -> BubblewrapFacts:
    interpreter = Path(sys.executable).resolve()
    stdlib = Path(sysconfig.get_path("stdlib"))
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    masked = tuple(name for name in ("dist-packages", "site-packages") if (stdlib / name).is_dir())
    return BubblewrapFacts(
        program=program,
        interpreter=str(interpreter),
        stdlib=str(stdlib),
        stdlib_inside=f"/usr/{sys.platlibdir}/{version}",
        masked=masked,
        libraries=_shared_libraries(interpreter, stdlib, site),
        site=str(site),
        code=str(code / "sandbox_runner"),
        digest=digest,
        separate_uids=os.geteuid() == 0,
    )


def _shared_libraries(interpreter: Path, stdlib: Path, site: Path) -> tuple[tuple[str, str], ...]:
    """Every shared library that the interpreter and the extension modules load, and the loader.

    Raises:
        ConfigurationError: the dynamic loader cannot tell.
    """
    modules = [path for path in (stdlib / "lib-dynload").glob("*.so") if not path.name.startswith(_UNUSED_MODULES)]
    objects = [str(path) for path in (interpreter, *sorted(modules), *sorted(site.rglob("*.so")))]
    done = subprocess.run(["ldd", *objects], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    paths = {match.group(1) for line in done.stdout.splitlines() if (match := _LDD_LINE.match(line))}
    # What a wheel brings along is found beside the wheel, inside as outside.
    paths = {path for path in paths if not Path(path).is_relative_to(site)}
    if not paths:
        raise ConfigurationError(f"ldd does not tell the interpreter's libraries: {done.stderr.strip()[:200]}")
    if Path("/etc/ld.so.cache").is_file():
        paths.add("/etc/ld.so.cache")
    return tuple((path, path) for path in sorted(paths))


def _read_child_pid(descriptor: int) -> int:
    """Read bubblewrap's report of its child; 0 when it ended without one. Blocks."""
    text = b""
    deadline = time.monotonic() + _START_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([descriptor], [], [], left)[0]:
            break
        part = os.read(descriptor, 4096)
        text += part
        if not part or b"}" in text:
            break
    try:
        return int(json.loads(text)["child-pid"])
    except (ValueError, KeyError, TypeError):
        return 0


async def _last_words(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    try:
        text = await asyncio.wait_for(process.stderr.read(_STDERR_BYTES), timeout=1.0)
    except TimeoutError:
        text = b""
    return text.decode(errors="replace").strip().replace("\n", " | ")


def _end(record: ChildRecord) -> bool:
    """End a runner's processes and remove its groups; False when a group would not go yet."""
    end_process(record.pid, record.started)
    end_process(record.parent, record.parent_started)
    return _remove_folders([Path(path) for path in record.groups])


def _remove_group(group: cgroups.ResourceGroup) -> bool:
    return _remove_folders(list(set(group.paths.values())))


def _remove_folders(folders: list[Path]) -> bool:
    # The kernel lets a group go some moments after its last process.
    deadline = time.monotonic() + _GROUP_REMOVAL_SECONDS
    while folders := [folder for folder in folders if not cgroups.remove_empty(folder)]:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
