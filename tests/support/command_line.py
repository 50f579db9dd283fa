"""The ``statek`` command as a user types it, in a folder of its own: processes, not calls."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["CommandLine", "command", "environment"]


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """This process's environment without its own settings, for a store below a folder and the driver `process`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STATEK_")}
    own = {"STATEK_DATA_DIR": str(folder / "d"), "STATEK_DRIVER": "process", "STATEK_POOL_SIZE": "1"}
    return {**kept, **own, **variables}


def command(*arguments: str) -> list[str]:
    """The argument vector of one command."""
    return [sys.executable, "-m", "orchestrator.cli.main", *arguments]


class CommandLine:
    """A folder with an application, its services and its commands.

    Args:
        folder: where everything is; exists.
        application: source of the application.
        name: its file.
        variables: added to the environment of every process.
    """

    def __init__(self, folder: Path, application: str, name: str = "demo.py", **variables: str) -> None:
        self.folder = folder
        self.environment = environment(folder, **variables)
        self._name = name
        self._services: list[subprocess.Popen[str]] = []
        (folder / name).write_text(application, encoding="utf-8")

    def run(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run one command to its end; ``timeout`` is in seconds."""
        return subprocess.run(
            command(*arguments), cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=timeout
        )

    def ask(self, *arguments: str) -> tuple[int, str, str]:
        """Status, output and errors of one command."""
        done = self.run(*arguments)
        return done.returncode, done.stdout, done.stderr

    def serve(self) -> subprocess.Popen[str]:
        """Start a service; it answers when this returns."""
        socket = self.folder / "d" / "api.sock"
        socket.unlink(missing_ok=True)
        process = subprocess.Popen(
            command("serve", self._name), cwd=self.folder, env=self.environment, stderr=subprocess.PIPE, text=True
        )
        self._services.append(process)
        assert process.stderr is not None
        while not socket.exists():
            assert process.poll() is None, process.stderr.read()
        return process

    @property
    def is_serving(self) -> bool:
        """Whether the service that was started last still runs."""
        return self._services[-1].poll() is None

    def close(self) -> None:
        """End every service that still runs."""
        for process in self._services:
            process.kill()
            process.communicate()
