"""Environments of the rivals: one each, with locked versions and hashes, never the project's own."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ENVIRONMENTS", "Environment", "RivalMissing"]

_ROOT = Path(__file__).resolve().parents[2]
_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
_SECONDS = 900.0
_WHY = re.compile(r"^(?:ERROR: |\w*Error: )(.+)", re.MULTILINE)


class RivalMissing(Exception):
    """A rival cannot be had here; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Where one rival's packages go.

    Attributes:
        name: of the rival, of its lock and of its folder.
        lock: requirements with hashes.
        folder: the virtual environment.
    """

    name: str
    lock: Path
    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def packages(self) -> list[str]:
        """What the lock holds, as ``name==version``."""
        return re.findall(r"^([A-Za-z0-9._-]+==[^\s;\\]+)", self.lock.read_text(encoding="utf-8"), re.MULTILINE)

    def is_ready(self) -> bool:
        """Whether all of the lock as it is now is installed."""
        return self._stamp().exists()

    def install(self) -> None:
        """Make it, unless it is ready; what is installed is said before.

        Raises:
            RivalMissing: it cannot be made, such as where no package index is reached.
        """
        if self.is_ready():
            return
        asked = [each for each in self.packages if each.startswith(self.name)]
        print(
            f"benchmarks: installing {' '.join(asked)} and what it needs, {len(self.packages)} packages of "
            f"{self.lock.name}, into {self.folder} (a minute)",
            file=sys.stderr,
            flush=True,
        )
        self._run(sys.executable, "-m", "venv", "--clear", "--without-pip", str(self.folder))
        pip = [*_PIP, "--python", str(self.python), "install", "--quiet", "--require-hashes", "--no-deps"]
        self._run(*pip, "-r", str(self.lock))
        self._stamp().touch()

    def _stamp(self) -> Path:
        content = self.lock.read_bytes() + sys.version.encode()
        return self.folder / f".ready-{hashlib.sha256(content).hexdigest()[:16]}"

    def _run(self, *argv: str) -> None:
        try:
            done = subprocess.run(
                argv, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RivalMissing(f"{self.name} cannot be installed: {error}") from error
        if done.returncode != 0:
            said = done.stderr.strip() or done.stdout.strip() or f"{argv[1:3]} ended with {done.returncode}"
            reasons = _WHY.findall(said) or [said.splitlines()[-1]]
            raise RivalMissing(f"{self.name} cannot be installed: {reasons[0].strip()}")


ENVIRONMENTS = {
    name: Environment(name, _ROOT / "locks" / f"rivals-{name}.txt", _ROOT / ".cache" / "rivals" / name)
    for name in ("kishu", "langgraph")
}
"""By name."""
