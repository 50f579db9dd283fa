"""Shared by all tests: what runs where, and the honest last words about the Docker tests."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from hypothesis import settings

from tests.support.private_engine import PrivateEngine, usual_engine

ROOT = Path(__file__).resolve().parents[1]
REQUIRE_DOCKER = "STATEK_TEST_REQUIRE_DOCKER"

_CLOSING = {
    "root": ("root", "root runs them"),
    "redis": ("redis-server", "an administrator runs: apt-get install redis-server"),
    "gvisor": ("runsc", "an administrator runs: apt-get install runsc"),
}
"""By the mark of tests that are left out where this machine or user cannot run them: what they need, and who helps."""

# What an example takes says more of the machine's load than of the code: tests bound the whole run, never one example.
settings.register_profile("project", deadline=None)
settings.load_profile("project")

_docker_outcomes = {"passed": 0, "failed": 0}
_docker_deselected = 0
_left_out = pytest.StashKey[dict[str, int]]()
_docker_tests: set[str] = set()  # by mark: a report's keywords also hold the names of its folders


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[str]:
    """Address of a Docker engine: the usual one, else a private one for this run.

    Fails, and does not skip, where none can be had: a run without Docker deselects these tests by name.
    """
    address = usual_engine()
    with contextlib.nullcontext(address) if address else _private_engine("dockerd") as found:
        yield found


@pytest.fixture(scope="session")
def gvisor_engine(docker_engine: str) -> Iterator[str]:
    """Address of a Docker engine with the runtime ``runsc``: that of the other tests, else a private one.

    Fails, and does not skip, where none can be had.
    """
    with contextlib.closing(docker.APIClient(docker_engine)) as client:
        known = client.info().get("Runtimes") or {}
    has_it = "runsc" in known
    with contextlib.nullcontext(docker_engine) if has_it else _private_engine("dockerd-gvisor") as found:
        yield found


@contextlib.contextmanager
def _private_engine(name: str) -> Iterator[str]:
    """Address of an engine of this run's own, below the cache; it is stopped at the end."""
    engine = PrivateEngine(ROOT / ".cache" / name)
    engine.start()
    try:
        yield engine.address
    finally:
        engine.stop()


@pytest.fixture(autouse=True)
def log_levels() -> Iterator[None]:
    """Put the levels of the project's loggers back: a command that a test runs in this process quiets them."""
    loggers = [logging.getLogger(name) for name in ("orchestrator", "statek")]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    lacking = {
        "root": os.geteuid() != 0,
        "redis": shutil.which("redis-server") is None,
        "gvisor": shutil.which("runsc") is None,
    }
    config.stash[_left_out] = {}
    for marker in (marker for marker, lacks in lacking.items() if lacks):
        without = [item for item in items if item.get_closest_marker(marker)]
        if without:
            config.stash[_left_out][marker] = len(without)
            config.hook.pytest_deselected(items=without)
            items[:] = [item for item in items if not item.get_closest_marker(marker)]


def pytest_collection_finish(session: pytest.Session) -> None:
    _docker_tests.update(item.nodeid for item in session.items if item.get_closest_marker("docker"))


@pytest.hookimpl(trylast=True)
def pytest_deselected(items: list[pytest.Item]) -> None:
    global _docker_deselected
    _docker_deselected += sum(1 for item in items if item.get_closest_marker("docker"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.nodeid in _docker_tests and (report.when == "call" or report.outcome == "failed"):
        _docker_outcomes["passed" if report.passed else "failed"] += 1


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    ran = sum(_docker_outcomes.values())
    if ran:
        address = os.environ.get("DOCKER_HOST") or "the default engine"
        text = f"docker tests: {_docker_outcomes['passed']} passed, {_docker_outcomes['failed']} failed, on {address}"
    else:
        text = "docker tests: NOT RUN"
        if _docker_deselected:
            text += f" ({_docker_deselected} deselected); make test runs them"
    terminalreporter.write_line(text)
    for marker, count in terminalreporter.config.stash.get(_left_out, {}).items():
        what, who = _CLOSING[marker]
        terminalreporter.write_line(f"tests that need {what}: NOT RUN ({count} deselected); {who}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    whole = not session.config.args or session.config.args == session.config.getini("testpaths")
    if os.environ.get(REQUIRE_DOCKER) == "1" and whole and exitstatus == 0 and not _docker_outcomes["passed"]:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
