"""The distribution as users install it: a wheel of this tree, in a virtual environment of its own."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.api.server import ApiServer
from orchestrator.app import open_service
from statek.agents.agent import SupervisedAgent
from statek.settings import StatekSettings
from statek.testing import ScriptedModel

ROOT = Path(__file__).resolve().parents[3]
ENVIRON = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}

_BUILD = "from setuptools import build_meta; print(build_meta.build_wheel({!r}))"
_TALK = """
import importlib.util, sys
from statek.client import StatekClient
with StatekClient(sys.argv[1]) as client:
    id_ = client.submit("helper", message="Go.", shared_vars={"n": 41})
    for item in client.follow(id_):
        print(item.kind, [text for _, text in item.console])
    print(client.job(id_).summary.exit_status)
heavy = ["dbzero", "litellm", "docker", "blake3", "cloudpickle", "xxhash", "RestrictedPython"]
print([name for name in heavy if importlib.util.find_spec(name)])
"""


def run(*command: object, cwd: Path) -> str:
    """The output of a program that must succeed."""
    done = subprocess.run([str(word) for word in command], cwd=cwd, env=ENVIRON, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def client_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment with ``statek-sandbox[client]``, versions as locked."""
    folder = tmp_path_factory.mktemp("client")
    tree = folder / "tree"
    for name in ("statek", "orchestrator", "sandbox_runner"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    wheel = run(sys.executable, "-W", "ignore", "-c", _BUILD.format(str(folder)), cwd=tree).splitlines()[-1]
    locked = [line.split()[0] for line in (ROOT / "locks" / "dev.txt").read_text().splitlines() if "==" in line]
    (folder / "versions.txt").write_text("\n".join(line for line in locked if not line.startswith("#")))
    run(sys.executable, "-m", "venv", "--without-pip", folder / "v", cwd=folder)
    python = folder / "v" / "bin" / "python"
    # The pip at hand fills the other environment: a Debian Python may have no ensurepip to put one there.
    run(
        sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check",
        "-c", "versions.txt", f"statek-sandbox[client] @ {(folder / wheel).as_uri()}", cwd=folder,
    )  # fmt: skip
    return python


@pytest.mark.timeout(180)
async def test_the_client_alone_talks_to_a_service(client_python: Path, tmp_path: Path) -> None:
    settings = StatekSettings.load({"data_dir": tmp_path / "d", "driver": "process", "pool_size": 1}, environ={})
    agent = SupervisedAgent(role="helper", _system_prompt="Work.", _metadata={"MODEL": "scripted/test"})
    model = ScriptedModel(["```python\nprint(n)\n```", "```python\nexit(n + 1)\n```"])
    async with open_service(settings, [agent], model=model) as service, ApiServer(service, settings):
        said = await asyncio.to_thread(run, client_python, "-c", _TALK, tmp_path / "d" / "api.sock", cwd=tmp_path)
        statek = client_python.parent / "statek"
        jobs = await asyncio.to_thread(run, statek, "--data-dir", tmp_path / "d", "jobs", cwd=tmp_path)
    assert said.splitlines() == ["user []", "reply ['41']", "reply []", "42", "[]"]
    assert "j1" in jobs


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "command", [["-m", "orchestrator.cli.main", "serve", "app:agent"], ["-c", "import statek; statek.init('x')"]]
)
def test_the_service_names_the_extra_that_is_missing(client_python: Path, tmp_path: Path, command: list[str]) -> None:
    done = subprocess.run([client_python, *command], cwd=tmp_path, env=ENVIRON, capture_output=True, text=True)
    assert done.returncode != 0
    error = done.stderr.splitlines()[-1]
    assert re.search(r": this needs the service, and only the client is installed \(\w+ is missing\): ", error)
    assert error.endswith(": pip install 'statek-sandbox[service]'")
