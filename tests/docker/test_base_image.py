"""BASE_IMAGE: the runner upon an image of somebody else, here one made from Debian packages with their own pip."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from images.build import build_image
from orchestrator.sandboxes.docker import DockerDriver
from orchestrator.sandboxes.pool import Pool
from orchestrator.sandboxes.runner_files import flavour_folder, image_tag
from statek.exceptions import ConfigurationError
from tests.docker.conftest import LIMITS
from tests.support.steps import Console
from tests.support.steps import run as run_step

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

BASE = "statek-test-base:1"
PIP = ["python3-minimal", "python3-pip", "python3-setuptools", "python3-wheel", "python3-distutils"]
PIP += ["python3-pkg-resources", "python3-lib2to3", "dash", "libc-bin", "coreutils"]


_CODE = """
import os, pathlib, socket
def tried(attempt):
    try:
        attempt()
    except OSError as error:
        return type(error).__name__
    return 'done'
print(
    os.path.exists('/bin/sh'),
    os.getuid(),
    tried(lambda: os.posix_spawn('/bin/sh', ['sh'], {})),
    tried(socket.socket),
    tried(lambda: pathlib.Path('/opt/x').write_text('x')),
    tried(lambda: pathlib.Path('/work/x').write_text('x')),
)
"""


def run(*command: str, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def base(docker_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A base image as others have it: Python with pip, a shell and some programs."""
    folder = tmp_path_factory.mktemp("base")
    root, downloads = folder / "root", folder / "debs"
    downloads.mkdir()
    root.mkdir()
    listed = (flavour_folder("base") / "packages.txt").read_text().splitlines()
    names = [*(name for name in listed if name and not name.startswith("#")), *PIP]
    run("apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", *names, cwd=downloads)
    for deb in sorted(downloads.glob("*.deb")):
        run("dpkg-deb", "-x", str(deb), str(root), cwd=folder)
    with tarfile.open(folder / "base.tar", "w") as tar:
        tar.add(root, ".")
    client = docker.DockerClient(base_url=docker_engine)
    repository, _, version = BASE.partition(":")
    client.api.import_image_from_file(str(folder / "base.tar"), repository=repository, tag=version)
    yield BASE
    client.close()


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The locked wheels, fetched (or taken from pip's cache) outside of the build."""
    folder = tmp_path_factory.mktemp("wheels")
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "--dest", str(folder)]
    lock = str(flavour_folder("base") / "requirements.txt")
    run(sys.executable, "-m", "pip", "download", *options, "-r", lock, cwd=folder)
    return folder


async def test_a_runner_upon_another_image_runs_a_step_and_is_confined(
    docker_engine: str, base: str, wheels: Path, tmp_path: Path
) -> None:
    tag = await asyncio.to_thread(build_image, "base", base_image=base, wheels=wheels, engine=docker_engine)
    assert tag == image_tag("base", base_image=base)
    assert tag != image_tag("base")
    driver = DockerDriver(docker_engine, base_image=base)
    pool = Pool(
        driver, size=1, max_runners=2, socket_dir=tmp_path, store_id=f"test-{os.getpid()}-base", incarnation=1,
        runner_limits=LIMITS,
    )  # fmt: skip
    await pool.start()
    try:
        sandbox = await pool.claim(timeout=60)
        console = Console()
        await run_step(sandbox, _CODE, console=console)
        await pool.destroy(sandbox)
    finally:
        await pool.aclose()
        await driver.aclose()
    assert console.text == "True 65534 PermissionError PermissionError OSError done"


def test_a_base_image_without_python_is_one_clear_error(docker_engine: str, wheels: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "empty.tar", "w") as tar:
        tar.add(wheels, "nothing", recursive=False)
    client = docker.DockerClient(base_url=docker_engine)
    client.api.import_image_from_file(str(tmp_path / "empty.tar"), repository="statek-test-empty", tag="1")
    client.close()
    with pytest.raises(ConfigurationError, match=r"^building upon statek-test-empty:1 failed: .*python3"):
        build_image("base", base_image="statek-test-empty:1", wheels=wheels, engine=docker_engine)
