"""What goes wrong in a round: a function of the seed and the round's number alone, to be made again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from tests.chaos.observer import Fault
from tests.chaos.points import FAILURES, POINTS

__all__ = ["Kind", "LifeFaults", "RoundPlan", "plan_round"]

Kind = Literal["plain", "disk", "docker"]

_LIVES = 4
"""Orchestrators that are killed in a round; one more ends the work."""

_RUNNER_KILLS = 4
"""Kills of runners in each life, as far as they come before that of the orchestrator."""

_DOCKER_EVERY, _DISK_EVERY = 14, 7
_CROWD = 0.15
"""Share of the lives in which a step may be hit by a second crash."""

_FAILURES = 0.35
"""Share of the lives in which something fails without a death."""

_WITH_ENGINE = ("in.call", "out.run", "in.finished", "tool.enter")
_NO_EXECUTOR = ("in.hello", "out.welcome", "out.claim", "in.death", "in.ready")


@dataclass(frozen=True, slots=True)
class LifeFaults:
    """What goes wrong in one process.

    Attributes:
        faults: each waits for its own moment.
        spares_found: whether the orchestrator is killed only after the steps that it found in flight have ended.
    """

    faults: tuple[Fault, ...]
    spares_found: bool


@dataclass(frozen=True, slots=True)
class RoundPlan:
    """One round.

    Attributes:
        kind: ``disk``: on a small disk that gets full; ``docker``: runners in containers, whose engine is killed.
        lives: what goes wrong in each process.
        jobs: how many are new in each life.
    """

    kind: Kind
    lives: tuple[LifeFaults, ...]
    jobs: int


def _combinations(runner: bool) -> list[tuple[str, str]]:
    """Every point with every process that may be killed there."""
    return [
        (name, action)
        for name, (_, actions) in POINTS.items()
        for action in actions
        if (action != "orchestrator") is runner and not (action == "executor" and name.startswith(_NO_EXECUTOR))
    ]


def _shuffled(seed: int, cycle: int, *, runner: bool) -> list[tuple[str, str]]:
    found = _combinations(runner)
    random.Random(f"{seed}/{cycle}/{runner}").shuffle(found)
    return found


def _taken(seed: int, start: int, count: int, *, runner: bool) -> list[tuple[str, str]]:
    """Combinations in an order in which all of them come before any comes again."""
    size = len(_combinations(runner))
    numbers = range(start, start + count)
    cycles = {number // size for number in numbers}
    order = {cycle: _shuffled(seed, cycle, runner=runner) for cycle in cycles}
    return [order[number // size][number % size] for number in numbers]


def plan_round(seed: int, index: int, *, with_engine: bool) -> RoundPlan:
    """The plan of a round.

    Args:
        seed: of the campaign.
        index: of the round, from 0.
        with_engine: whether there is a Docker engine to be killed.
    """
    chance = random.Random(f"{seed}/{index}")
    kind: Kind = "plain"
    if with_engine and index % _DOCKER_EVERY == 1:
        kind = "docker"
    elif index % _DISK_EVERY == 3:
        kind = "disk"
    lives = []
    for life in range(_LIVES + 1):
        number = index * (_LIVES + 1) + life
        faults = [
            _fault(chance, name, action)
            for name, action in _taken(seed, number * _RUNNER_KILLS, _RUNNER_KILLS, runner=True)
        ]
        faults = list(chain.from_iterable(_with_cause(chance, fault) for fault in faults))
        if kind == "docker":
            faults = [
                Fault(
                    chance.choice(["in.call", "out.run", "in.finished", "tool.enter"]), chance.randint(1, 3), "engine"
                )
            ]
        if chance.random() < _FAILURES:
            faults.insert(chance.randrange(len(faults) + 1), _failure(chance, kind))
        if life < _LIVES:
            [(name, action)] = _taken(seed, index * _LIVES + life, 1, runner=False)
            faults.append(_fault(chance, name, action))
        lives.append(LifeFaults(tuple(faults), chance.random() >= _CROWD))
    return RoundPlan(kind, tuple(lives), jobs=2)


def _fault(chance: random.Random, name: str, action: str) -> Fault:
    most = POINTS[name][0]
    if name == "time":
        return Fault(name, chance.randint(1, most), action)
    return Fault(name, 1 + int(chance.random() ** 2 * most), action)


def _with_cause(chance: random.Random, fault: Fault) -> list[Fault]:
    """Nobody tells of a death before there is one."""
    if fault.point.startswith("in.death"):
        return [Fault("in.call", chance.randint(1, 5), "executor"), fault]
    return [fault]


def _failure(chance: random.Random, kind: Kind) -> Fault:
    if kind == "disk":
        return Fault("acknowledged", chance.randint(1, 20), "fill")
    name = chance.choice(sorted(FAILURES))
    most, actions = FAILURES[name]
    return Fault(name, chance.randint(1, most), chance.choice(actions))
