"""SIGKILL at random moments of a tight commit loop: nothing acknowledged is lost.

STATEK_TEST_STORE_KILLS sets how many.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.digests import content_digest

KILLS = int(os.environ.get("STATEK_TEST_STORE_KILLS", "60"))
WORKER = Path(__file__).resolve().parents[1] / "integration" / "store" / "worker.py"
PROJECT = Path(__file__).resolve().parents[2]

CHECK = """
import runpy, sys
from pathlib import Path
worker = runpy.run_path(sys.argv[2])
store = worker["Store"].open(Path(sys.argv[1]))
top = worker["root_of"](store)
number = store.read_sync(lambda: top.number)
assert store.read_sync(lambda: len(top.items)) == number
wanted = sys.argv[3]
print(number, store.incarnation, len(store.blocks.has_many_sync([wanted] if wanted else [])))
del top
store.close()
"""


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("track", "log_bytes"), [("1", ""), ("0", ""), ("1", "300000")])
def test_kills_lose_nothing_acknowledged(tmp_path: Path, track: str, log_bytes: str) -> None:
    """Also with log files that are switched, filled and emptied every few records."""
    chance = random.Random()
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    last = incarnation = 0
    block = ""
    for _ in range(max(KILLS // 2, 1)):
        process = subprocess.Popen(
            [sys.executable, str(WORKER), str(tmp_path), track, *filter(None, [log_bytes])],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        assert process.stdout is not None
        steps = chance.randrange(0, 80)
        for line in process.stdout:
            if line != b"open\n":
                last = int(line)
                block = content_digest(b"%d" % last) if last % 10 == 0 else block
            steps -= 1
            if steps < 0:
                break
        # A random moment within the next commit or two: spin, a sleep would be too coarse.
        for _ in range(chance.randrange(0, 30_000)):
            pass
        process.send_signal(signal.SIGKILL)
        for line in process.stdout:
            if line.endswith(b"\n") and line != b"open\n":
                last = int(line)
        process.stdout.close()
        process.wait()
        incarnation += 1
        if chance.random() < 0.3 or last == 0:
            done = subprocess.run(
                [sys.executable, "-c", CHECK, str(tmp_path), str(WORKER), block],
                capture_output=True, text=True, timeout=60, env=environment, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            number, seen, blocks = map(int, done.stdout.split())
            incarnation += 1
            assert number >= last
            assert seen == incarnation
            assert blocks == bool(block)
