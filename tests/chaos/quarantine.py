"""Steps that kill what runs them, again and again, beside a job that only works."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.processes import left_behind, run, runner_names, wait_gone
from tests.chaos.quarantine_program import ROLES, STEPS

__all__ = ["QuarantineCampaign"]

MESSAGE = "the service went down twice while this step was running; it is not run a third time"


@dataclass
class QuarantineCampaign:
    """Rounds of three jobs; see ``quarantine_program``.

    Attributes:
        seed: of the deadly steps.
        driver: of the runners.
        rounds: how many so far.
        kills: of the orchestrator, each by a step; two in a round.
        runner_deaths: steps that ended because their runner was killed at three runs.
        bystanders: other jobs that were quarantined because both crashes met one step of theirs.
    """

    seed: int
    driver: str = "bubblewrap"
    rounds: int = 0
    kills: int = 0
    runner_deaths: int = 0
    bystanders: int = 0

    def run(self, kills: int) -> None:
        """Go on until the orchestrator was killed so often; raises AssertionError at the first wrong thing."""
        chance = random.Random(self.seed + 2)
        while self.kills < kills:
            self._round(chance.randint(1, STEPS))

    def _round(self, deadly: int) -> None:
        with tempfile.TemporaryDirectory(prefix="chaos") as name:
            folder, data_dir = Path(name), Path(name) / "d"
            command = ["tests.chaos.quarantine_program", str(data_dir), self.driver, str(deadly)]
            in_flight: Counter[tuple[str, int]] = Counter()
            runners: set[str] = set()
            for _ in range(3):
                ended = run(command, folder)
                in_flight.update((role, step) for role, step in ended.last("found") or [])
                if ended.code == 0:
                    break
                assert ended.code == -9, f"seed {self.seed}: {ended.stderr[-2000:]}"
                self.kills += 1
                runners |= runner_names(data_dir)
                assert not wait_gone((), data_dir)
            self.rounds += 1
            where = f"seed {self.seed}, round {self.rounds}, step {deadly}: {ended.said} {ended.stderr[-1000:]}"
            assert (ended.code, in_flight["killer", deadly]) == (0, 2), where
            self._check(ended.last("ended"), ended.last("deaths"), deadly, in_flight, where)
            assert not left_behind(runners), where

    def _check(
        self, ended: dict[str, Any], deaths: list[int], deadly: int, in_flight: Counter[tuple[str, int]], where: str
    ) -> None:
        quarantined = ["DONE", {"kind": "quarantine", "message": MESSAGE}, ""]
        total = STEPS * (STEPS + 1) // 2
        assert ended.pop("killer") == quarantined, where
        for role, result in ended.items():
            if result == quarantined:
                # By design: nobody can tell which of two steps in flight brings the service down.
                assert max(count for (who, _), count in in_flight.items() if who == role) == 2, where
                self.bystanders += 1
            else:
                left_out = deadly if role == "loser" else 0
                assert result == ["DONE", None, str(total - left_out)], where
                if role == "loser":
                    assert deaths == [deadly], where
                    self.runner_deaths += 1
        assert {"killer", *ended} == set(ROLES), where
