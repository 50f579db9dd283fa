"""A checkout of an ordinary user's own, in which the real set-up is run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.ordinary_user import as_ordinary_user, give

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("images", "locks", "orchestrator", "sandbox_runner", "setup", "statek")

_WITHOUT = """
import pathlib, sys
from importlib.machinery import PathFinder

class Hiding:
    find_distributions = staticmethod(PathFinder.find_distributions)
    invalidate_caches = staticmethod(PathFinder.invalidate_caches)

    def find_spec(self, name, path=None, target=None):
        if name in {names!r} and not pathlib.Path({installed!r}).exists():
            return None
        return PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Hiding()
"""


@dataclass
class Checkout:
    """The part of the project that the set-up needs, and the machine that it finds.

    Attributes:
        folder: everything of this test; ``tree`` in it is the checkout.
        environment: what the set-up is run with.
    """

    folder: Path
    environment: dict[str, str]

    @property
    def tree(self) -> Path:
        """The checkout."""
        return self.folder / "tree"

    def program(self, name: str, script: str) -> Path:
        """Put a program into the only folder of PATH."""
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def link(self, *names: str) -> None:
        """Put programs of this machine there."""
        for name in names:
            found = shutil.which(name)
            assert found is not None, f"{name} is missing here"
            (self.folder / "bin" / name).symlink_to(found)

    def without(self, *modules: str) -> None:
        """Take modules from the interpreter, until the file ``installed`` exists."""
        site = self.folder / "site"
        site.mkdir()
        installed = str(self.folder / "installed")
        (site / "sitecustomize.py").write_text(_WITHOUT.format(names=modules, installed=installed))
        self.environment["PYTHONPATH"] = str(site)

    def with_environment(self) -> None:
        """Take the environment that these tests run in for the one that the set-up would have made."""
        (self.tree / ".venv").symlink_to(Path(sys.prefix).resolve())

    def bootstrap(self, *arguments: str, user: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the set-up as make does, as an ordinary user or as who runs the tests."""
        python = str(Path(sys.base_prefix) / "bin" / "python3")
        argv = [python, str(self.tree / "setup" / "bootstrap.py"), *arguments]
        if user:
            give(self.folder)
            return as_ordinary_user(argv, cwd=self.tree, environment=self.environment, timeout=170)
        with (self.folder / "said").open("w") as said:
            done = subprocess.run(
                argv, cwd=self.tree, env=self.environment, stdin=subprocess.DEVNULL, stderr=said, timeout=170
            )
        text = (self.folder / "said").read_text()
        return subprocess.CompletedProcess(argv, done.returncode, "", text)


@pytest.fixture
def checkout() -> Iterator[Checkout]:
    # Not pytest's folder, which only its user may enter.
    with tempfile.TemporaryDirectory(prefix="st-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "bin").mkdir()
        (folder / "home").mkdir()
        tree = folder / "tree"
        for package in PACKAGES:
            shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
        for file in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / file, tree / file)
        given = {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "SSL_", "REQUESTS_"))}
        environment = {
            **given,
            "PATH": str(folder / "bin"),
            "HOME": str(folder / "home"),
            "DOCKER_HOST": f"unix://{folder}/no-engine.sock",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        yield Checkout(folder, environment)
