"""What ``make test`` runs: pytest with a Docker engine at hand.

Takes the engine that answers (DOCKER_HOST or the default socket); where none does, installs docker.io
if it may, starts a private one and stops it at the end, whatever the end is. Without an engine it
fails with the reason: a set that left the Docker tests out is asked for as ``make test-local``.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from tests.support.private_engine import EngineUnavailable, PrivateEngine, usual_engine

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str]) -> int:
    """Run pytest with these arguments; its status, or 2 when no engine can be had."""
    signal.signal(signal.SIGTERM, _interrupt)
    engine = PrivateEngine(ROOT / ".cache" / "dockerd")
    try:
        address = usual_engine()
        if not address:
            _install_engine()
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
        print(f"tests: the Docker tests cannot run: {error} (make test-local runs the others)", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    finally:
        engine.stop()


def _install_engine() -> None:
    if shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or os.geteuid() != 0:
        return
    if shutil.which("apt-get") is None:
        return
    print("tests: installing the Debian package docker.io", file=sys.stderr, flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # Debian starts an engine on installation; ours is private, and a policy file of the machine is not ours to write.
    argv = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "docker.io", "iptables"]
    for command in (argv, ["apt-get", "update", "-qq"], argv):
        done = subprocess.run(
            command, check=False, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if done.returncode == 0 and command is argv:
            return
    raise EngineUnavailable(f"docker.io could not be installed: {done.stderr.strip()[-300:]}")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
