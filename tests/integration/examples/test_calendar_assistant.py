"""The calendar assistant as a user starts and stops it; only the model is recorded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents.blocks import ROOT

COMMAND = [sys.executable, "-m", "examples.calendar_assistant", "--data-dir", "d"]
STOPS = {signal.SIGTERM: (143, "terminated"), signal.SIGINT: (130, "interrupted")}


def environment() -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("STATEK_")}
    environ = {name: value for name, value in environ.items() if not name.endswith("_API_KEY")}
    return environ | {"STATEK_DRIVER": "process", "STATEK_POOL_SIZE": "1", "PYTHONPATH": str(ROOT)}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("number", list(STOPS))
def test_a_stopped_job_is_closed_and_the_same_command_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    status, said = STOPS[number]
    with subprocess.Popen(
        COMMAND, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as stopped:
        assert stopped.stderr is not None
        try:
            for line in stopped.stderr:
                if line.startswith("· step 2 "):
                    break
            stopped.send_signal(number)
            out, err = stopped.communicate(timeout=60)
        finally:
            stopped.kill()
    assert (stopped.returncode, err.splitlines()[-1]) == (
        status,
        f"· {said}; everything is on the disk, and the same command goes on",
    )
    assert "DONE" not in out
    assert (tmp_path / "d" / "store" / "statek" / "default.clean").is_file()
    again = subprocess.run(COMMAND, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr
    assert "· going on with job j1, which an earlier run left at step " in again.stderr
    assert again.stdout.splitlines()[-1] == "job j1 DONE tier=process steps=10"
