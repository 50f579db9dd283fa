"""Runners whose orchestrator dies while they are being made."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
