"""Kills the orchestrator at random moments of the main job and compares the end with a run that nobody killed."""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from images.build import build_image
from tests.chaos.containers import Containers
from tests.chaos.moments import Moment, choose_moment
from tests.chaos.processes import Ended, left_behind, run, runner_names, wait_gone

__all__ = ["Campaign", "Program", "docker_program", "fast_program", "real_program"]

QUARANTINE = "quarantine"
_FEWEST_FLUSHES = 15
"""Fewer in a whole run would mean that they are not seen: each of its ten steps makes at least one."""


@dataclass(frozen=True, slots=True)
class Program:
    """How the main job is run in a data directory.

    Attributes:
        name: for the report.
        command: the ``-m`` arguments for a data directory.
        environment: added to the process's own.
        by_progress: share of the kills that are spread over the flushes of a run instead of its time.
        containers: where its runners are containers.
    """

    name: str
    command: Callable[[Path], Sequence[str]]
    by_progress: float = 0.5
    environment: dict[str, str] = field(default_factory=dict)
    containers: Containers | None = None


def docker_program(engine: str) -> Program:
    """The main job with scripted replies and a fixed clock, in containers of this engine."""
    build_image("base", engine=engine)  # not within the time of a run
    return replace(fast_program("docker"), environment={"DOCKER_HOST": engine}, containers=Containers(engine))


def fast_program(driver: str = "bubblewrap") -> Program:
    """The main job with scripted replies and a fixed clock."""
    return Program(
        f"tests.chaos.calendar_program, driver {driver}",
        lambda data_dir: ["tests.chaos.calendar_program", str(data_dir), driver],
    )


def real_program(driver: str = "bubblewrap") -> Program:
    """The example as a user runs it."""
    return Program(
        f"examples.calendar_assistant, driver {driver}",
        lambda data_dir: ["examples.calendar_assistant", "--data-dir", str(data_dir)],
        by_progress=0.85,  # two thirds of its time are the import of a model library
        environment={"STATEK_DRIVER": driver},
    )


