"""Runners as containers of a Docker engine.

The Docker client is blocking, so every call to it runs on this driver's own threads. Death is dealt
by the kernel where the engine's processes can be seen from here: a signal to PID 1 through a pidfd
takes the whole process tree in about 20 ms, half of what the engine needs; where they cannot be seen
(an engine on another machine or in a virtual one) the engine is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pwd
import select
import shutil
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import docker
import docker.errors
import requests

from orchestrator.sandboxes import cgroups
from orchestrator.sandboxes.children import wait_gone
from orchestrator.sandboxes.confinement import (
    LABEL_INCARNATION,
    LABEL_RUNNER,
    LABEL_STORE,
    ContainerBody,
    DockerFacts,
    confine,
)
from orchestrator.sandboxes.driver import (
    ProbeReport,
    RunnerRef,
    RunnerSpec,
    RunnerStats,
    Tier,
    describe_exit,
    tier_of_runtime,
)
from orchestrator.sandboxes.runner_files import build_image, flavour_digest, flavour_folder, image_tag
from statek.exceptions import ConfigurationError, RunnerLost

__all__ = ["DockerDriver", "engine_remedy"]

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

_ENGINE_ERRORS = (docker.errors.DockerException, requests.RequestException, OSError)
_KILL_WAIT_MS = 5_000
_EXIT_POLL_SECONDS = 0.1
_DEFAULT_ENGINE = "unix:///var/run/docker.sock"


class DockerDriver:
    """Starts and ends containers of one engine.

    Args:
        engine: address of the engine (``unix:///...``); None takes what the Docker client itself is
            configured with (``DOCKER_HOST`` or the default socket).
        base_image: image to build flavours upon; empty makes them from Debian packages.
        runtime: OCI runtime as the engine names it, for example ``runsc``; empty takes the engine's default.
        timeout: seconds that the engine has for one answer.
    """

    def __init__(
        self, engine: str | None = None, *, base_image: str = "", runtime: str = "", timeout: float = 30.0
    ) -> None:
        self._engine = engine
        self._base_image = base_image
        self._runtime = runtime
        self._timeout = timeout
        self._threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="docker")
        self._client: Any = None
        self._address = ""
        self._facts: dict[str, DockerFacts] = {}
        self._pids: dict[str, int] = {}
        self._connecting = asyncio.Lock()

    @property
    def name(self) -> str:
        """``docker``."""
        return "docker"

    @property
    def tier(self) -> Tier:
        """That of the OCI runtime."""
        return tier_of_runtime(self._runtime)

    async def probe(self) -> ProbeReport:
        """Ask the engine for its version and capabilities."""
        try:
            info = await self._ask(lambda client: client.info())
        except RunnerLost as error:
            return ProbeReport(
                self.name, self.tier, available=False, reason=str(error), remedy=engine_remedy(self._address)
            )
        missing = [name for name in ("MemoryLimit", "PidsLimit", "CpuCfsQuota") if not info.get(name)]
        if not any("seccomp" in str(option) for option in info.get("SecurityOptions") or []):
            missing.append("seccomp")
        known = sorted(info.get("Runtimes") or {})
        if self._runtime and self._runtime not in known:
            reason = f"the Docker engine has no runtime {self._runtime}, it has {', '.join(known)}"
            return ProbeReport(self.name, self.tier, available=False, reason=reason, remedy=_runtime_remedy(self.tier))
        if missing:
            reason = f"the Docker engine {info.get('ServerVersion')} lacks {', '.join(missing)}"
            return ProbeReport(self.name, self.tier, available=False, reason=reason, remedy="apt-get install docker.io")
        reason = (
            f"Docker engine {info.get('ServerVersion')} answers, runtime {self._runtime or info.get('DefaultRuntime')}"
        )
        return ProbeReport(self.name, self.tier, available=True, reason=reason)

    async def prepare(self, flavour: str) -> str:
        """Make the flavour's image known to the engine and return the flavour's digest.

        Raises:
            ConfigurationError: no engine answers or the image cannot be made; the message says why.
        """
        tag = await asyncio.to_thread(image_tag, flavour, base_image=self._base_image)
        try:
            present = await self._ask(lambda client: _image_exists(client, tag))
        except RunnerLost as error:
            raise ConfigurationError(str(error)) from error
        if not present:
            await build_image(flavour, base_image=self._base_image, engine=self._engine)
        digest = await asyncio.to_thread(flavour_digest, flavour, base_image=self._base_image)
        profile = await asyncio.to_thread((flavour_folder(flavour) / "seccomp.json").read_text)
        self._facts[flavour] = DockerFacts(image=tag, digest=digest, seccomp=profile, runtime=self._runtime)
        return digest

    async def start(self, spec: RunnerSpec) -> RunnerRef:
        """Create and start one container.

        Raises:
            ConfigurationError: the flavour's image cannot be made.
            RunnerLost: the engine refused or is gone.
        """
        if spec.flavour not in self._facts:
            await self.prepare(spec.flavour)
        container = confine(spec, self._facts[spec.flavour])
        assert isinstance(container, ContainerBody)
        starting = asyncio.ensure_future(self._ask(lambda client: _create_and_start(client, container)))
        try:
            identity, pid = await asyncio.shield(starting)
        except asyncio.CancelledError:
            # The thread goes on to its end all the same; what it has started by then must not stay.
            with contextlib.suppress(RunnerLost):
                identity, pid = await starting
                await self._ask(lambda client: _remove(client, identity))
            raise
        if pid:
            self._pids[identity] = pid  # known from here on, so that it can be ended even when the engine is gone
        return RunnerRef(driver=self.name, id=identity, runner_id=spec.runner_id, incarnation=spec.incarnation)

    async def wait_exit(self, ref: RunnerRef) -> str:
        """Wait until the container has ended; how it ended.

        Raises:
            RunnerLost: the engine does not answer.
        """
        pid = self._pids.get(ref.id)
        if pid:
            await wait_gone(pid)
        # The engine learns of it some moments later; and where its processes are out of sight it has to be asked.
        while True:
            text = await self._ask(lambda client: _exit_of(client, ref.id))
            if text:
                return text
            await asyncio.sleep(_EXIT_POLL_SECONDS)

    async def kill(self, ref: RunnerRef) -> None:
        """End a container and everything in it; returns when all of it is gone. Idempotent.

        Raises:
            RunnerLost: the engine is gone, so that nobody can tell.
        """
        pid, ended = await self._pid_of(ref), False
        if pid:
            ended = await asyncio.get_running_loop().run_in_executor(self._threads, _kill_process, pid, ref.id)
        try:
            await self._ask(lambda client: _remove(client, ref.id))
        except RunnerLost as error:
            if not ended:
                raise
            # The processes are gone, which is what matters; the engine's record of them goes with a later scan.
            _LOG.warning("runner %s is ended, its container could not be removed: %s", ref.runner_id, error)
        self._pids.pop(ref.id, None)

    async def stats(self, ref: RunnerRef) -> RunnerStats:
        """Measure a container from its resource group, or through the engine where that is out of sight.

        Raises:
            RunnerLost: it does not exist any more.
        """
        pid = await self._pid_of(ref)
        if pid:
            with contextlib.suppress(OSError):
                folders = await asyncio.to_thread(cgroups.folders_of, pid)
                if folders and all(folder.is_dir() and ref.id in str(folder) for folder in folders.values()):
                    return await asyncio.to_thread(cgroups.read_usage, folders.get("memory"), folders.get("pids"))
            raise RunnerLost(f"runner {ref.runner_id} does not run any more")
        numbers = await self._ask(lambda client: client.stats(ref.id, stream=False, one_shot=True))
        return RunnerStats(
            memory_bytes=int(numbers.get("memory_stats", {}).get("usage", 0)),
            pids=int(numbers.get("pids_stats", {}).get("current", 0)),
            oom_kills=int(numbers.get("memory_stats", {}).get("failcnt", 0) > 0),
        )

    async def list_runners(self, store_id: str) -> list[RunnerRef]:
        """Every container of that store, running or not, of any incarnation.

        Raises:
            RunnerLost: the engine does not answer.
        """
        containers = await self._ask(
            lambda client: client.containers(all=True, filters={"label": [f"{LABEL_STORE}={store_id}"]})
        )
        return [
            RunnerRef(
                driver=self.name,
                id=str(entry["Id"]),
                runner_id=str(entry["Labels"].get(LABEL_RUNNER, "")),
                incarnation=_number(entry["Labels"].get(LABEL_INCARNATION, "")),
            )
            for entry in containers
        ]

    async def aclose(self) -> None:
        """Close the connections; runners go on."""
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown, True)
        if self._client is not None:
            self._client.close()
            self._client = None

    async def _pid_of(self, ref: RunnerRef) -> int:
        """The host's pid of PID 1, asked once; 0 when it does not run or cannot be seen from here."""
        pid = self._pids.get(ref.id)
        if pid is None:
            pid = await self._ask(lambda client: _inspect_pid(client, ref.id))
            if pid:
                self._pids[ref.id] = pid
        return pid

    async def _ask(self, question: Callable[[Any], T]) -> T:
        """Run one blocking conversation with the engine on this driver's threads.

        Raises:
            RunnerLost: the engine does not answer or refused; the message is one sentence.
        """
        loop = asyncio.get_running_loop()
        try:
            async with self._connecting:
                if self._client is None:
                    self._client = await loop.run_in_executor(self._threads, self._connect)
            return await loop.run_in_executor(self._threads, self._converse, question)
        except docker.errors.APIError as error:
            raise RunnerLost(f"the Docker engine refused: {error.explanation or error}") from error
        except _ENGINE_ERRORS as error:
            where = self._engine or "of this machine"
            raise RunnerLost(f"the Docker engine {where} does not answer ({_root_cause(error)})") from error

    def _connect(self) -> Any:
        settings: dict[str, Any] = {"base_url": self._engine} if self._engine else docker.utils.kwargs_from_env()
        self._address = settings.get("base_url") or _DEFAULT_ENGINE
        _knock(self._address)
        return docker.APIClient(version="auto", timeout=self._timeout, **settings)

    def _converse(self, question: Callable[[Any], T]) -> T:
        _knock(self._address)
        return question(self._client)


def engine_remedy(address: str) -> str:
    """The command with which an administrator makes an engine answer this user.

    Args:
        address: of the engine; empty for the default one.
    """
    path = Path((address or _DEFAULT_ENGINE).removeprefix("unix://"))
    if path.is_socket() and not os.access(path, os.W_OK):
        return f"usermod --append --groups docker {_user()}"
    if shutil.which("dockerd") or shutil.which("dockerd", path="/usr/sbin:/sbin"):
        return "systemctl start docker"
    return "apt-get install docker.io"


def _runtime_remedy(tier: Tier) -> str:
    """What an administrator does for an OCI runtime that the engine does not have."""
    if tier is Tier.GVISOR:
        return 'apt-get install runsc, and name it under "runtimes" in /etc/docker/daemon.json (docs/tiers.md)'
    return 'install it, and name it under "runtimes" in /etc/docker/daemon.json (docs/tiers.md)'


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _knock(address: str) -> None:
    """Fail early where nobody listens: the Docker client would leave a socket open for each attempt.

    Raises:
        OSError: the engine's socket is not there or nobody listens.
    """
    if address.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as visitor:
            visitor.connect(address.removeprefix("unix://"))


def _image_exists(client: Any, tag: str) -> bool:
    try:
        client.inspect_image(tag)
    except docker.errors.ImageNotFound:
        return False
    return True


def _create_and_start(client: Any, container: ContainerBody) -> tuple[str, int]:
    identity = str(client.create_container_from_config(container.body, name=container.name)["Id"])
    try:
        client.start(identity)
        return identity, _inspect_pid(client, identity)
    except BaseException:
        with contextlib.suppress(*_ENGINE_ERRORS):
            _remove(client, identity)
        raise


def _remove(client: Any, identity: str) -> None:
    try:
        client.remove_container(identity, force=True, v=True)
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        if error.status_code != 409:  # 409: somebody else removes it just now
            raise
        client.wait(identity, timeout=10, condition="removed")


def _inspect_pid(client: Any, identity: str) -> int:
    """The pid of PID 1 as this machine numbers it; 0 when it is gone or runs on another machine.

    An engine that was killed while it started a container does not know of the process that it has made, and would
    leave it for ever when the container is removed; the container's group does know.
    """
    try:
        pid = int(client.inspect_container(identity)["State"]["Pid"])
    except docker.errors.NotFound:
        return 0
    pid = pid or next(iter(cgroups.processes_of(f"docker/{identity}", f"system.slice/docker-{identity}.scope")), 0)
    return pid if _is_container(pid, identity) else 0


def _exit_of(client: Any, identity: str) -> str:
    """How the container ended; empty while it runs."""
    try:
        state = client.inspect_container(identity)["State"]
    except docker.errors.NotFound:
        return "its container is gone"
    if state.get("Running") or state.get("Status") == "created":
        return ""
    return describe_exit(int(state.get("ExitCode", 0)), "out of memory" if state.get("OOMKilled") else "")


def _is_container(pid: int, identity: str) -> bool:
    try:
        return pid > 0 and identity in Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return False


def _kill_process(pid: int, identity: str) -> bool:
    """SIGKILL PID 1 of the container and wait until the kernel has ended everything in it. Blocks.

    Returns:
        Whether it is gone, or was before: False where a user without root may not signal it, and where it does not end.
    """
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    try:
        # Checked after the pidfd is held: from here on it cannot name another process.
        if not _is_container(pid, identity):
            return True
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        return bool(poll.poll(_KILL_WAIT_MS))
    except ProcessLookupError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _root_cause(error: BaseException) -> str:
    while error.__context__ is not None:
        error = error.__context__
    return str(error) or type(error).__name__
