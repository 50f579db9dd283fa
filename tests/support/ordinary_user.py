"""Runs programs as a user without privileges, also where the tests are run by root."""

from __future__ import annotations

import os
import pwd
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["as_ordinary_user", "give"]

_USER = pwd.getpwnam("nobody")


def give(folder: Path) -> None:
    """Give a folder and all in it to the user that ``as_ordinary_user`` takes."""
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, _USER.pw_uid, _USER.pw_gid, follow_symlinks=False)


def as_ordinary_user(
    argv: Sequence[str], *, cwd: Path, environment: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, as ``nobody`` where the tests are root's, and capture what it says.

    An interpreter or an environment below a folder that only root may enter (its home) is made reachable: in a mount
    namespace of the program's own, where that folder holds nothing else.

    Args:
        argv: the program with its arguments, by its path.
        cwd: where it runs.
        environment: all of it.
        timeout: seconds.
    """
    command = list(argv)
    if os.geteuid() == 0:
        lines = ["set -e", *_reaching(Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve())]
        settings = shlex.join(f"{name}={value}" for name, value in environment.items())
        lines.append(
            f"exec setpriv --reuid={_USER.pw_uid} --regid={_USER.pw_gid} --clear-groups -- "
            f"env -i {settings} {shlex.join(command)}"
        )
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", "\n".join(lines)]
        environment = os.environ  # of what leads there
    return subprocess.run(
        command,
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def _reaching(*wanted: Path) -> list[str]:
    """Commands after which these folders can be entered by everybody, in the mount namespace of the shell."""
    closed = {path: top for path in dict.fromkeys(wanted) if (top := _closed_ancestor(path)) is not None}
    lines = []
    for number, path in enumerate(closed):
        lines += [f"kept{number}=$(mktemp -d)", f'mount --bind {shlex.quote(str(path))} "$kept{number}"']
    lines += [f"mount -t tmpfs -o mode=755 none {shlex.quote(str(top))}" for top in sorted(set(closed.values()))]
    for number, path in enumerate(closed):
        there = shlex.quote(str(path))
        lines += [f"mkdir -p {there}", f'mount --move "$kept{number}" {there}', f'rmdir "$kept{number}"']
    return lines


def _closed_ancestor(path: Path) -> Path | None:
    """The outermost folder on the way to a path that others may not enter."""
    found = [folder for folder in path.parents if not folder.stat().st_mode & 0o001]
    return found[-1] if found else None