@dataclass
class Campaign:
    """Many kills of one program.

    Attributes:
        jobs, kills: how many so far.
        phases: kills by what the killed process had said last.
        quarantined: jobs that ended because two crashes hit one step, by design.
        repeated_runs: steps that were run more than once.
        moments: seconds after the start of the process, one per kill.
        expected: facts of the run that nobody killed.
        whole_seconds, whole_flushes: how long that took, and how many flushes it made.
        steps: kills by the step that the killed process had told of last; of a job under way.
        most_kills_of_one_job: 1 keeps a job from quarantine.
    """

    program: Program
    seed: int
    jobs: int = 0
    kills: int = 0
    phases: Counter[str] = field(default_factory=Counter)
    quarantined: int = 0
    repeated_runs: int = 0
    moments: list[float] = field(default_factory=list)
    expected: dict[str, Any] = field(default_factory=dict)
    whole_seconds: float = 0.0
    whole_flushes: int = 0
    steps: Counter[int] = field(default_factory=Counter)
    most_kills_of_one_job: int = 3

    def run(self, kills: int) -> None:
        """Kill so many times; raises AssertionError at the first thing that is not as it must be."""
        chance = random.Random(self.seed)
        self._measure()
        while self.kills < kills:
            self._one_job(chance, min(kills - self.kills, chance.choice([1, 1, 1, 2, 3]), self.most_kills_of_one_job))

    def _measure(self) -> None:
        """The run that nobody kills."""
        with tempfile.TemporaryDirectory(prefix="chaos") as name:
            folder = Path(name)
            whole = run(self.program.command(folder / "d"), folder, **self.program.environment)
            assert whole.code == 0, whole.stderr[-2000:]
            self.expected = self._facts(whole, folder / "d")
            self.whole_seconds = whole.seconds
            self.whole_flushes = whole.flushes
            assert self.whole_flushes > _FEWEST_FLUSHES, whole

    def _moment(self, chance: random.Random) -> Moment:
        return choose_moment(chance, self.whole_seconds, self.whole_flushes, self.program.by_progress)

    def _one_job(self, chance: random.Random, wanted: int) -> None:
        with tempfile.TemporaryDirectory(prefix="chaos") as name:
            folder = Path(name)
            data_dir = folder / "d"
            at_start: list[int] = []
            runners: set[str] = set()
            done = 0
            while True:
                moment = self._moment(chance) if done < wanted else None
                ended = run(self.program.command(data_dir), folder, kill_at=moment, **self.program.environment)
                if ended.last("step_in_flight"):
                    at_start.append(ended.last("step_in_flight"))
                if not ended.killed:
                    break
                begun = runner_names(data_dir)
                runners |= begun
                done += 1
                self.kills += 1
                self.moments.append(ended.seconds)
                phase = _phase(ended)
                self.phases[phase] += 1
                if phase == "job under way":
                    self.steps[_steps_told(ended)] += 1
                alive = wait_gone(ended.orphans, data_dir)
                if self.program.containers is not None:
                    alive += self.program.containers.still_running(begun)
                assert not alive, f"seed {self.seed}: runners outlive their orchestrator: {alive}"
                if _was_shown(ended):
                    break  # the same command would now do the work for another request
            self.jobs += 1
            self._check(ended, data_dir, at_start)
            # What the last process left is removed by the next start; there is none after a job that was shown.
            left = [] if ended.killed else left_behind(runners)
            if self.program.containers is not None and not ended.killed:
                left += self.program.containers.left(runners)
            assert not left, f"seed {self.seed}, job {self.jobs}: left behind {left}"

    def _check(self, ended: Ended, data_dir: Path, at_start: list[int]) -> None:
        where = f"seed {self.seed}, job {self.jobs}, kills at {self.moments[-3:]}: {ended.stderr[-1500:]}"
        facts = self._facts(ended, data_dir)
        if facts["quarantined"]:
            twice = [step for step, count in Counter(at_start).items() if count >= 2]
            assert twice, f"quarantined though no step was in flight at two starts: {where}"
            self.quarantined += 1
            assert len(facts["outbox"]) <= 1, where
            assert len(facts["changes"]) <= 1, where
            return
        assert ended.code == 0 or _was_shown(ended), where
        self.repeated_runs += facts.pop("repeated_runs", 0)
        assert {**self.expected, "repeated_runs": 0} == {**facts, "repeated_runs": 0}, where

    def _facts(self, ended: Ended, data_dir: Path) -> dict[str, Any]:
        """What is compared; of the real program what its transcript says."""
        outbox = data_dir / "outbox.jsonl"
        lines = outbox.read_text().splitlines() if outbox.exists() else []
        sent = [json.loads(line) for line in lines]
        assert len({line["key"] for line in sent}) == len(sent)
        facts: dict[str, Any] = {"outbox": [[line["to"], line["text"]] for line in sent]}
        said = ended.last("ended")
        if said is None:
            return {**facts, **_transcript_facts(ended)}
        failure = said["failure"] or {}
        facts["quarantined"] = failure.get("kind") == QUARANTINE
        facts["changes"] = said["calendar"]["changes"]
        facts["repeated_runs"] = sum(count > 1 for count in said.pop("attempts"))
        return {**facts, **said}


def _transcript_facts(ended: Ended) -> dict[str, Any]:
    """Facts of the real program: what the transcript says of changes, messages and variables."""
    sections: dict[str, list[str]] = {}
    title = ""
    for line in ended.stdout.splitlines():
        if line and not line.startswith((" ", "─", "job ")):
            title = line
            sections[title] = []
        elif title and line.strip():
            sections[title].append(line)
    last = (ended.stdout.strip().splitlines() or [""])[-1]
    names = [line.split()[0] for line in sections.get("Variables that the job keeps:", [])]
    return {
        "quarantined": QUARANTINE in ended.stdout,
        "changes": [line.partition(": ")[0].strip() for line in sections.get("What changed in the calendar:", [])],
        "variables": names,
        "end": last,
    }


def _was_shown(ended: Ended) -> bool:
    """Whether the example printed its last line, the one about the end of the job."""
    return ended.stdout.endswith("\n") and ended.stdout.rstrip("\n").rpartition("\n")[2].startswith("job j")


def _steps_told(ended: Ended) -> int:
    """Ends of steps that the example told of; 0 for a program that does not."""
    return ended.stderr.count("\n· step ")


def _phase(ended: Ended) -> str:
    """Where in its life the killed process was, by what it had said."""
    if ended.last("ended") or "\njob " in ended.stdout:
        return "after the end of the job"
    if ended.last("recovered") or "· submitted job" in ended.stderr or "· going on with job" in ended.stderr:
        return "job under way"
    if ended.last("found") or "· preparing sandboxes" in ended.stderr:
        return "opening and recovery"
    return "start-up"
