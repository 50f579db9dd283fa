"""The order in which a forked executor loses its rights, and what the machine offers for it."""

from __future__ import annotations

import os
import resource
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from sandbox_runner.lockdown.identity import drop_identity, keep_capabilities_for_forking
from sandbox_runner.lockdown.kernel import (
    PR_SET_DUMPABLE,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    UnsupportedMachine,
    check_machine,
    prctl,
)
from sandbox_runner.lockdown.landlock import landlock_abi, make_ruleset, restrict_files
from sandbox_runner.lockdown.limits import ExecutorLimits, apply_rlimits, prefer_as_oom_victim, rlimits_for
from sandbox_runner.lockdown.seccomp import build_filter, build_zygote_filter, install_filter, seccomp_available

__all__ = [
    "Confinement",
    "Offer",
    "confine_claimed",
    "confine_supervisor",
    "confine_waiting",
    "prepare_files",
    "readable_paths",
    "survey",
]

_SIGKILL = 9
_SUPERVISOR_FILES = 64

_SYSTEM_READABLE = (
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share/zoneinfo",
    "/usr/share/mime",
    "/usr/share/locale",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/mime.types",
    "/etc/passwd",
    "/etc/group",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/dev/urandom",
    "/dev/random",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/sys/devices/system/cpu",
)
_OWN_READABLE = ("/proc/self/status", "/proc/self/stat", "/proc/self/statm")
_SYSTEM_WRITABLE = ("/dev/null", "/dev/zero", "/dev/full")


@dataclass(frozen=True, slots=True)
class Offer:
    """What the kernel offers: Landlock generation (0 = none) and seccomp filters."""

    landlock_abi: int
    seccomp: bool


@dataclass(frozen=True, slots=True)
class Confinement:
    """How executors of this runner are confined; see sandbox_runner.options for the fields.

    ``files`` is the descriptor of ``prepare_files``, -1 where the kernel has no Landlock.
    """

    offer: Offer
    uid: int | None
    files: int
    limit_address_space: bool
    limit_threads: bool


def survey(*, allow_missing_seccomp: bool) -> Offer:
    """Find out what the kernel offers.

    Raises:
        UnsupportedMachine: another machine than Linux x86_64, or no seccomp and that is not allowed.
    """
    check_machine()
    offer = Offer(landlock_abi=landlock_abi(), seccomp=seccomp_available())
    if not offer.seccomp and not allow_missing_seccomp:
        raise UnsupportedMachine("the kernel offers no seccomp filters; --allow-missing-seccomp starts without them")
    return offer


def readable_paths(extra: tuple[Path, ...] = ()) -> tuple[str, ...]:
    """The files that Python code needs to read: interpreter, libraries, time zones, a few system facts.

    The folders of ``sys.path`` count as libraries, except the one that holds this package: it may be a
    source checkout with more in it than code.
    """
    paths = sysconfig.get_paths()
    package = Path(__file__).resolve().parent.parent
    libraries = [path for path in sys.path if Path(path).is_absolute() and Path(path).resolve() != package.parent]
    own = [paths["stdlib"], paths["platstdlib"], paths["purelib"], paths["platlib"], *libraries]
    for prefix in (sys.prefix, sys.base_prefix):
        own += [os.path.join(prefix, "lib"), os.path.join(prefix, "pyvenv.cfg"), os.path.join(prefix, "share")]  # noqa: PTH118
    own.append(str(package))
    chosen = [path for path in own if path not in {"/", "/usr", ""}]
    return tuple(dict.fromkeys([*chosen, *map(str, extra), *_SYSTEM_READABLE]))


def prepare_files(offer: Offer, *, readable: tuple[str, ...], writable: tuple[str, ...]) -> int:
    """Make the file rules of the executor while nobody waits for it: they are a third of its lock-down.

    Returns:
        A descriptor for ``Confinement.files``, -1 where the kernel has no Landlock.

    Raises:
        OSError: the kernel refused a rule.
    """
    if not offer.landlock_abi:
        return -1
    return make_ruleset(readable=readable, writable=(*writable, *_SYSTEM_WRITABLE), abi=offer.landlock_abi)


def confine_waiting(how: Confinement, parent_pid: int) -> bytes:
    """Take from this freshly forked process what no claim has a say in, while nobody waits for it.

    Args:
        how: decided by the runner's options and the machine.
        parent_pid: the zygote; the process ends at once when that is not its parent any more.

    Returns:
        The filter that ``confine_claimed`` installs: last, because it refuses what sets limits.

    Raises:
        OSError: a step failed; the process must not run user code.
    """
    os.setsid()
    # The zygote is not dumpable, which makes its forks' files in /proc root's; drop_identity takes it back.
    prctl(PR_SET_DUMPABLE, 1)
    prefer_as_oom_victim()
    drop_identity(how.uid)
    # After the change of uid, which clears it. The check closes the gap before it was in force.
    prctl(PR_SET_PDEATHSIG, _SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)
    if how.offer.landlock_abi:
        restrict_files(how.files, readable=_OWN_READABLE, abi=how.offer.landlock_abi)
    return build_filter(os.getpid()) if how.offer.seccomp else b""


def confine_claimed(how: Confinement, limits: ExecutorLimits, program: bytes) -> None:
    """Take the rest of what user code must not have.

    Args:
        how: as for ``confine_waiting``, which came first in this process.
        limits: of the claim.
        program: what ``confine_waiting`` gave.

    Raises:
        OSError: a step failed; the process must not run user code.
    """
    apply_rlimits(rlimits_for(limits, address_space=how.limit_address_space, threads=how.limit_threads))
    if program:
        install_filter(program)


def confine_zygote(offer: Offer, *, switch_uids: bool) -> None:
    """Leave PID 1 nothing but what it needs to fork the others into other uids and to end them.

    Args:
        offer: what the kernel offers.
        switch_uids: whether supervisor and executor get their own uids.

    Raises:
        OSError: a step failed.
    """
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    if switch_uids:
        keep_capabilities_for_forking()
    # Where all processes have one uid, this keeps its memory and descriptors from the other two.
    prctl(PR_SET_DUMPABLE, 0)
    if offer.seccomp:
        install_filter(build_zygote_filter())


def confine_supervisor(uid: int | None, parent_pid: int, offer: Offer, readable: tuple[str, ...]) -> None:
    """Take the rights from the supervisor that it does not need to speak to the host.

    A supervisor in the hands of an attacker can then start nothing, signal nobody, open no socket but to Unix
    paths and write no file; 64 descriptors bound its connections to the host.

    Args:
        uid: uid and gid to become, None to keep the present ones.
        parent_pid: the zygote; the process ends at once when that is not its parent any more.
        offer: what the kernel offers.
        readable: files and folders to read.

    Raises:
        OSError: a step failed.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ceiling = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = _SUPERVISOR_FILES if ceiling == resource.RLIM_INFINITY else min(_SUPERVISOR_FILES, ceiling)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    drop_identity(uid)
    prctl(PR_SET_PDEATHSIG, _SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)
    if offer.landlock_abi:
        rules = make_ruleset(readable=readable, writable=_SYSTEM_WRITABLE, abi=offer.landlock_abi)
        restrict_files(rules, readable=(), abi=offer.landlock_abi)
    if offer.seccomp:
        install_filter(build_filter(os.getpid(), may_connect=True))
