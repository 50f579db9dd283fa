"""Sets the project up on a machine that has git, make and python3: run by make, standard library only.

``environment`` makes ``.venv`` with the locked dependencies; ``sandbox`` makes the strongest sandbox
that works here ready (a Docker image, else what bubblewrap needs). Both say what they install before
they do, leave a stamp so that the next time takes no time, and end with status 2 and one sentence
when something is missing that only an administrator can add.
"""

from __future__ import annotations

import argparse
import getpass
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
LOCK = ROOT / "locks" / "dev.txt"
DOCKER_SOCKET = "/var/run/docker.sock"
SITE_COMMAND = "import asyncio, orchestrator.sandboxes.runner_files as f; print(asyncio.run(f.prepare_site('base')))"
PROBE_COMMAND = (
    "import asyncio, dataclasses, json, orchestrator.sandboxes.probe as p; "
    "print(json.dumps([[r.driver, r.available, r.reason, r.remedy] for r in asyncio.run(p.probe_all())]))"
)


class Missing(Exception):
    """Something that only an administrator can add; the message is the sentence to show, empty if it was shown."""


def say(text: str) -> None:
    """Show one line of progress."""
    print(f"setup: {text}", file=sys.stderr, flush=True)


def run(argv: Sequence[str], *, quiet: bool = True, env: dict[str, str] | None = None) -> str:
    """Run a command of the checkout; its output is shown only when it fails.

    Args:
        argv: the command.
        quiet: False for one that tells of its progress, and of its failure, by itself.
        env: its environment; None for this process's own.

    Raises:
        Missing: it failed.
    """
    done = subprocess.run(
        argv,
        check=False,
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
    )
    if done.returncode != 0:
        if not quiet:
            raise Missing
        last = " | ".join((done.stdout or "").strip().splitlines()[-6:])
        raise Missing(f"`{' '.join(argv[:6])}{' ...' if len(argv) > 6 else ''}` failed: {last}")
    return done.stdout


