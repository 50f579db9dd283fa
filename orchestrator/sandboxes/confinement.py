"""How a runner is confined: the one place that decides it.

``confine`` takes what is to be started and what the machine offers, and returns a plain
description: the body of a container for the Docker engine, or an argument list. It does no I/O, so
every flag is pinned by a snapshot test, and a reader sees the whole confinement on one page.

What holds in every tier but ``process``: no network (no interface but lo, and sockets of the Unix
family only), a read-only root, writable ``/tmp`` and ``/work`` of bounded size, no host path but the
one socket file, no environment of the host, no privilege to gain. PID 1 holds SETUID, SETGID and
KILL to fork the supervisor and the executor into other uids and to end them; they hold nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from orchestrator.sandboxes.driver import RunnerSpec, Tier, tier_of_runtime
from statek.exceptions import InvalidRequest

__all__ = [
    "ENVIRONMENT",
    "LABEL_INCARNATION",
    "LABEL_RUNNER",
    "LABEL_STORE",
    "SOCKET_INSIDE",
    "ArgumentList",
    "BubblewrapFacts",
    "ContainerBody",
    "DockerFacts",
    "ProcessFacts",
    "confine",
]

LABEL_STORE = "statek.store"
LABEL_INCARNATION = "statek.incarnation"
LABEL_RUNNER = "statek.runner"

SOCKET_INSIDE = "/run/host.sock"
"""Where the runner finds the host's socket."""

ENVIRONMENT: Mapping[str, str] = {
    "GRPC_ENABLE_FORK_SUPPORT": "0",
    "GRPC_VERBOSITY": "NONE",
    "HOME": "/work",
    "LANG": "C.UTF-8",
    "MKL_NUM_THREADS": "1",
    "MPLBACKEND": "Agg",
    "MPLCONFIGDIR": "/tmp/matplotlib",  # noqa: S108 - its caches are no part of the job's /work
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",  # a thread pool in the zygote would make its forks unsafe
    "PATH": "/usr/local/bin:/usr/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",  # re-runs must see sets and dicts in the same order
    "PYTHONNOUSERSITE": "1",
    "PYTHONPATH": "/opt/runner",
    "TMPDIR": "/tmp",  # noqa: S108
    "TZ": "UTC",
}
"""The whole environment of a runner; nothing of the host's."""

_CPU_PERIOD_US = 10_000  # ten times shorter than the default: a hog then delays the supervisor's answers ten times less
_CAPABILITIES = ("KILL", "SETGID", "SETUID")
_RUNNER_ID = re.compile(r"[a-z0-9-]{1,40}")
_SOCKET_BYTES = 107


@dataclass(frozen=True, slots=True)
class DockerFacts:
    """What the docker driver knows.

    Attributes:
        image: tag or id of the image.
        digest: digest of the flavour, told to the runner.
        seccomp: the seccomp profile as JSON text.
        runtime: OCI runtime name; empty takes the engine's default.
    """

    image: str
    digest: str
    seccomp: str
    runtime: str = ""


@dataclass(frozen=True, slots=True)
class BubblewrapFacts:
    """What the bubblewrap driver knows; all paths are the host's.

    Attributes:
        program: path of bwrap.
        interpreter: the real file of the interpreter.
        stdlib: its standard library.
        stdlib_inside: where that is looked for from ``/usr/bin/python3``.
        masked: folders below ``stdlib_inside`` that are hidden (host site-packages), relative to it.
        libraries: shared libraries and the dynamic loader, as (path inside, path of the file).
        site: the wheels of the flavour.
        code: the folder of the package ``sandbox_runner``.
        digest: digest of the flavour, told to the runner.
        separate_uids: whether PID 1 may change uids (the driver runs as root).
        group_mount: the runner's memory group and where it is seen inside (its count of kills tells a
            death for memory from others); None where no group bounds the runner.
    """

    program: str
    interpreter: str
    stdlib: str
    stdlib_inside: str
    masked: tuple[str, ...]
    libraries: tuple[tuple[str, str], ...]
    site: str
    code: str
    digest: str
    separate_uids: bool
    group_mount: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What the process driver knows.

    Attributes:
        interpreter: path of the interpreter.
        site: the wheels of the flavour.
        code_parent: the folder that holds the package ``sandbox_runner``.
        digest: digest of the flavour.
        tmp: a folder of this runner's own, used as home and temporary folder.
        work: the folder that stands for ``/work``.
    """

    interpreter: str
    site: str
    code_parent: str
    digest: str
    tmp: str
    work: str


@dataclass(frozen=True, slots=True)
class ContainerBody:
    """A container for the Docker engine: its name and the body of ``POST /containers/create``."""

    name: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ArgumentList:
    """A program for the kernel: arguments and the complete environment."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]


