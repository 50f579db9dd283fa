"""Runners whose orchestrator dies while they are being made."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from orchestrator.sandboxes.bubblewrap import BubblewrapDriver
from tests.chaos.processes import ROOT

_CONNECT_WAIT_SECONDS = 10.0  # what a runner waits for a host that listens but does not answer


def test_a_runner_that_nobody_listens_for_ends_itself_at_once() -> None:
    with tempfile.TemporaryDirectory(prefix="st-") as name:
        path = Path(name) / "host.sock"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))  # the file stays, as after a SIGKILL; nobody listens
        argv = [sys.executable, "-s", "-m", "sandbox_runner", "--socket", str(path), "--no-uid-switch"]
        argv += ["--work-dir", name, "--tmp-dir", name]
        began = time.monotonic()
        done = subprocess.run(
            argv,
            cwd=name,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            capture_output=True,
            timeout=30,
            check=False,
        )
    assert (done.returncode, done.stderr) == (5, b""), done
    assert time.monotonic() - began < _CONNECT_WAIT_SECONDS


_MAKE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from orchestrator.sandboxes.bubblewrap import BubblewrapDriver
from orchestrator.sandboxes.driver import RunnerSpec
driver = BubblewrapDriver(cache=Path(sys.argv[1]))
group = driver._make_group(RunnerSpec(sys.argv[2], Path(sys.argv[1]) / "s.sock", store_id="made"))
print(*sorted({str(folder) for folder in group.paths.values()}), sep="\\n", flush=True)
sys.stdin.read()
"""


def make_group(folder: Path) -> subprocess.Popen[str]:
    """A process that has made a group for a runner and goes no further."""
    argv = [sys.executable, "-c", _MAKE_AND_DIE, str(folder), f"1-{os.urandom(6).hex()}"]
    return subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.root
async def test_a_group_whose_maker_was_killed_is_removed(tmp_path: Path) -> None:
    maker = make_group(tmp_path)
    assert maker.stdout is not None
    assert maker.stdin is not None
    folders = [Path(maker.stdout.readline().strip())]
    driver = BubblewrapDriver(cache=tmp_path)
    try:
        assert await driver.list_runners("made") == []  # it is its maker's as long as that lives
        assert [folder.is_dir() for folder in folders] == [True]
    finally:
        maker.kill()
        maker.wait()
        maker.stdin.close()
        maker.stdout.close()
    assert await driver.list_runners("made") == []
    assert [folder.exists() for folder in folders] == [False]
    assert list((tmp_path / "runners" / "bubblewrap").iterdir()) == []
