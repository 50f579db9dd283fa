"""The matrix of kills: a short run of it, its points, its plans, and that its verdict can be bad."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.chaos.__main__ import main
from tests.chaos.life import LifePlan
from tests.chaos.lives import run_life
from tests.chaos.matrix import Matrix, Tally
from tests.chaos.plans import LifeFaults, RoundPlan, plan_round
from tests.chaos.points import POINTS
from tests.chaos.receiver import Receiver

KILLS = int(os.environ.get("STATEK_TEST_KILLS") or 12)
SEED = int(os.environ.get("STATEK_TEST_SEED") or random.SystemRandom().randrange(1 << 32))


@pytest.mark.timeout(300)
@pytest.mark.root
def test_nothing_is_lost_repeated_stuck_or_left_behind(capsys: pytest.CaptureFixture[str]) -> None:
    status = main([f"--kills={KILLS}", f"--seed={SEED}", "--no-engine", "--damage=1"])
    last = capsys.readouterr().out.splitlines()[-1]
    assert (status, last.partition(" ")[2]) == (0, f"seed={SEED} lost=0 repeated=0 stuck=0 orphans=0")


@pytest.mark.timeout(120)
def test_every_point_is_passed(tmp_path: Path) -> None:
    with Receiver() as receiver:
        life = run_life(LifePlan(tmp_path, receiver.url, 3, ()), seconds=100)
    assert life.code == 0
    elsewhere = {"time", "guard.finish", "guard.finished", "in.death", "in.death.taken"}
    assert sorted(set(POINTS) - set(life.last("visits")) - elsewhere) == []


def test_a_plan_depends_on_seed_and_number_only() -> None:
    plans = [plan_round(7, index, with_engine=True) for index in range(30)]
    assert plans == [plan_round(7, index, with_engine=True) for index in range(30)]
    assert plans != [plan_round(8, index, with_engine=True) for index in range(30)]
    assert {plan.kind for plan in plans} == {"plain", "disk", "docker"}


def test_all_points_come_before_any_comes_again() -> None:
    plans = [plan_round(7, index, with_engine=False) for index in range(60)]
    fatal = [
        fault.point for plan in plans for life in plan.lives for fault in life.faults if fault.action == "orchestrator"
    ]
    names = [name for name, (_, actions) in POINTS.items() if "orchestrator" in actions]
    assert sorted(fatal[: len(names)]) == sorted(names)


class _OneEffectTooMany(Receiver):
    """Counts a delivery twice, as a service that repeats it would make it."""

    def _take(self, name: str, key: str) -> None:
        super()._take(name, key)
        if name == "j1.4":
            super()._take(name, key)


@pytest.mark.timeout(120)
def test_a_repeated_effect_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = RoundPlan("plain", (LifeFaults((), spares_found=True),), 1)
    monkeypatch.setattr("tests.chaos.matrix.plan_round", lambda *_args, **_keys: nothing)
    monkeypatch.setattr("tests.chaos.matrix.Receiver", _OneEffectTooMany)
    tally = Matrix(7).one_round(0)
    assert (tally.lost, tally.repeated, tally.stuck, tally.orphans) == (0, 1, 0, 0)
    assert tally.words == ["seed 7 round 0, repeated: deliver of j1.4 took effect 2 times"]
    assert not tally.clean


def test_the_last_line_names_every_count() -> None:
    tally = Tally(lost=1, repeated=2, stuck=3, orphans=4)
    tally.kills.update(orchestrator=5, pid1=6)
    assert tally.line(9) == "kills=11 seed=9 lost=1 repeated=2 stuck=3 orphans=4"