def confine(spec: RunnerSpec, facts: DockerFacts | BubblewrapFacts | ProcessFacts) -> ContainerBody | ArgumentList:
    """Decide how a runner is confined.

    Returns:
        ContainerBody for DockerFacts, ArgumentList for the others.

    Raises:
        InvalidRequest: the runner id is not legal or the socket path is too long for the kernel.
    """
    if _RUNNER_ID.fullmatch(spec.runner_id) is None:
        raise InvalidRequest(f"runner id {spec.runner_id!r} is not {_RUNNER_ID.pattern}")
    length = len(str(spec.socket).encode())
    if length > _SOCKET_BYTES:
        raise InvalidRequest(f"socket path {spec.socket} has {length} bytes, the kernel takes {_SOCKET_BYTES}")
    if isinstance(facts, DockerFacts):
        return _container(spec, facts)
    if isinstance(facts, BubblewrapFacts):
        return _namespaces(spec, facts)
    return _plain(spec, facts)


def _runner_arguments(socket: str, digest: str, *options: str) -> list[str]:
    return ["--socket", socket, "--image-digest", digest, *options]


def _container(spec: RunnerSpec, facts: DockerFacts) -> ContainerBody:
    limits = spec.limits
    tmpfs = f"rw,noexec,nosuid,nodev,nr_inodes={limits.tmp_inodes},mode=1777,size="
    body: dict[str, Any] = {
        "Image": facts.image,
        # The image keeps the libraries beside the runner's code, and the time zones are one of them.
        "Cmd": _runner_arguments(SOCKET_INSIDE, facts.digest, "--read-path", "/opt/runner"),
        "User": "0:0",
        "WorkingDir": "/",
        "Env": [f"{name}={value}" for name, value in sorted(ENVIRONMENT.items())],
        "Labels": {
            LABEL_STORE: spec.store_id,
            LABEL_INCARNATION: str(spec.incarnation),
            LABEL_RUNNER: spec.runner_id,
        },
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "OpenStdin": False,
        "Tty": False,
        # Halves the start: no libnetwork sandbox is made. The container still has a network namespace of its own.
        "NetworkDisabled": True,
        "HostConfig": {
            "NetworkMode": "none",
            "IpcMode": "none",  # private, and without a /dev/shm that nothing would bound in inodes
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "CapAdd": list(_CAPABILITIES),
            "SecurityOpt": ["no-new-privileges:true", f"seccomp={facts.seccomp}"],
            "Privileged": False,
            "Init": False,
            "Memory": limits.memory_bytes,
            "MemorySwap": limits.memory_bytes,  # equal: no swap
            "OomScoreAdj": 500,  # the host prefers a runner to the orchestrator; the executor has 1000
            "OomKillDisable": False,
            "PidsLimit": _host_pids(limits.pids, facts.runtime),
            "CpuPeriod": _CPU_PERIOD_US,
            "CpuQuota": int(limits.cpus * _CPU_PERIOD_US),
            "Ulimits": [
                {"Name": "nofile", "Soft": limits.open_files, "Hard": limits.open_files},
                {"Name": "core", "Soft": 0, "Hard": 0},
            ],
            "Tmpfs": {"/tmp": f"{tmpfs}{limits.tmp_bytes}", "/work": f"{tmpfs}{limits.work_bytes}"},  # noqa: S108
            "Mounts": [
                {"Type": "bind", "Source": str(spec.socket), "Target": SOCKET_INSIDE, "ReadOnly": True},
            ],
            "LogConfig": {"Type": "none", "Config": {}},  # the default keeps every byte of output on the host's disk
            "RestartPolicy": {"Name": "no"},
            "AutoRemove": False,  # the driver removes, so that it knows when all is gone
        },
    }
    if facts.runtime:
        body["HostConfig"]["Runtime"] = facts.runtime
    return ContainerBody(name=f"statek-{spec.runner_id}", body=body)


