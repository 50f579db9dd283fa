"""What ``make test`` runs: pytest with a Docker engine and bubblewrap at hand.

Takes the engine that answers (DOCKER_HOST or the default socket); where none does, installs docker.io
if it may, starts a private one and stops it at the end, whatever the end is. Without an engine it
fails with the reason: a set that left the Docker tests out is asked for as ``make test-local``, which
is ``--local`` here and needs bubblewrap only.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from orchestrator.sandboxes.docker import engine_remedy
from tests.support.private_engine import EngineUnavailable, PrivateEngine, usual_engine

ROOT = Path(__file__).resolve().parents[2]


_NEEDED = {"bubblewrap": "bwrap"}
"""Debian packages of every run, and the program by which each is known."""

_WANTED = {"redis-server": "redis-server", "runsc": "runsc"}
"""Debian packages of single tests, which are left out, and said so, where this user may not install them."""


def main(arguments: Sequence[str]) -> int:
    """Run pytest with these arguments; its status, or 2 when no engine can be had."""
    signal.signal(signal.SIGTERM, _interrupt)
    # A shell starts what it runs in the background with SIGINT ignored, and all that the tests start would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    local = list(arguments[:1]) == ["--local"]
    arguments = arguments[1:] if local else arguments
    engine = PrivateEngine(ROOT / ".cache" / "dockerd")
    try:
        address = "" if local else usual_engine()
        _install_missing(engine=not local and not address)
        if local:
            return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False, cwd=ROOT).returncode
        if not address:
            print(
                "tests: no Docker engine answers; starting a private one in .cache/dockerd", file=sys.stderr, flush=True
            )
            engine.start()
            address = engine.address
        environment = {
            **os.environ,
            "DOCKER_HOST": address,
            "STATEK_TEST_REQUIRE_DOCKER": "1",
            "TESTCONTAINERS_RYUK_DISABLED": "true",
        }
        built = subprocess.run(
            [sys.executable, "-m", "images.build"], check=False, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
        )
        if built.returncode != 0:
            return 2
        return subprocess.run(
            [sys.executable, "-m", "pytest", *arguments], check=False, cwd=ROOT, env=environment
        ).returncode
    except EngineUnavailable as error:
        others = "" if local else " (make test-local runs the tests that need no Docker engine)"
        print(f"tests: {error}{others}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    finally:
        engine.stop()


def _install_missing(*, engine: bool) -> None:
    """Install the Debian packages that the tests need and this machine lacks.

    Raises:
        EngineUnavailable: this user may not install them; the message holds the command for an administrator.
    """
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    packages = [name for name, program in _NEEDED.items() if not shutil.which(program)]
    if engine and not shutil.which("dockerd", path=path):
        packages += ["docker.io", "iptables"]
    elif engine and os.geteuid() != 0:
        raise EngineUnavailable(
            "no Docker engine answers, and only root can start one; "
            f"an administrator runs: {engine_remedy(os.environ.get('DOCKER_HOST', ''))}"
        )
    may_install = os.geteuid() == 0 and shutil.which("apt-get") is not None
    if may_install:
        packages += [name for name, program in _WANTED.items() if not shutil.which(program)]
    if not packages:
        return
    if not may_install:
        # Debian's engine is for root and the group docker: asked for at once, so that an administrator is asked once.
        group = f" && usermod --append --groups docker {getpass.getuser()}" if "docker.io" in packages else ""
        raise EngineUnavailable(
            f"{' and '.join(packages)} cannot be installed by this user; "
            f"an administrator runs: apt-get install {' '.join(packages)}{group}"
        )
    print(f"tests: installing the Debian packages {' '.join(packages)}", file=sys.stderr, flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    argv = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    # A fresh machine has no package lists, an old one outdated ones: asked for when it does not work without.
    for command in (argv, ["apt-get", "update", "-qq"], argv):
        done = subprocess.run(
            command, check=False, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if done.returncode == 0 and command is argv:
            return
    raise EngineUnavailable(f"{' '.join(packages)} could not be installed: {done.stderr.strip()[-300:]}")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
