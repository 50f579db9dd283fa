"""One benchmark from its start to its lines, with real runners and a real store."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.measurement import parse_line
from benchmarks.rivals.environment import ENVIRONMENTS

ROOT = Path(__file__).resolve().parents[3]


CALLS = ["tool_call_p50", "tool_call_p99", "handle_call_p50", "external_call_p50"]
SUSPENDED = [
    "suspended_jobs_rss",
    "suspended_jobs_restart",
    "suspended_idle_cpu",
    "suspended_wake_p50",
    "suspended_wake_done_p50",
    "suspended_storm",
    "suspended_start_rate",
    "suspended_storm_displaced",
    "suspended_storm_between",
]

RESUME = [f"resume_100mb_{kind}{part}" for kind in ("bytes", "texts") for part in ("", "_reading", "_one")]

SIDES = ["statek", "pickle"]
SIDES += ["langgraph", "langgraph_delta"] if ENVIRONMENTS["langgraph"].is_ready() else []
SIDES += ["kishu"] if ENVIRONMENTS["kishu"].is_ready() else []
RIVALS = [
    f"rivals_{workload}_{what}_{side}"
    for workload, whats in (
        ("list", ["step", "commit", "stored", "view", "fork", "resume"]),
        ("many", ["step", "commit", "stored", "resume"]),
    )
    for what in whats
    for side in (["statek"] if what == "commit" else SIDES)
]


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder in which the path of a socket is short enough for the kernel."""
    with tempfile.TemporaryDirectory(prefix="b") as name:
        yield Path(name)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("benchmark", "expected"),
    [("calls", CALLS), ("large_resume", RESUME), ("suspended", SUSPENDED), ("rivals", RIVALS)],
)
def test_a_benchmark_prints_lines_that_parse(benchmark: str, expected: list[str], short_folder: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks",
            "--smoke",
            "--driver",
            "process",
            "--folder",
            str(short_folder),
            benchmark,
        ],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=dict(os.environ),
    )
    told = [line for line in done.stderr.splitlines() if not line.startswith("WARNING:orchestrator.store.thread:")]
    assert (done.returncode, told) == (0, [])  # that a busy machine held the store thread up is no failure
    lines = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    assert [parse_line(line)["name"] for line in lines] == expected
