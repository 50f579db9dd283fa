"""A Docker engine of the tests' own: socket, data, exec root and pid file in one folder of the cache.

Used where no engine answers. It has no bridge and touches no packet filter, because runners have no
network; whoever starts it stops it, by its pid.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

__all__ = ["EngineUnavailable", "PrivateEngine", "answers", "engine_configuration", "usual_engine"]

_START_SECONDS = 40.0
_STOP_SECONDS = 20.0
_SOCKET_BYTES = 107


class EngineUnavailable(Exception):
    """No engine can be had here; the message says why, in one sentence."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(self._path)


def answers(address: str) -> bool:
    """Whether an engine answers at ``unix:///path`` (other schemes are taken at their word)."""
    if not address.startswith("unix://"):
        return True
    connection = _UnixConnection(address.removeprefix("unix://"))
    try:
        connection.request("GET", "/_ping")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def usual_engine() -> str:
    """The engine that the Docker client would use here; empty when it does not answer."""
    address = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    return address if answers(address) else ""


class PrivateEngine:
    """One dockerd below a folder.

    Args:
        folder: absolute; the engine keeps everything below it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"unix://{folder / 'docker.sock'}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the engine and wait until it answers; takes one over that already runs here.

        Raises:
            EngineUnavailable: dockerd is missing, may not run, or did not come up; the message holds its last words.
        """
        if answers(self.address):
            return
        program = shutil.which("dockerd") or shutil.which("dockerd", path="/usr/sbin:/sbin")
        if program is None:
            raise EngineUnavailable("dockerd is not installed; an administrator runs: apt-get install docker.io")
        if os.geteuid() != 0:
            raise EngineUnavailable(
                "no Docker engine answers, and only root can start one; start Docker or set DOCKER_HOST"
            )
        longest = self.folder / "exec" / "containerd" / "containerd-debug.sock"
        if len(str(longest).encode()) > _SOCKET_BYTES:
            raise EngineUnavailable(
                f"the path {longest} is too long for a Unix socket; check the project out elsewhere"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "docker.pid").unlink(missing_ok=True)
        log = self.folder / "dockerd.log"
        configuration = self.folder / "daemon.json"
        configuration.write_text(json.dumps(engine_configuration(shutil.which("runsc"))), encoding="utf-8")
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    program,
                    *("--host", self.address, "--data-root", str(self.folder / "data")),
                    *("--exec-root", str(self.folder / "exec"), "--pidfile", str(self.folder / "docker.pid")),
                    *("--config-file", str(configuration)),
                    *(
                        "--bridge=none",
                        "--iptables=false",
                        "--ip6tables=false",
                        "--ip-masq=false",
                        "--log-level",
                        "warn",
                    ),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # an interrupt of the terminal ends the tests, which then end it
            )
        deadline = time.monotonic() + _START_SECONDS
        while not answers(self.address):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                words = " | ".join(log.read_text(errors="replace").strip().splitlines()[-3:])
                raise EngineUnavailable(f"dockerd did not come up: {words}")
            time.sleep(0.05)

    @property
    def started_here(self) -> bool:
        """Whether this object started the engine (and so has to stop it)."""
        return self._process is not None

    @property
    def died(self) -> bool:
        """Whether an engine that was started here has ended without having been stopped."""
        return self._process is not None and self._process.poll() is not None

    @property
    def pid(self) -> int:
        """The pid of the dockerd that was started here.

        Raises:
            EngineUnavailable: none was started here.
        """
        if self._process is None:
            raise EngineUnavailable("this engine was not started here")
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL dockerd, as a crash would; its containers stay until ``stop`` or a new start."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def revive(self) -> None:
        """Start the engine again after it was killed; what it left of its containerd is ended first.

        A containerd dies with its dockerd. Where nobody collects the dead process, its pid file would have the next
        dockerd wait for it.

        Raises:
            EngineUnavailable: it does not come up again.
        """
        if self._process is not None:
            self._process.wait()
        containerd = self._containerd_pid()
        if containerd:
            _end(containerd)
        (self.folder / "exec" / "containerd" / "containerd.pid").unlink(missing_ok=True)
        self.start()

    def stop(self) -> None:
        """Stop what was started here: dockerd, and its containerd where that outlived it. Idempotent."""
        process, self._process = self._process, None
        if process is None:
            return
        containerd = self._containerd_pid()
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if containerd:
            _end(containerd)
        self._end_shims()

    def _end_shims(self) -> None:
        """End what an engine that was killed in the middle of a start does not know of any more, and its mounts."""
        wanted = os.fsencode(self.folder)
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes() if folder.name.isdigit() else b""
                if b"containerd-shim" in words and wanted in words:
                    os.kill(int(folder.name), signal.SIGKILL)
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            if line.split()[1].startswith(f"{self.folder}/"):
                subprocess.run(["umount", "--lazy", line.split()[1]], check=False, capture_output=True)

    def _containerd_pid(self) -> int:
        try:
            return int((self.folder / "exec" / "containerd" / "containerd.pid").read_text())
        except (OSError, ValueError):
            return 0


def engine_configuration(runsc: str | None) -> dict[str, Any]:
    """What an engine reads at its start: gVisor as a runtime where its program is installed (docs/tiers.md)."""
    if runsc is None:
        return {}
    options = ["--platform=ptrace", "--network=none", "--fsgofer-host-uds", "--oci-seccomp"]
    return {"runtimes": {"runsc": {"path": runsc, "runtimeArgs": options}}}


def _end(pid: int) -> None:
    """End a containerd that dockerd left behind."""
    try:
        if b"containerd" not in Path(f"/proc/{pid}/cmdline").read_bytes():
            return
    except OSError:
        return
    deadline = time.monotonic() + _STOP_SECONDS
    number = signal.SIGTERM
    while Path(f"/proc/{pid}").exists():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        if time.monotonic() > deadline:
            number = signal.SIGKILL
        time.sleep(0.05)
