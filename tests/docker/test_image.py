"""The image itself, looked into with a disposable container."""

from __future__ import annotations

import json
from collections.abc import Iterator

import docker
import pytest
from testcontainers.core.container import DockerContainer

from images.build import build_image
from orchestrator.sandboxes.runner_files import image_tag

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]

LOOK = """
import json, os, stat, sys
programs, setuid = [], []
for folder, _, names in os.walk('/'):
    if folder.startswith(('/proc', '/sys', '/dev')): continue
    for name in names:
        path = os.path.join(folder, name)
        mode = os.lstat(path).st_mode
        if not stat.S_ISREG(mode): continue
        if mode & 0o6000: setuid.append(path)
        if os.path.basename(folder) in ('bin', 'sbin') and mode & 0o111: programs.append(path)
import cloudpickle, google.protobuf, grpc, sandbox_runner.wire, xxhash, zoneinfo
zoneinfo.ZoneInfo('Europe/Warsaw')
modes = {p: oct(os.stat(p).st_mode & 0o7777) for p in ('/tmp', '/work')}
print(json.dumps([programs, setuid, modes, grpc.__cached__.endswith('.pyc') and os.path.exists(grpc.__cached__)]))
"""


LABEL = "statek.tests.disposable"
LABELS = {LABEL: "yes"}


def remove_disposable(engine: str) -> list[str]:
    """Remove every container that a test, of this run or of one that was killed, has left; gives their names."""
    client = docker.DockerClient(base_url=engine)
    try:
        found = client.containers.list(all=True, filters={"label": LABEL})
        for container in found:
            container.remove(force=True)
        return [str(container.name) for container in found]
    finally:
        client.close()


@pytest.fixture
def disposable(tag: str, docker_engine: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[DockerContainer]:
    """A container that nobody has started, without the reaper of testcontainers, whose image cannot be pulled."""
    monkeypatch.setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
    monkeypatch.setenv("DOCKER_HOST", docker_engine)
    remove_disposable(docker_engine)
    yield DockerContainer(tag)
    remove_disposable(docker_engine)


@pytest.fixture(scope="module")
def tag(docker_engine: str) -> str:
    return build_image("base", engine=docker_engine)


def test_image_is_python_and_the_runner_and_nothing_else(disposable: DockerContainer) -> None:
    container = disposable
    container.with_kwargs(
        entrypoint=["/usr/bin/python3.11", "-c", LOOK], network_mode="none", read_only=True, labels=LABELS
    )
    container.with_env("PYTHONPATH", "/opt/runner")
    with container as running:
        assert running.get_wrapped_container().wait()["StatusCode"] == 0
        output = running.get_logs()[0]
    assert json.loads(output) == [["/usr/bin/python3.11"], [], {"/tmp": "0o1777", "/work": "0o1777"}, True]


def test_same_content_has_the_same_tag_and_is_not_built_again(tag: str, docker_engine: str) -> None:
    assert (build_image("base", engine=docker_engine), tag) == (tag, image_tag("base"))


def test_a_container_that_a_killed_test_left_is_removed_by_its_label(
    disposable: DockerContainer, docker_engine: str
) -> None:
    sleep = ["/usr/bin/python3.11", "-c", "import time; time.sleep(600)"]
    disposable.with_kwargs(entrypoint=sleep, network_mode="none", labels=LABELS)
    disposable.start()
    name = disposable.get_wrapped_container().name
    assert remove_disposable(docker_engine) == [name]
    assert remove_disposable(docker_engine) == []
