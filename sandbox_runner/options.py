"""What a runner is told at its start; see ``python -m sandbox_runner --help``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DEFAULT_PRELOAD", "RunnerOptions", "parse_options"]

DEFAULT_PRELOAD = ("sandbox_runner.executor",)
"""Imported by the zygote when no ``--preload`` is given; the executor's own modules always are."""


@dataclass(frozen=True, slots=True)
class RunnerOptions:
    """The command line of a runner.

    Attributes:
        socket: Unix socket of the host, dialled by the supervisor.
        work_dir: directory for the job's files, writable by the executor.
        tmp_dir: directory for temporary files, writable by the executor.
        read_paths: further files and folders that the executor may read.
        preload: modules that the zygote imports before the first claim.
        image_digest: what the runner was built from; reported to the host.
        switch_uids: whether supervisor and executor get their own uids.
        supervisor_uid: uid and gid of the supervisor.
        executor_uid: uid and gid of the executor.
        limit_address_space: enforce Limits.memory_bytes by RLIMIT_AS.
        limit_threads: enforce Limits.threads by RLIMIT_NPROC.
        allow_missing_seccomp: start even where the kernel has no seccomp filter.
    """

    socket: Path
    work_dir: Path
    tmp_dir: Path
    read_paths: tuple[Path, ...] = ()
    preload: tuple[str, ...] = ()
    image_digest: str = ""
    switch_uids: bool = True
    supervisor_uid: int = 65533
    executor_uid: int = 65534
    limit_address_space: bool = False
    limit_threads: bool = False
    allow_missing_seccomp: bool = False


def parse_options(arguments: Sequence[str], description: str) -> RunnerOptions:
    """Read the command line; leaves the process with status 2 and a message when it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox_runner",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--socket", type=Path, default=Path("/run/statek/host.sock"))
    parser.add_argument("--work-dir", type=Path, default=Path("/work"))
    parser.add_argument("--tmp-dir", type=Path, default=Path("/tmp"))  # noqa: S108 - the runner's own
    parser.add_argument("--read-path", type=Path, action="append", default=[])
    parser.add_argument("--preload", default="")
    parser.add_argument("--image-digest", default="")
    parser.add_argument("--no-uid-switch", action="store_true")
    parser.add_argument("--supervisor-uid", type=int, default=65533)
    parser.add_argument("--executor-uid", type=int, default=65534)
    parser.add_argument("--limit-address-space", action="store_true")
    parser.add_argument("--limit-threads", action="store_true")
    parser.add_argument("--allow-missing-seccomp", action="store_true")
    given = parser.parse_args(arguments)
    for name in ("socket", "work_dir", "tmp_dir"):
        if not getattr(given, name).is_absolute():
            parser.error(f"--{name.replace('_', '-')} must be an absolute path, not {getattr(given, name)}")
    if not given.no_uid_switch and 0 in {given.supervisor_uid, given.executor_uid}:
        parser.error("supervisor and executor never run as uid 0; use --no-uid-switch where only one uid exists")
    return RunnerOptions(
        socket=given.socket,
        work_dir=given.work_dir,
        tmp_dir=given.tmp_dir,
        read_paths=tuple(given.read_path),
        preload=tuple(name for name in given.preload.split(",") if name),
        image_digest=given.image_digest,
        switch_uids=not given.no_uid_switch,
        supervisor_uid=given.supervisor_uid,
        executor_uid=given.executor_uid,
        limit_address_space=given.limit_address_space,
        limit_threads=given.limit_threads,
        allow_missing_seccomp=given.allow_missing_seccomp,
    )
