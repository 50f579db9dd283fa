"""``python -m tests.chaos.report [--kills N] [--seed S] [--output FILE]`` runs the kills and writes the evidence.

It measures the tree that it is run in and names its commit; a tree with changes that are not committed is named so.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import random
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.effects import EffectCampaign
from tests.chaos.main_job import Campaign, fast_program, real_program
from tests.chaos.processes import ROOT

_REAL_KILLS = 10

_TEXT = """# Kills

Made by `python -m tests.chaos.report`; it stops, and writes nothing, at the first wrong result.

- commit: {commit}
- machine: {machine}
- date: {took}
- seed: {seed}

## SIGKILL of the orchestrator in the main job

Only its pid is killed, at a moment drawn uniformly from the time that a whole run takes; then the same command again,
until the job is done. Checked each time: status, exit value, console, variables and calendar are equal to those of a
run that nobody killed; the outbox has each message once; no process of a runner outlives the orchestrator by 10 s; no
resource group and no record of a runner is left after the last run.

| program | kills | jobs | start-up | opening, recovery | job under way | after its end | steps re-run | quarantined |
|---|---|---|---|---|---|---|---|---|
{fast}
{real}

A step that two crashes hit is quarantined by design; a quarantined job is accepted only if the same step was found in
flight at two starts, and counted apart. Of the example itself the transcript is compared (what changed, names of the
variables, last line), and each job is killed at most once.

## An effect that nobody deduplicates

A tool that is not idempotent delivers 30 numbers over HTTP to a receiver that takes everything. At most one SIGKILL per
job; a call in doubt is looked up at the receiver and decided over the API, as an operator does it. Every number arrived
exactly once: none was repeated, none was lost.

| killed | kills | jobs | deliveries | in doubt, had arrived | in doubt, had not |
|---|---|---|---|---|---|
{orchestrators}
{runners}
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the campaigns and write the report; raises at the first thing that is wrong, and writes nothing then."""
    parser = argparse.ArgumentParser(prog="tests.chaos.report")
    parser.add_argument("--kills", type=int, default=120)
    parser.add_argument("--effect-kills", type=int, default=30)
    parser.add_argument("--commit", default="", help="of an exported tree, which cannot tell")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "evidence" / "kills.md")
    options = parser.parse_args(arguments)
    print("seed", options.seed, flush=True)
    commit, began = options.commit or _commit(), dt.datetime.now(dt.UTC)
    fast = Campaign(fast_program(), options.seed)
    fast.run(options.kills)
    print(_campaign_line(fast), flush=True)
    real = Campaign(real_program(), options.seed, most_kills_of_one_job=1)
    real.run(_REAL_KILLS)
    print(_campaign_line(real), flush=True)
    effects = EffectCampaign(options.seed)
    effects.kill_orchestrators(options.effect_kills)
    effects.kill_runners(options.effect_kills)
    seconds = (dt.datetime.now(dt.UTC) - began).total_seconds()
    rows = {
        "commit": commit,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, "
        f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} at the end",
        "took": f"{began:%Y-%m-%d %H:%M} UTC, {seconds:.0f} s",
        "seed": options.seed,
        "fast": _campaign_line(fast),
        "real": _campaign_line(real),
        "orchestrators": _row(
            "orchestrator",
            effects.kills,
            effects.jobs_of_orchestrators,
            effects.jobs_of_orchestrators * 30,
            effects.in_doubt[True],
            effects.in_doubt[False],
        ),
        "runners": _row(
            "runner",
            effects.runner_kills,
            effects.jobs - effects.jobs_of_orchestrators,
            (effects.jobs - effects.jobs_of_orchestrators) * 30,
            0,
            0,
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


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "orchestrator", "statek", "sandbox_runner")
    return git("rev-parse", "HEAD") + (" with changes that are not committed" if changed else "")


if __name__ == "__main__":
    main()
