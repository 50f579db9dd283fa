"""Rounds of killing, and what must be true after each: nothing lost, repeated, stuck or left behind."""

from __future__ import annotations

import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any

from orchestrator.engine.job_reader import job_id
from tests.chaos.errands import NUMBERS, WAYS
from tests.chaos.life import LifePlan
from tests.chaos.lives import Life, read_store, run_life
from tests.chaos.plans import LifeFaults, RoundPlan, plan_round
from tests.chaos.processes import traces_of, wait_gone
from tests.chaos.receiver import Receiver
from tests.support.private_engine import PrivateEngine

__all__ = ["Matrix", "Tally"]

_LIFE_SECONDS = 90.0
_DISK_BYTES = 64 << 20
_WRITES = ("write", "sync")
_SHOWN = 3000
"""Characters of what was wrong that are shown while the campaign goes on."""

_MOST_SHOWN = 5

_KILLED = ("orchestrator", "pid1", "supervisor", "executor", "engine")


@dataclass
class Tally:
    """Counts.

    Attributes:
        kills: by what was killed.
        points: kills by where.
        failures: what failed without a death, by what.
        lost, repeated, stuck, orphans: must be zero.
        quarantined: jobs that two crashes hit in one step, by design.
        in_doubt: calls that a person had to decide.
        deaths: steps that ended as a death of their own (an executor was killed).
        acknowledged: ends of steps that were acknowledged, and found again.
        deliveries: effects that were counted.
        reopened: stores that were closed and read once more.
        damaged, refused: stores with one damaged file; of these, those that were refused by name, not rebuilt.
        words: what was wrong, to be read.
    """

    rounds: int = 0
    jobs: int = 0
    lives: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    repeated: int = 0
    stuck: int = 0
    orphans: int = 0
    quarantined: int = 0
    in_doubt: int = 0
    deaths: int = 0
    acknowledged: int = 0
    deliveries: int = 0
    reopened: int = 0
    damaged: int = 0
    refused: int = 0
    words: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Take another one's counts."""
        for name in self.__dataclass_fields__:
            value = getattr(other, name)
            if isinstance(value, Counter):
                getattr(self, name).update(value)
            else:
                setattr(self, name, getattr(self, name) + value)

    @property
    def total(self) -> int:
        """Kills of anything."""
        return self.kills.total()

    @property
    def clean(self) -> bool:
        """Whether all is as it must be."""
        return not (self.lost or self.repeated or self.stuck or self.orphans)

    def line(self, seed: int) -> str:
        """The result in one line."""
        return (
            f"kills={self.total} seed={seed} lost={self.lost} repeated={self.repeated} "
            f"stuck={self.stuck} orphans={self.orphans}"
        )


class Matrix:
    """A campaign.

    Args:
        seed: of everything.
        engine: a Docker engine of its own, started; None leaves the rounds with containers out.
        workers: rounds at once.

    Attributes:
        seed: as given.
        tally: counts so far.
    """

    def __init__(self, seed: int, *, engine: PrivateEngine | None = None, workers: int = 1) -> None:
        self.seed = seed
        self._engine = engine
        self._workers = workers
        self._one_engine = Lock()
        self.tally = Tally()

    def run(self, kills: int) -> None:
        """Make rounds, and tell of each, until something was killed so often."""
        self._run(count(), kills)

    def run_rounds(self, numbers: Iterable[int]) -> None:
        """Make these rounds and tell of each."""
        self._run(iter(numbers), None)

    def _run(self, numbers: Iterator[int], kills: int | None) -> None:
        running: set[Future[Tally]] = set()
        with ThreadPoolExecutor(self._workers) as pool:
            while True:
                while len(running) < self._workers and (kills is None or self.tally.total < kills):
                    number = next(numbers, None)
                    if number is None:
                        break
                    running.add(pool.submit(self.one_round, number))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    self.tally.add(future.result())
                    words = [text[:_SHOWN] for text in future.result().words[:_MOST_SHOWN]]
                    print(self.tally.line(self.seed), *words, sep="\n  ", flush=True)

    def one_round(self, index: int) -> Tally:
        """One data directory from its first start to its end."""
        plan = plan_round(self.seed, index, with_engine=self._engine is not None)
        with tempfile.TemporaryDirectory(prefix="chaos") as name, Receiver() as receiver:
            folder = Path(name)
            with _data_dir(folder, small=plan.kind == "disk"):
                round_ = _Round(f"seed {self.seed} round {index}", plan, folder, receiver, self._engine)
                with self._one_engine if plan.kind == "docker" else nullcontext():
                    return round_.run()


@contextmanager
def _data_dir(folder: Path, *, small: bool) -> Iterator[None]:
    """The data directory, on a small disk of its own where it is to get full."""
    (folder / "d").mkdir()
    if not small:
        yield
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", folder.name, folder / "d"], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder / "d"], check=True)


