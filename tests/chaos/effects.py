"""Kills the orchestrator or a runner of a job whose effects nobody deduplicates."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.sandboxes.children import tree_of
from tests.chaos.effects_program import PER_STEP, STEPS
from tests.chaos.moments import choose_moment
from tests.chaos.processes import ROOT, run, wait_gone
from tests.chaos.receiver import Receiver

__all__ = ["EffectCampaign"]


@dataclass
class EffectCampaign:
    """Kills, and what they did to deliveries that must happen once.

    Attributes:
        seed: of the moments.
        driver: of the runners.
        jobs, kills, runner_kills: how many so far.
        jobs_of_orchestrators: of the jobs, those whose orchestrator was to be killed.
        in_doubt: calls that an operator had to decide, by whether they had arrived.
        deliveries: how many arrived.
    """

    seed: int
    driver: str = "bubblewrap"
    jobs: int = 0
    kills: int = 0
    runner_kills: int = 0
    deliveries: int = 0
    jobs_of_orchestrators: int = 0
    in_doubt: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})

    def kill_orchestrators(self, kills: int) -> None:
        """One kill per job, spread over its life."""
        chance = random.Random(self.seed)
        with tempfile.TemporaryDirectory(prefix="chaos") as name, Receiver() as receiver:
            whole = run(self._command(Path(name) / "d", receiver), Path(name))
            assert whole.code == 0, whole.stderr[-2000:]
            self._check(receiver, whole.last("ended"))
        while self.kills < kills:
            with tempfile.TemporaryDirectory(prefix="chaos") as name, Receiver() as receiver:
                command = self._command(Path(name) / "d", receiver)
                ended = run(command, Path(name), kill_at=choose_moment(chance, whole.seconds, whole.flushes, 0.7))
                said = list(ended.said)
                if ended.killed:
                    self.kills += 1
                    assert not wait_gone(ended.orphans, Path(name) / "d")
                    ended = run(command, Path(name))
                    said += ended.said
                for line in said:
                    if "in_doubt" in line:
                        self.in_doubt[line["arrived"]] += 1
                assert ended.code == 0, f"seed {self.seed}: {ended.stderr[-2000:]}"
                self._check(receiver, ended.last("ended"))
        self.jobs_of_orchestrators = self.jobs

    def _check(self, receiver: Receiver, ended: dict[str, object]) -> None:
        """Every number arrived exactly once and the job knows every receipt."""
        self.jobs += 1
        everything = range(STEPS * PER_STEP)
        assert dict(receiver.deliveries) == dict.fromkeys(everything, 1), f"seed {self.seed}, job {self.jobs}"
        self.deliveries += len(everything)
        assert (ended["status"], ended["failure"]) == ("DONE", None), f"seed {self.seed}: {ended}"
        assert ended["exit"] == "-".join(map(str, everything)), f"seed {self.seed}"

    def kill_runners(self, kills: int) -> None:
        """One runner per job is killed from outside; the orchestrator lives."""
        chance = random.Random(self.seed + 1)
        while self.runner_kills < kills:
            with tempfile.TemporaryDirectory(prefix="chaos") as name, Receiver() as receiver:
                wanted = chance.randrange(STEPS * PER_STEP)
                command = [sys.executable, "-m", *self._command(Path(name) / "d", receiver)]
                with (Path(name) / "out").open("wb") as out, (Path(name) / "err").open("wb") as err:
                    process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=err)
                    try:
                        while len(receiver.deliveries) < wanted and process.poll() is None:
                            time.sleep(0.0005)
                        self.runner_kills += _kill_runners(process.pid)
                        assert process.wait(60) == 0, (Path(name) / "err").read_text()[-2000:]
                    finally:
                        process.kill()
                        process.wait()
                lines = (Path(name) / "out").read_text().splitlines()
                assert lines, "the job said nothing"

                self._check(receiver, json.loads(lines[-1])["ended"])

    def _command(self, data_dir: Path, receiver: Receiver) -> list[str]:
        return ["tests.chaos.effects_program", str(data_dir), receiver.url, self.driver]


def _kill_runners(orchestrator: int) -> int:
    """SIGKILL every PID 1 of a runner below an orchestrator; how many."""
    killed = 0
    for pid in tree_of(orchestrator):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
            above = Path(f"/proc/{parent}/cmdline").read_bytes()
        except OSError:
            continue
        if b"sandbox_runner" in words and b"bwrap" in above.split(b"\0")[0]:
            os.kill(pid, signal.SIGKILL)
            killed += 1
    return killed
