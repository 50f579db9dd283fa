"""``make test`` and ``make test-local`` of an ordinary user, as make starts them once the environment is there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.setup.conftest import ROOT, Checkout
from tests.support.ordinary_user import as_ordinary_user, give

pytestmark = pytest.mark.timeout(300)

SELECTED = [
    "tests/unit/lockdown",
    "tests/integration/runner/test_lockdown.py",
    "tests/integration/store/test_kv_stores.py",
    "tests/docker/test_hostile_code.py::test_attack_ends_in_its_death_and_the_pool_goes_on",
]
"""What is about uids, capabilities, memory and programs to install: where an ordinary user is another case."""


@pytest.fixture
def whole(checkout: Checkout) -> Checkout:
    """A checkout with the tests."""
    for name in ("tests", "examples", "benchmarks"):
        shutil.copytree(ROOT / name, checkout.tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    checkout.with_environment()
    return checkout


def run_tests(checkout: Checkout, *arguments: str) -> subprocess.CompletedProcess[str]:
    give(checkout.folder)
    python = str(Path(sys.prefix).resolve() / "bin" / "python")
    argv = [python, "-m", "tests.support.run_tests", *arguments]
    environment = {**checkout.environment, "TMPDIR": str(checkout.folder / "home")}
    return as_ordinary_user(argv, cwd=checkout.tree, environment=environment, timeout=280)


def test_an_ordinary_user_passes_the_local_tests_and_is_told_what_was_left_out(whole: Checkout) -> None:
    # The programs of this machine but for the Redis server, which this user may not install.
    programs = whole.folder / "programs"
    programs.mkdir()
    for name in {path.name for folder in ("/bin", "/usr/bin", "/usr/local/bin") for path in Path(folder).iterdir()}:
        found = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin")
        if found and name != "redis-server":
            (programs / name).symlink_to(found)
    whole.environment["PATH"] = str(programs)
    done = run_tests(whole, "--local", "-q", "-p", "no:cacheprovider", "-m", "not docker and not chaos", *SELECTED)
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"^docker tests: NOT RUN \(\d+ deselected\); make test runs them$", done.stdout, re.MULTILINE)
    remedy = "an administrator runs: apt-get install redis-server"
    assert re.search(
        rf"^tests that need redis-server: NOT RUN \(\d+ deselected\); {remedy}$", done.stdout, re.MULTILINE
    )


def test_an_ordinary_user_without_an_engine_is_told_the_command_and_the_smaller_set(whole: Checkout) -> None:
    whole.link("bwrap")
    done = run_tests(whole)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("tests: ")
    assert line.endswith(" (make test-local runs the tests that need no Docker engine)")
    assert re.search(
        r"an administrator runs: (systemctl start docker|"
        r"apt-get install docker\.io iptables && usermod --append --groups docker \w+) \(make",
        line,
    )


def test_an_ordinary_user_without_bubblewrap_is_told_the_command(whole: Checkout) -> None:
    done = run_tests(whole, "--local")
    assert (done.returncode, done.stderr) == (
        2,
        "tests: bubblewrap cannot be installed by this user; an administrator runs: apt-get install bubblewrap\n",
    )
