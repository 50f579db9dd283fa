"""The file system of an image, made from Debian packages and wheels without any registry.

Only the files of the packages are unpacked; no package script runs, so no root is needed. What a
runner does not need is taken out again: there is no shell, no package manager and no setuid file,
and the check at the end refuses an image that has one.
"""

from __future__ import annotations

import shutil
import stat
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from images.commands import run, say
from images.packages import download_packages
from statek.exceptions import ConfigurationError

__all__ = ["PYTHON", "SITE", "build_rootfs", "compile_tree"]

PYTHON = "usr/bin/python3.11"
"""The interpreter inside the image, relative to its root."""
SITE = "opt/runner"
"""Where wheels and the runner's code are inside the image."""

_WHEEL_PLATFORMS = (
    *("manylinux_2_28", "manylinux_2_27", "manylinux_2_26", "manylinux_2_24"),
    *("manylinux_2_17", "manylinux2014", "manylinux_2_5", "manylinux1"),
)
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_DROPPED = (
    *(
        "bin",
        "sbin",
        "etc",
        "usr/sbin",
        "usr/share",
        "usr/games",
        "usr/lib/valgrind",
        "usr/lib/mime",
        "usr/lib/binfmt.d",
    ),
    *("usr/lib/*/gconv", "usr/lib/*/audit", "usr/lib/*/perl*", "usr/lib/python3.11/sitecustomize.py", "var"),
    *("usr/lib/python3.11/ensurepip", "usr/lib/python3.11/idlelib", "usr/lib/python3.11/lib2to3"),
    *("usr/lib/python3.11/tkinter", "usr/lib/python3.11/turtle.py", "usr/lib/python3.11/pydoc_data"),
    *(
        "usr/lib/python3.11/lib-dynload/_test*",
        "usr/lib/python3.11/lib-dynload/_xxtest*",
        "usr/lib/python3.11/LICENSE.txt",
    ),
)
_USERS = "root:x:0:0::/:\nsupervisor:x:65533:65533::/:\nsandbox:x:65534:65534::/work:\n"
_GROUPS = "root:x:0:\nsupervisor:x:65533:\nsandbox:x:65534:\n"


def build_rootfs(flavour: Path, root: Path, work: Path) -> None:
    """Make the file system of a flavour, without the runner's own code.

    Args:
        flavour: folder with ``packages.txt`` and ``requirements.txt``.
        root: empty folder that becomes the root.
        work: empty folder for downloads.

    Raises:
        ConfigurationError: something that is needed is missing here; the message names it.
    """
    machine = run(["dpkg", "--print-architecture"], "finding the architecture").strip()
    if machine not in _MACHINES:
        raise ConfigurationError(f"no wheels of the runner exist for the architecture {machine}; use BASE_IMAGE")
    begun = time.monotonic()
    listing = (flavour / "packages.txt").read_text().splitlines()
    names = [line.strip() for line in listing if line.strip() and not line.startswith("#")]
    debs = download_packages(names, work)
    say(f"  {len(debs)} Debian packages downloaded ({time.monotonic() - begun:.1f} s)")
    begun = time.monotonic()
    for deb in debs:
        run(["dpkg-deb", "-x", str(deb), str(root)], f"unpacking {deb.name}")
    _prune(root)
    say(f"  unpacked ({time.monotonic() - begun:.1f} s)")
    begun = time.monotonic()
    _install_wheels(flavour / "requirements.txt", root / SITE, _MACHINES[machine])
    say(f"  wheels installed ({time.monotonic() - begun:.1f} s)")
    _add_folders(root)
    begun = time.monotonic()
    # The zoneinfo of the tzdata wheel is data with __init__.py files; compiled all the same.
    compile_tree(root, ["usr/lib/python3.11", SITE])
    say(f"  compiled ({time.monotonic() - begun:.1f} s)")
    _check(root)


def compile_tree(root: Path, folders: Sequence[str]) -> None:
    """Compile folders of the root with the image's own interpreter, which also proves that it runs.

    The .pyc files carry unchecked hashes: a read-only root could never refresh them, and their
    content then does not depend on file times.
    """
    loader = _loader(root)
    libraries = ":".join(
        str(path) for pattern in ("lib/*-linux-gnu", "usr/lib/*-linux-gnu") for path in root.glob(pattern)
    )
    for folder in folders:
        run(
            [
                *(str(loader), "--library-path", libraries, str(root / PYTHON), "-I", "-S", "-B"),
                *("-c", _COMPILE, str(root / folder), f"/{folder}"),
            ],
            f"compiling /{folder} with the image's own Python",
        )


def _loader(root: Path) -> Path:
    """The dynamic loader of the root, the file itself.

    The known name, /lib64/ld-linux-*, is a link to an absolute path: from here it leads to this machine's own loader,
    which crashes with the libc of another release.
    """
    for folder in ("lib/*-linux-gnu", "usr/lib/*-linux-gnu", "lib64", "lib"):
        found = sorted(path for path in root.glob(f"{folder}/ld-linux-*") if not path.is_symlink())
        if found:
            return found[0]
    raise ConfigurationError("the unpacked packages hold no dynamic loader")


# -B keeps the interpreter's own imports from writing files of another kind into the tree.
_COMPILE = """
import compileall, py_compile, sys
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
ok = compileall.compile_dir(sys.argv[1], ddir=sys.argv[2], quiet=2, force=True, invalidation_mode=mode)
sys.exit(0 if ok else 1)
"""


def _prune(root: Path) -> None:
    for pattern in _DROPPED:
        for path in root.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    for path in (root / "usr/bin").iterdir():
        if path.name != Path(PYTHON).name:
            path.unlink()


def _install_wheels(lock: Path, target: Path, machine: str) -> None:
    platforms = [part for platform in _WHEEL_PLATFORMS for part in ("--platform", f"{platform}_{machine}")]
    run(
        [
            *(
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-input",
                "--disable-pip-version-check",
                "--no-compile",
            ),
            *(
                "--no-deps",
                "--only-binary=:all:",
                "--require-hashes",
                "--implementation",
                "cp",
                "--python-version",
                "3.11",
            ),
            *("--abi", "cp311", "--abi", "abi3", "--abi", "none", *platforms, "--target", str(target), "-r", str(lock)),
        ],
        f"installing the wheels of {lock}",
    )
    shutil.rmtree(target / "bin", ignore_errors=True)


def _add_folders(root: Path) -> None:
    for name, mode in (
        ("tmp", 0o1777),
        ("work", 0o1777),
        ("run", 0o755),
        ("proc", 0o555),
        ("dev", 0o755),
        ("sys", 0o555),
        ("etc", 0o755),
    ):
        folder = root / name
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)  # a tmpfs mounted here takes this mode, whatever its options say
    (root / "etc/passwd").write_text(_USERS)
    (root / "etc/group").write_text(_GROUPS)


def _check(root: Path) -> None:
    allowed = {Path(PYTHON).name}
    for path in root.rglob("*"):
        if path.is_symlink() or not path.is_file():
            continue
        mode = path.stat().st_mode
        if mode & (stat.S_ISUID | stat.S_ISGID):
            raise ConfigurationError(f"the image would hold a setuid file: /{path.relative_to(root)}")
        if mode & 0o111 and path.parent.name in {"bin", "sbin"} and path.name not in allowed:
            raise ConfigurationError(f"the image would hold a program beside Python: /{path.relative_to(root)}")
