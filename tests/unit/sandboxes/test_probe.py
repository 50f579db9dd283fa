"""Which driver is taken, and what is said where none can be."""

from __future__ import annotations

import re
import shutil
import socket
from pathlib import Path

import pytest

from orchestrator.sandboxes import docker as docker_module
from orchestrator.sandboxes.docker import engine_remedy
from orchestrator.sandboxes.driver import Tier, tier_of_runtime
from orchestrator.sandboxes.probe import make_driver, require_tier, select_driver
from statek.exceptions import ConfigurationError


@pytest.mark.parametrize("name", ["bubblewrap", "process"])
async def test_a_base_image_is_refused_where_there_are_no_images(name: str) -> None:
    wanted = f"base_image 'python:3': the sandbox driver '{name}' has no such thing, only docker has"
    with pytest.raises(ConfigurationError, match=f"^{re.escape(wanted)}$"):
        await select_driver(name, base_image="python:3")


async def test_a_base_image_is_never_left_out_because_no_engine_answers(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        await select_driver("auto", engine=f"unix://{tmp_path}/none.sock", base_image="python:3")
    assert str(refused.value).startswith("base_image 'python:3': no Docker engine works here (docker: ")
    assert str(refused.value).count("an administrator runs: ") == 1


def test_the_remedy_names_what_this_user_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    address = f"unix://{tmp_path}/e.sock"
    monkeypatch.setattr(shutil, "which", lambda name, path="": None)
    assert engine_remedy(address) == "apt-get install docker.io"
    monkeypatch.setattr(shutil, "which", lambda name, path="": "/usr/sbin/dockerd")
    assert engine_remedy(address) == "systemctl start docker"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{tmp_path}/e.sock")
        assert engine_remedy(address) == "systemctl start docker"
        monkeypatch.setattr(docker_module.os, "access", lambda path, mode: False)  # as for another user than root
        monkeypatch.setattr(docker_module, "_user", lambda: "anna")
        assert engine_remedy(address) == "usermod --append --groups docker anna"


@pytest.mark.parametrize(
    ("runtime", "tier"),
    [
        ("", Tier.CONTAINER),
        ("runc", Tier.CONTAINER),
        ("runsc", Tier.GVISOR),
        ("runsc-kvm", Tier.GVISOR),
        ("kata", Tier.MICROVM),
        ("not-runsc", Tier.CONTAINER),
    ],
)
def test_a_runtime_has_the_tier_of_its_name(runtime: str, tier: Tier) -> None:
    assert (tier_of_runtime(runtime), make_driver("docker", runtime=runtime).tier) == (tier, tier)


async def test_a_weaker_tier_than_required_is_refused() -> None:
    driver = make_driver("process")
    with pytest.raises(ConfigurationError, match=r"^required_tier is namespace, driver process gives process here; "):
        require_tier(driver, "namespace")
    require_tier(driver, "process")
    require_tier(driver, None)
    await driver.aclose()
