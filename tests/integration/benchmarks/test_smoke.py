"""One benchmark from its start to its lines, with real runners and a real store."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.measurement import parse_line

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.timeout(120)
def test_the_calls_benchmark_prints_lines_that_parse(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--smoke", "--driver", "process", "--folder", str(tmp_path), "calls"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=dict(os.environ),
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    names = [parse_line(line)["name"] for line in lines]
    assert names == ["tool_call_p50", "tool_call_p99", "handle_call_p50", "external_call_p50"]
