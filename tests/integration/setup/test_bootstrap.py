"""The real set-up on machines that lack something: what it says, what it installs, how it ends."""

from __future__ import annotations

import re
import shutil
import socketserver
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import AF_UNIX, SHUT_WR, socket

import docker
import pytest

from orchestrator.sandboxes.runner_files import image_tag
from tests.integration.setup.conftest import ROOT, Checkout

pytestmark = pytest.mark.timeout(180)

VENV_PACKAGE = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"


def the_sentence(said: str) -> str:
    """The one line that the set-up said."""
    (line,) = said.splitlines()
    assert line.startswith("setup: ")
    assert line.count("an administrator runs: ") == 1
    return line


@pytest.mark.parametrize("modules", [("ensurepip", "pip"), ("venv", "ensurepip")])
def test_a_user_with_neither_sandbox_nor_venv_is_told_one_command_for_both(
    checkout: Checkout, modules: tuple[str, ...]
) -> None:
    checkout.without(*modules)
    done = checkout.bootstrap("environment")
    assert done.returncode == 2
    assert the_sentence(done.stderr) == (
        "setup: python3 has no venv with pip (ensurepip); "
        f"an administrator runs: apt-get install {VENV_PACKAGE} bubblewrap"
    )


def test_a_user_with_bubblewrap_but_without_venv_is_asked_for_that_alone(checkout: Checkout) -> None:
    checkout.without("ensurepip", "pip")
    checkout.link("bwrap")
    done = checkout.bootstrap("environment")
    assert done.returncode == 2
    assert the_sentence(done.stderr).endswith(f"an administrator runs: apt-get install {VENV_PACKAGE}")


def test_a_user_who_wants_to_test_is_told_one_command_for_all_that_is_missing(checkout: Checkout) -> None:
    checkout.without("ensurepip", "pip")
    done = checkout.bootstrap("environment", "--for", "test")
    assert done.returncode == 2
    engine = [] if shutil.which("dockerd", path="/usr/sbin:/sbin") else ["docker.io", "iptables"]
    command, _, user = the_sentence(done.stderr).partition(" an administrator runs: ")[2].rpartition(" ")
    assert command == (
        f"apt-get install {' '.join([VENV_PACKAGE, 'bubblewrap', *engine])} && usermod --append --groups docker"
    )
    assert user


def test_a_user_with_neither_engine_nor_bubblewrap_is_told_the_command(checkout: Checkout) -> None:
    checkout.with_environment()
    done = checkout.bootstrap("sandbox")
    assert done.returncode == 2
    assert the_sentence(done.stderr) == (
        "setup: no sandbox works here (docker: the Docker engine of this machine does not answer "
        "([Errno 2] No such file or directory); bubblewrap (bwrap) is not installed); "
        "an administrator runs: apt-get install bubblewrap"
    )


def test_a_user_whose_kernel_refuses_namespaces_is_told_the_command(checkout: Checkout) -> None:
    checkout.with_environment()
    checkout.program("bwrap", "echo 'bwrap: No permissions to create new namespace' >&2; exit 1")
    done = checkout.bootstrap("sandbox")
    assert done.returncode == 2
    assert the_sentence(done.stderr).endswith(
        "bubblewrap cannot make namespaces here: bwrap: No permissions to create new namespace); "
        "an administrator runs: sysctl -w kernel.unprivileged_userns_clone=1"
    )


def test_a_user_with_bubblewrap_alone_gets_the_embedded_sandbox_and_is_told_first(checkout: Checkout) -> None:
    checkout.with_environment()
    checkout.link("bwrap")
    done = checkout.bootstrap("sandbox")
    assert (done.returncode, done.stderr) == (0, "setup: installing the runner's libraries for the embedded sandbox\n")
    assert list((checkout.tree / ".cache" / "runner-site").glob("*/cloudpickle"))
    again = checkout.bootstrap("sandbox")
    assert (again.returncode, again.stderr) == (0, "")


def test_a_base_image_without_an_engine_is_refused_and_not_ignored(checkout: Checkout) -> None:
    checkout.with_environment()
    checkout.link("bwrap")
    done = checkout.bootstrap("sandbox", "--base-image", "python:3.11-slim")
    assert done.returncode == 2
    assert re.fullmatch(
        r"setup: BASE_IMAGE=python:3\.11-slim can only be built upon by a Docker engine, and the Docker engine of this "
        r"machine does not answer \(\[Errno 2\] No such file or directory\); leave it out, or an administrator runs: "
        r"(apt-get install docker\.io|systemctl start docker)",
        the_sentence(done.stderr),
    )