class _Round:
    """One round and its verdict."""

    def __init__(
        self, name: str, plan: RoundPlan, folder: Path, receiver: Receiver, engine: PrivateEngine | None
    ) -> None:
        self._name = name
        self._plan = plan
        self._folder = folder
        self._receiver = receiver
        self._engine = engine if plan.kind == "docker" else None
        self._tally = Tally(rounds=1)
        self._said: list[dict[str, Any]] = []

    def run(self) -> Tally:
        """Every life, then the checks."""
        for number, plan in enumerate([*self._plan.lives, LifeFaults((), spares_found=True)], start=1):
            life = self._live(number, plan)
            if life.hung:
                self._wrong("stuck", f"life {number} came to no end: {plan.faults} {self._stderr()}")
                return self._tally
            fatal = any(fault["action"] == "orchestrator" for fault in life.fired)
            refused = life.code == 1 and any(fault["point"] in _WRITES for fault in life.fired) and self._was_refused()
            if life.code != (-9 if fatal else 0) and not refused:
                self._wrong("stuck", f"life {number} ended with {life.code}: {plan.faults} {self._stderr()}")
            if life.code == 0 and number >= len(self._plan.lives):
                break
        self._check(life)
        return self._tally

    def _live(self, number: int, faults: LifeFaults) -> Life:
        jobs = self._plan.jobs * min(number, len(self._plan.lives))
        self._tally.jobs = jobs
        plan = LifePlan(
            self._folder,
            self._receiver.url,
            jobs,
            faults.faults,
            faults.spares_found,
            engine=self._engine.address if self._engine is not None else "",
            engine_pid=self._engine.pid if self._engine is not None else 0,
        )
        life = run_life(plan, seconds=_LIFE_SECONDS, engine=self._engine)
        (self._folder / "d" / "filler").unlink(missing_ok=True)  # of one that was killed while its disk was full
        self._said += life.said
        self._tally.lives += 1
        for fault in life.fired:
            if fault["action"] in _KILLED:
                self._tally.kills[fault["action"]] += 1
                self._tally.points[fault["point"]] += 1
            else:
                self._tally.failures[fault["action"]] += 1
        # What an engine has half made when it is killed, the next scan ends; after this death there is none yet.
        if life.code != 0 and self._engine is None:
            for alive in wait_gone((), self._folder / "d"):
                self._wrong("orphans", f"outlived its orchestrator: {alive}")
        return life

    # ------------------------------------------------------------------------------------ verdict

    def _check(self, life: Life) -> None:
        tally, ended = self._tally, life.last("ended")
        if ended is None:
            self._wrong("stuck", f"no end was told: {self._stderr()}")
            return
        for trace in [*wait_gone((), self._folder / "d"), *traces_of(self._folder / "d", self._told("runner"))]:
            self._wrong("orphans", trace)
        tally.in_doubt += len(self._told("in_doubt"))
        for id_ in self._told("submitted"):
            if id_ not in ended["jobs"]:
                self._wrong("lost", f"job {id_} was acknowledged and is not there")
        for end in self._told("acknowledged"):
            tally.acknowledged += 1
            kept = ended["jobs"].get(job_id(end["job"]), {}).get("steps", {}).get(str(end["step"]))
            if kept is None or kept[1] != end["digest"]:
                self._wrong("lost", f"the end of step {end['step']} of {job_id(end['job'])} is {kept}, told was {end}")
        for id_, job in ended["jobs"].items():
            self._check_job(id_, job)
            self._check_effects(id_, ended["ledger"], whole=job["failure"] is None)
        again, _ = read_store(self._folder)
        tally.reopened += 1
        if again != ended:
            self._wrong("lost", f"the store holds something else when it is opened again: {again} {ended}")

    def _check_job(self, id_: str, job: dict[str, Any]) -> None:
        self._tally.deaths += sum(state == "died" for state, _ in job["steps"].values())
        if job["status"] != "DONE":
            self._wrong("stuck", f"{id_} is {job['status']}")
        elif job["failure"] is None:
            if job["exit"] != "-".join(map(str, job["printed"])):
                self._wrong("lost", f"{id_} ended with {job['exit']}, its steps printed {job['printed']}")
        elif job["failure"]["kind"] == "quarantine":
            self._tally.quarantined += 1
            met = Counter((id_, step) for found in self._told("found") for who, step in found if who == id_)
            if max(met.values(), default=0) < 2:
                self._wrong("stuck", f"{id_} is quarantined though no step was in flight at two starts")
        else:
            self._wrong("stuck", f"{id_} failed: {job['failure']}")

    def _check_effects(self, id_: str, ledger: list[str], *, whole: bool) -> None:
        for number in range(NUMBERS):
            way, name = WAYS[number % len(WAYS)], f"{id_}.{number}"
            arrived = self._receiver.deliveries[name]
            if way == "note":
                arrived = ledger.count(name)
            elif way == "post":
                arrived = len(self._receiver.keys[name])
            self._tally.deliveries += arrived
            if arrived > 1:
                self._wrong("repeated", f"{way} of {name} took effect {arrived} times")
            if arrived == 0 and whole:
                self._wrong("lost", f"{way} of {name} never took effect")

    def _told(self, key: str) -> list[Any]:
        return [line[key] for line in self._said if key in line]

    def _wrong(self, what: str, words: str) -> None:
        setattr(self._tally, what, getattr(self._tally, what) + 1)
        self._tally.words.append(f"{self._name}, {what}: {words}")

    def _was_refused(self) -> bool:
        """Whether the last process ended with an error of the store that has a name, as it may when a write fails."""
        last = (self._stderr().splitlines() or [""])[-1]
        return last.startswith(("statek.exceptions.StoreFull: ", "statek.exceptions.StoreError: "))

    def _stderr(self) -> str:
        path = self._folder / "stderr"
        return path.read_text(errors="replace")[-2000:] if path.exists() else ""
