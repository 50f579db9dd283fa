"""``python -m tests.chaos.report [--kills N] [--seed S] [--output FILE]`` runs the kills and writes the evidence.

It measures the tree that it is run in and names its commit; a tree with changes that are not committed is named so.
"""

from __future__ import annotations

import argparse
import datetime as dt
import random
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.containers import some_engine
from tests.chaos.evidence import commit_of_tree, machine
from tests.chaos.main_job import Campaign, docker_program, fast_program, real_program
from tests.chaos.processes import ROOT
from tests.chaos.quarantine import QuarantineCampaign

_TEXT = """# Kills of the main job

Made by `python -m tests.chaos.report`, a part of `make test-full`; it stops, and writes nothing, at the first wrong
result.

- commit: {commit}
- machine: {machine}
- date: {took}
- seed: {seed}

## SIGKILL of the orchestrator in the main job

Only its pid is killed; then the same command again, until the job is done. The moments are spread over the whole run by
what is seen of its progress: after a random number of flushes of its store (and up to 30 ms more), the rest after a
random time. Checked each time: status, exit value, console, variables and calendar are equal to those of a run that
nobody killed; the outbox has each message once; no process of a runner outlives the orchestrator by 10 s; no resource
group and no record of a runner is left after the last run.

| program | kills | jobs | start-up | opening, recovery | job under way | after its end | steps re-run | quarantined |
|---|---|---|---|---|---|---|---|---|
{fast}
{docker}{real}

The containers are looked for in their engine: none runs 10 s after its orchestrator was killed, none is left after the
last run. A step that two crashes hit is quarantined by design; a quarantined job is accepted only if the same step was
found in flight at two starts, and counted apart. Of the example itself the transcript is compared (what changed, names
of the variables, last line), and each job is killed at most once. Its kills under way, by the number of steps that it
had told of: {steps}. A run of it that nobody killed made {flushes} flushes.

## Steps that kill what runs them

Three jobs at once: a step of the first kills the orchestrator at every run, a step of the second its own runner, the
third only works. The first is quarantined after two crashes, the step of the second ends as a death after three runs
and its job goes on, the third ends as if nothing had happened (unless both crashes met one and the same step of it).

| kills | rounds | quarantined by their own doing | quarantined as bystanders | steps that lost three runners |
|---|---|---|---|---|
{quarantine}
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the campaigns and write the report; raises at the first thing that is wrong, and writes nothing then."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos.report", description="Kill the main job on purpose and write the report."
    )
    parser.add_argument("--kills", type=int, default=100, help="of the main job (%(default)s)")
    parser.add_argument("--example-kills", type=int, default=30, help="of the example itself (%(default)s)")
    parser.add_argument("--quarantine-kills", type=int, default=10, help="made by a step (%(default)s)")
    parser.add_argument("--docker-kills", type=int, default=30, help="of the main job in containers (%(default)s)")
    parser.add_argument("--commit", default="", help="of an exported tree, which cannot tell")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "evidence" / "main-job-kills.md")
    options = parser.parse_args(arguments)
    print("seed", options.seed, flush=True)
    commit, began = options.commit or commit_of_tree(), dt.datetime.now(dt.UTC)
    fast = Campaign(fast_program(), options.seed)
    fast.run(options.kills)
    print(_campaign_line(fast), flush=True)
    in_containers = ""
    if options.docker_kills:
        with some_engine(ROOT) as engine:
            contained = Campaign(docker_program(engine), options.seed)
            contained.run(options.docker_kills)
        in_containers = _campaign_line(contained) + "\n"
        print(in_containers, end="", flush=True)
    real = Campaign(real_program(), options.seed, most_kills_of_one_job=1)
    real.run(options.example_kills)
    print(_campaign_line(real), dict(real.steps), flush=True)
    quarantine = QuarantineCampaign(options.seed)
    quarantine.run(options.quarantine_kills)
    print(quarantine, flush=True)
    seconds = (dt.datetime.now(dt.UTC) - began).total_seconds()
    rows = {
        "commit": commit,
        "machine": machine(),
        "took": f"{began:%Y-%m-%d %H:%M} UTC, {seconds:.0f} s",
        "seed": options.seed,
        "fast": _campaign_line(fast),
        "docker": in_containers,
        "real": _campaign_line(real),
        "steps": ", ".join(f"{step}: {count}" for step, count in sorted(real.steps.items())) or "none",
        "flushes": real.whole_flushes,
        "quarantine": _row(
            quarantine.kills, quarantine.rounds, quarantine.rounds, quarantine.bystanders, quarantine.runner_deaths
        ),
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(_TEXT.format(**rows))


def _campaign_line(campaign: Campaign) -> str:
    phases = ("start-up", "opening and recovery", "job under way", "after the end of the job")
    counts = [campaign.kills, campaign.jobs, *(campaign.phases[phase] for phase in phases)]
    counts += [campaign.repeated_runs, campaign.quarantined]
    return _row(campaign.program.name, *counts)


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