@pytest.mark.root
def test_root_without_venv_says_what_it_installs_before_it_does(checkout: Checkout) -> None:
    checkout.without("ensurepip", "pip")
    folder = checkout.folder
    checkout.program("apt-get", f'{shutil.which("cp")} {folder}/said {folder}/before; echo "$*" >> {folder}/installed')
    lines = (ROOT / "locks" / "dev.txt").read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("setuptools=="))
    end = next(number for number in range(start, len(lines)) if not lines[number].endswith("\\"))
    (checkout.tree / "locks" / "dev.txt").write_text("\n".join(lines[start : end + 1]) + "\n")
    done = checkout.bootstrap("environment", user=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "before").read_text() == "setup: installing the Debian packages python3-venv\n"
    assert (folder / "installed").read_text() == "install -y -qq --no-install-recommends python3-venv\n"
    said = done.stderr.splitlines()
    assert said[1:3] == [
        "setup: making the virtual environment .venv",
        "setup: installing the locked dependencies of locks/dev.txt into .venv (a minute)",
    ]
    assert re.fullmatch(r"setup: environment ready \(\d+ s\)", said[3])
    again = checkout.bootstrap("environment", user=False)
    assert (again.returncode, again.stderr) == (0, "")


@pytest.mark.root
def test_root_without_a_sandbox_says_what_it_installs_before_it_does(checkout: Checkout) -> None:
    checkout.with_environment()
    folder = checkout.folder
    copy = f"{shutil.which('cp')} {folder}/said {folder}/before"
    checkout.program("apt-get", f"{copy}; {shutil.which('ln')} -s {shutil.which('bwrap')} {folder}/bin/bwrap")
    done = checkout.bootstrap("sandbox", user=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "before").read_text().splitlines() == [
        "setup: no Docker engine answers; the embedded sandbox needs bubblewrap",
        "setup: installing the Debian packages bubblewrap",
    ]
    assert done.stderr.splitlines()[2:] == ["setup: installing the runner's libraries for the embedded sandbox"]


@pytest.mark.root
def test_root_whose_package_manager_fails_is_told_what_it_said(checkout: Checkout) -> None:
    checkout.with_environment()
    checkout.program("apt-get", "echo 'E: Unable to locate package bubblewrap'; exit 100")
    done = checkout.bootstrap("sandbox", user=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "setup: `apt-get update -qq` failed: E: Unable to locate package bubblewrap"
    )


@contextmanager
def reachable_by_others(engine: str, path: Path) -> Iterator[str]:
    """A socket that every user may use and that leads to the engine."""

    def carry(source: socket, target: socket) -> None:
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(SHUT_WR)
        except OSError:
            return  # the other direction ended it

    class Visit(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket(AF_UNIX) as behind:
                behind.connect(engine.removeprefix("unix://"))
                back = threading.Thread(target=carry, args=(behind, self.request))
                back.start()
                carry(self.request, behind)
                back.join()

    with socketserver.ThreadingUnixStreamServer(str(path), Visit) as server:
        path.chmod(0o666)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        try:
            yield f"unix://{path}"
        finally:
            server.shutdown()


@pytest.mark.docker
def test_a_user_with_an_engine_alone_gets_the_image_and_is_told_first(checkout: Checkout, docker_engine: str) -> None:
    checkout.with_environment()
    checkout.link("apt-get", "dpkg", "dpkg-deb", "tar")
    # Another content, another tag: it has to be made.
    with (checkout.tree / "sandbox_runner" / "__init__.py").open("a") as source:
        source.write("\n# another\n")
    with reachable_by_others(docker_engine, checkout.folder / "engine.sock") as address:
        checkout.environment["DOCKER_HOST"] = address
        done = checkout.bootstrap("sandbox")
        assert done.returncode == 0, done.stderr
        again = checkout.bootstrap("sandbox")
    said = done.stderr.splitlines()
    tag = said[0].rpartition(" ")[2]
    assert tag.startswith("statek-runner:base-")
    assert tag != image_tag("base")
    client = docker.DockerClient(base_url=docker_engine)
    try:
        client.images.remove(tag)  # it was there
    finally:
        client.close()
    assert (again.returncode, again.stderr) == (0, "")


@pytest.mark.docker
def test_a_user_with_an_engine_that_lacks_a_program_for_the_image_is_told_which(
    checkout: Checkout, docker_engine: str
) -> None:
    checkout.with_environment()
    with (checkout.tree / "sandbox_runner" / "__init__.py").open("a") as source:
        source.write("\n# another one\n")
    with reachable_by_others(docker_engine, checkout.folder / "engine.sock") as address:
        checkout.environment["DOCKER_HOST"] = address
        done = checkout.bootstrap("sandbox")
    assert done.returncode == 2
    assert done.stderr.splitlines()[1:] == ["error: finding the architecture needs dpkg, which is not installed here"]