def _host_pids(pids: int, runtime: str) -> int:
    """Processes and threads that the host may see of a container with so many inside.

    gVisor's kernel is a Go program with threads of its own, and on the platform ``ptrace`` each thread inside has one
    on the host for every address space that it visits.
    """
    return pids * 8 + 512 if tier_of_runtime(runtime) is Tier.GVISOR else pids


def _namespaces(spec: RunnerSpec, facts: BubblewrapFacts) -> ArgumentList:
    limits = spec.limits
    argv = [facts.program]
    if facts.separate_uids:
        # As root no user namespace: bubblewrap can map one uid only, and PID 1 needs three.
        argv += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
        argv += ["--cap-drop", "ALL"]
        for capability in _CAPABILITIES:
            argv += ["--cap-add", f"CAP_{capability}"]
    else:
        argv += ["--unshare-all", "--cap-drop", "ALL", "--uid", "65534", "--gid", "65534"]
    argv += ["--die-with-parent", "--as-pid-1", "--new-session", "--hostname", "runner", "--clearenv"]
    for name, value in sorted({**ENVIRONMENT, "PYTHONPATH": "/opt/code:/opt/runner"}.items()):
        argv += ["--setenv", name, value]
    binds = [(facts.interpreter, "/usr/bin/python3"), (facts.stdlib, facts.stdlib_inside)]
    binds += [(library, inside) for inside, library in facts.libraries]
    binds += [(facts.site, "/opt/runner"), (facts.code, "/opt/code/sandbox_runner"), (str(spec.socket), SOCKET_INSIDE)]
    if facts.group_mount is not None:
        binds.append(facts.group_mount)
    for folder in _parents([inside for _, inside in binds]):
        # bubblewrap makes missing parents for root alone; the supervisor and the executor must pass them.
        argv += ["--perms", "0755", "--dir", folder]
    for outside, inside in binds:
        argv += ["--ro-bind", outside, inside]
    for folder in facts.masked:
        argv += ["--tmpfs", f"{facts.stdlib_inside}/{folder}", "--remount-ro", f"{facts.stdlib_inside}/{folder}"]
    argv += ["--proc", "/proc", "--tmpfs", "/dev"]
    for device in ("null", "random", "urandom", "zero"):
        argv += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    argv += ["--remount-ro", "/dev"]
    for folder, size in (("/tmp", limits.tmp_bytes), ("/work", limits.work_bytes)):  # noqa: S108
        argv += ["--perms", "1777", "--size", str(size), "--tmpfs", folder]
    argv += ["--remount-ro", "/", "--chdir", "/"]
    argv += ["--", "/usr/bin/python3", "-s", "-P", "-m", "sandbox_runner"]
    options = [] if facts.separate_uids else ["--no-uid-switch", "--limit-threads"]
    if facts.group_mount is None:
        options.append("--limit-address-space")
    argv += _runner_arguments(SOCKET_INSIDE, facts.digest, *options)
    return ArgumentList(argv=tuple(argv), environment={})


def _parents(paths: list[str]) -> list[str]:
    """Every folder above these paths but the root, outermost first."""
    folders = {str(parent) for path in paths for parent in PurePosixPath(path).parents}
    return sorted(folders - {"/"})


def _plain(spec: RunnerSpec, facts: ProcessFacts) -> ArgumentList:
    environment = {
        **ENVIRONMENT,
        "HOME": facts.work,
        "MPLCONFIGDIR": f"{facts.tmp}/matplotlib",
        "TMPDIR": facts.tmp,
        "PYTHONPATH": f"{facts.code_parent}:{facts.site}",
    }
    argv = [facts.interpreter, "-s", "-P", "-m", "sandbox_runner"]
    options = ["--no-uid-switch", "--limit-address-space", "--allow-missing-seccomp"]
    options += ["--work-dir", facts.work, "--tmp-dir", facts.tmp]
    argv += _runner_arguments(str(spec.socket), facts.digest, *options)
    return ArgumentList(argv=tuple(argv), environment=environment)