def may_install() -> bool:
    """Whether Debian packages can be installed by this user."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install_packages(*names: str) -> None:
    """Install Debian packages, with their names said first.

    Raises:
        Missing: the package manager failed.
    """
    say(f"installing the Debian packages {' '.join(names)}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    argv = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *names]
    try:
        run(argv, env=quiet)
    except Missing:
        run(["apt-get", "update", "-qq"], env=quiet)  # a fresh machine has no package lists, an old one outdated ones
        run(argv, env=quiet)


def environment(*, engine: bool = False) -> None:
    """Make ``.venv`` with the locked dependencies and this project in it.

    Args:
        engine: whether what comes next needs a Docker engine, which is then among what an administrator is asked for.

    Raises:
        Missing: Python is too old, or a virtual environment with pip cannot be made.
    """
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is run by whatever python3 the machine has
        raise Missing(f"Python 3.11 or later is needed, this is {sys.version.split()[0]}; give PYTHON=<path> to make")
    content = LOCK.read_bytes() + (ROOT / "pyproject.toml").read_bytes() + sys.version.encode()
    stamp = VENV / f".ready-{hashlib.sha256(content).hexdigest()[:16]}"
    if stamp.exists():
        return
    begun = time.monotonic()
    python = str(VENV / "bin" / "python")
    if not _works([python, "-m", "pip", "--version"]):
        _make_venv(python, engine=engine)
    say(f"installing the locked dependencies of {LOCK.relative_to(ROOT)} into {VENV.relative_to(ROOT)} (a minute)")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    run([*pip, "--require-hashes", "--no-deps", "-r", str(LOCK)])
    run([*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)])
    for old in VENV.glob(".ready-*"):
        old.unlink()
    stamp.touch()
    say(f"environment ready ({time.monotonic() - begun:.0f} s)")


def _works(argv: Sequence[str]) -> bool:
    try:
        return subprocess.run(argv, check=False, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def _make_venv(python: str, *, engine: bool) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not _can_make_venv() and may_install():
        install_packages("python3-venv")
    if _can_make_venv():
        say(f"making the virtual environment {VENV.relative_to(ROOT)}")
        run([sys.executable, "-m", "venv", "--clear", str(VENV)])
    elif importlib.util.find_spec("venv") and _works([sys.executable, "-m", "pip", "--version"]):
        # Debian's python3 without its ensurepip, but with pip: that pip can fill another environment.
        say(f"making the virtual environment {VENV.relative_to(ROOT)}")
        run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)])
        run([sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "pip"])
    else:
        packages, group = _missing_beside(engine=engine)
        raise Missing(
            "python3 has no venv with pip (ensurepip); an administrator runs: "
            f"apt-get install {' '.join([f'python{version}-venv', *packages])}{group}"
        )


def _missing_beside(*, engine: bool) -> tuple[list[str], str]:
    """All else that this user will miss, so that an administrator is asked once: packages, and what follows them."""
    if not engine:
        return [] if _engine_reachable() or shutil.which("bwrap") else ["bubblewrap"], ""
    packages = [] if shutil.which("bwrap") else ["bubblewrap"]
    if _engine_reachable():
        return packages, ""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    if not shutil.which("dockerd", path=path):
        packages += ["docker.io", "iptables"]
    # Debian's engine is for root and the group docker, and only root can start a private one.
    group = "" if os.geteuid() == 0 else f" && usermod --append --groups docker {getpass.getuser()}"
    return packages, group


def _engine_reachable() -> bool:
    """Whether there is a Docker engine that this user may ask; whether it works is found out later."""
    engine = os.environ.get("DOCKER_HOST") or f"unix://{DOCKER_SOCKET}"
    return not engine.startswith("unix://") or os.access(engine.removeprefix("unix://"), os.W_OK)


def _can_make_venv() -> bool:
    # Asked of a new process: what apt has just installed is not visible to this one.
    return _works([sys.executable, "-c", "import venv, ensurepip"])


def sandbox(base_image: str) -> None:
    """Make the strongest sandbox that works here ready.

    Raises:
        Missing: none works and none can be installed.
    """
    python = str(VENV / "bin" / "python")
    reports = _probe(python)
    answers, docker_reason, docker_remedy = reports["docker"]
    if answers:
        argv = [python, "-m", "images.build", *(("--base-image", base_image) if base_image else ())]
        run(argv, quiet=False)
        return
    if base_image:
        # Not taken without it: what it was asked for would be missing in the sandbox, and nothing would say so.
        raise Missing(
            f"BASE_IMAGE={base_image} can only be built upon by a Docker engine, and {docker_reason}; "
            f"leave it out, or an administrator runs: {docker_remedy}"
        )
    if not reports["bubblewrap"][0] and shutil.which("bwrap") is None and may_install():
        say("no Docker engine answers; the embedded sandbox needs bubblewrap")
        install_packages("bubblewrap")
        reports = _probe(python)
    ok, reason, remedy = reports["bubblewrap"]
    if not ok:
        raise Missing(f"no sandbox works here (docker: {docker_reason}; {reason}); an administrator runs: {remedy}")
    site = ROOT / ".cache" / "runner-site"
    if not site.is_dir():
        say("installing the runner's libraries for the embedded sandbox")
    run([python, "-c", SITE_COMMAND])


def _probe(python: str) -> dict[str, tuple[bool, str, str]]:
    """Whether each driver works here, why, and what an administrator runs where it does not; by its name."""
    return {name: (ok, reason, remedy) for name, ok, reason, remedy in json.loads(run([python, "-c", PROBE_COMMAND]))}


def main() -> int:
    """Run one part of the set-up; 0 when it is done, 2 with one sentence when it cannot be."""
    parser = argparse.ArgumentParser(description="Set the project up; run by make.")
    parser.add_argument("part", choices=("environment", "sandbox"))
    parser.add_argument("--base-image", default="")
    parser.add_argument("--for", dest="purpose", choices=("run", "test"), default="run", help="what it is made for")
    options = parser.parse_args()
    try:
        if options.part == "environment":
            environment(engine=options.purpose == "test")
        else:
            sandbox(options.base_image)
    except Missing as error:
        if str(error):
            print(f"setup: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
