"""The approval example as a user starts it: asked, killed while it asks, asked again, decided."""

from __future__ import annotations

import os
import pty
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from examples.approval.tools import read_payments
from tests.documents.blocks import ROOT

pytestmark = pytest.mark.timeout(180)
COMMAND = [sys.executable, "-m", "examples.approval", "--data-dir", "d"]
QUESTION = "job j1 waits for: approval of 1840.00 EUR for Piotr"
SETTLED = [
    "  Ada: train to Gdynia, 42.00 EUR (paid)",
    "  Piotr: conference in Lisbon, 1840.00 EUR (%s)",
    "  Jun: lunch with a customer, 61.50 EUR (paid)",
    "  Grace: new laptop, 2399.00 EUR (%s)",
]


def environment(driver: str) -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("STATEK_")}
    environ = {name: value for name, value in environ.items() if not name.endswith("_API_KEY")}
    return environ | {"STATEK_DRIVER": driver, "PYTHONPATH": str(ROOT)}


def run(driver: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(driver),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def paid(folder: Path) -> list[tuple[str, int]]:
    return [(payment["to"], payment["cents"]) for payment in read_payments(folder / "d" / "payments.jsonl")]


@pytest.mark.parametrize("driver", ["bubblewrap", "process"])
def test_an_open_question_is_left_and_answered_by_a_later_run(driver: str, tmp_path: Path) -> None:
    first = run(driver, tmp_path)
    assert first.returncode == 3, first.stderr
    assert QUESTION in first.stdout.splitlines()
    assert paid(tmp_path) == [("Ada", 4200)]
    look = [sys.executable, "-m", "orchestrator.cli.main", "--data-dir", "d", "futures"]
    [resolve] = [line for line in first.stdout.splitlines() if line.startswith("  decide with  ")]
    typed = shlex.split(resolve.removeprefix("  decide with  ").partition("  (or ")[0])
    assert typed[:-2] == ["statek", "--data-dir", "d", "futures", "resolve"]
    listed = subprocess.run(
        [*look, "list"], cwd=tmp_path, env=environment(driver), capture_output=True, text=True, timeout=60
    )
    assert typed[-2] in listed.stdout
    answer = [*look, "resolve", typed[-2], '"refuse"']
    resolved = subprocess.run(answer, cwd=tmp_path, env=environment(driver), capture_output=True, text=True, timeout=60)
    assert resolved.returncode == 0, resolved.stderr
    second = run(driver, tmp_path, "--decide", "refuse")
    assert second.returncode == 0, second.stderr
    assert "job j1 DONE: 2 claims paid, 2 refused." in second.stdout
    assert second.stdout.splitlines()[-5:-1] == [line % "refused" if "%" in line else line for line in SETTLED]
    assert paid(tmp_path) == [("Ada", 4200), ("Jun", 6150)]


@pytest.mark.parametrize("driver", ["bubblewrap", "process"])
def test_a_program_that_is_killed_while_it_asks(driver: str, tmp_path: Path) -> None:
    master, slave = pty.openpty()
    try:
        with subprocess.Popen(
            COMMAND,
            cwd=tmp_path,
            env=environment(driver),
            stdin=slave,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as asking:
            assert asking.stdout is not None
            assert QUESTION in (line.rstrip("\n") for line in asking.stdout)
            asking.send_signal(signal.SIGKILL)
    finally:
        os.close(master)
        os.close(slave)
    assert asking.returncode == -signal.SIGKILL
    done = run(driver, tmp_path, "--decide", "approve")
    assert done.returncode == 0, done.stderr
    assert "going on with job j1, which an earlier run left" in done.stderr
    assert done.stdout.splitlines()[-5:-1] == [line % "paid" if "%" in line else line for line in SETTLED]
    assert paid(tmp_path) == [("Ada", 4200), ("Piotr", 184000), ("Jun", 6150), ("Grace", 239900)]
