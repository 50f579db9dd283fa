"""What jobs remember, under SIGKILL before each flush of the store: nothing lost, nothing done twice.

Proves ``init_shared_context``, ``shared_context_set_var`` and the job's own memory (``memory_set``) together.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
AT_ONCE = 2
EXPECTED = {
    "exit": "[2,4]",
    "failure": None,
    "jobs": ["j1", 1],
    "binding": ["s:alice", "s:team"],
    "memory": {"bumps": 4},
    "n": 2,
    "changes": 2,
}


def run(folder: Path, fatal: int) -> tuple[int, dict[str, Any]]:
    """One life of the service: how it ended, and what it found at the end of the job."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.system_tools.memory_program", str(folder), str(fatal)],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode, json.loads(done.stdout) if done.returncode == 0 else {}


def killed_and_resumed(folder: Path, fatal: int) -> tuple[bool, dict[str, Any]]:
    """Whether the process was killed, and what the next one found."""
    ended, found = run(folder, fatal)
    if ended:
        found = run(folder, 0)[1]
    found.pop("flushes")
    return ended != 0, found


@pytest.mark.timeout(400)
def test_a_kill_before_each_flush_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    _, whole = run(tmp_path / "0", 0)
    flushes = whole.pop("flushes")
    assert (whole, flushes > 9) == (EXPECTED, True)
    places = range(1, flushes + 1)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(lambda fatal: killed_and_resumed(tmp_path / str(fatal), fatal), places))
    wrong = {fatal: found for fatal, (_, found) in zip(places, results, strict=True) if found != EXPECTED}
    assert wrong == {}
    # The last flushes come and go with what is written together.
    assert sum(killed for killed, _ in results) >= flushes - 3
