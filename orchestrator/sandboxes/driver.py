"""What a driver is: the maker of runners, and nothing else.

A driver starts one runner whose supervisor dials the given socket, kills it with everything in it,
and finds what an earlier orchestrator left behind. It never speaks the runner protocol.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

__all__ = [
    "Driver",
    "ProbeReport",
    "RunnerLimits",
    "RunnerRef",
    "RunnerSpec",
    "RunnerStats",
    "Tier",
    "describe_exit",
    "tier_of_runtime",
]


class Tier(enum.IntEnum):
    """How strong an isolation really is; a higher value is stronger."""

    PROCESS = 0
    NAMESPACE = 1
    CONTAINER = 2
    GVISOR = 3
    MICROVM = 4

    @property
    def label(self) -> str:
        """The name in lower case, as records, the CLI and the logs show it."""
        return self.name.lower()


def tier_of_runtime(runtime: str) -> Tier:
    """The tier of containers that an OCI runtime runs.

    Args:
        runtime: its name in the engine's configuration: ``runsc`` and ``gvisor`` run gVisor's kernel, names that begin
            with ``kata`` a virtual machine each, all others (and the engine's default, empty) share the host's kernel.
    """
    if runtime.startswith(("runsc", "gvisor")):
        return Tier.GVISOR
    return Tier.MICROVM if runtime.startswith("kata") else Tier.CONTAINER


@dataclass(frozen=True, slots=True)
class RunnerLimits:
    """What the runner as a whole may use.

    Attributes:
        memory_bytes: memory without swap.
        cpus: CPU quota in cores.
        pids: processes and threads.
        tmp_bytes: size of /tmp.
        work_bytes: size of /work.
        tmp_inodes: inodes of each of the two.
        open_files: RLIMIT_NOFILE.
    """

    memory_bytes: int = 512 << 20
    cpus: float = 1.0
    pids: int = 64
    tmp_bytes: int = 64 << 20
    work_bytes: int = 64 << 20
    tmp_inodes: int = 4096
    open_files: int = 256


@dataclass(frozen=True, slots=True)
class RunnerSpec:
    """One runner to start.

    Attributes:
        runner_id: unique name, ``[a-z0-9-]{1,40}``; becomes part of the container's name.
        socket: host path of the Unix socket that the host already listens on (107 bytes at most).
        flavour: image flavour, a folder of images/.
        limits: limits of the whole runner.
        store_id: identifies the store (and so the service) that owns the runner; orphans are found by it.
        incarnation: the owner's start number; a lower one marks an orphan.
    """

    runner_id: str
    socket: Path
    flavour: str = "base"
    limits: RunnerLimits = field(default_factory=RunnerLimits)
    store_id: str = ""
    incarnation: int = 0


@dataclass(frozen=True, slots=True)
class RunnerRef:
    """A started runner as its driver knows it.

    Attributes:
        driver: name of the driver.
        id: the driver's own id (container id, pid).
        runner_id: as in the spec.
        incarnation: as in the spec.
    """

    driver: str
    id: str
    runner_id: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class RunnerStats:
    """What a runner uses now.

    Attributes:
        memory_bytes: charged memory.
        pids: processes and threads.
        oom_kills: kernel kills for memory since the start.
    """

    memory_bytes: int
    pids: int
    oom_kills: int


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """Whether a driver works here, for ``statek doctor``.

    Attributes:
        driver: name.
        tier: the tier it gives (as far as it is available).
        available: whether a runner can be started now.
        reason: why not, or what was found, in one sentence.
        remedy: the one command that an administrator runs to make it available; empty when it is.
    """

    driver: str
    tier: Tier
    available: bool
    reason: str
    remedy: str = ""


# The exit statuses of ``python -m sandbox_runner``.
_EXITS = {
    2: "wrong options",
    3: "a module to preload is missing or started a thread",
    4: "the machine cannot confine an executor",
    5: "it could not reach the host",
}


def describe_exit(status: int, last_words: str = "") -> str:
    """How a runner ended: its exit status (negative: the signal), and what it said where it said something."""
    meaning = last_words or _EXITS.get(status, "")
    how = f"signal {-status}" if status < 0 else f"exit status {status}"
    return f"it ended with {how}" + (f": {meaning}" if meaning else "")


class Driver(Protocol):
    """Makes runners of one tier. All methods are safe to call concurrently."""

    @property
    def name(self) -> str:
        """``docker``, ``bubblewrap`` or ``process``."""
        ...

    @property
    def tier(self) -> Tier:
        """The tier in force for every runner of this driver."""
        ...

    async def probe(self) -> ProbeReport:
        """Say whether runners can be started here, really trying what is cheap to try."""
        ...

    async def prepare(self, flavour: str) -> str:
        """Make the flavour's image (or file tree) available and return its digest.

        Raises:
            ConfigurationError: it cannot be made here; the message says what is missing.
        """
        ...

    async def start(self, spec: RunnerSpec) -> RunnerRef:
        """Start one runner; returns when its processes exist, not when it has dialled.

        Raises:
            RunnerLost: the engine refused or is gone.
        """
        ...

    async def wait_exit(self, ref: RunnerRef) -> str:
        """Wait until the runner has ended by itself; how it ended, in a few words.

        Raises:
            RunnerLost: the engine is gone, so that nobody can tell.
        """
        ...

    async def kill(self, ref: RunnerRef) -> None:
        """End the runner and everything in it; returns when all of it is gone. Idempotent."""
        ...

    async def stats(self, ref: RunnerRef) -> RunnerStats:
        """Measure a runner.

        Raises:
            RunnerLost: it does not exist any more.
        """
        ...

    async def list_runners(self, store_id: str) -> list[RunnerRef]:
        """Every runner of that store that exists now, of any incarnation."""
        ...

    async def aclose(self) -> None:
        """Release what the driver holds (connections, threads); does not end runners."""
        ...
