"""Writes down what a campaign did, with the commit and the machine."""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
from collections import Counter
from pathlib import Path

from tests.chaos.damage import DamageReport
from tests.chaos.matrix import Matrix, Tally
from tests.chaos.points import POINTS
from tests.chaos.processes import ROOT

__all__ = ["commit_of_tree", "machine", "write_evidence"]

_TEXT = """# Kills

Made by `make chaos SEED={seed}`, {kills} kills; [chaos.md](../chaos.md) says what is done and what is checked.

- commit: {commit}
- machine: {machine}
- date: {date}

```text
{line}
```

| rounds | orchestrators | jobs | ends of steps acknowledged | effects, each once | stores opened once more |
|---|---|---|---|---|---|
| {rounds} | {lives} | {jobs} | {acknowledged} | {deliveries} | {reopened} |

| killed | times |
|---|---|
{killed}

The n-th write or fsync failed (EIO, ENOSPC), the disk was full for a while (fill), the clock stood still or jumped.

| failed without a death | times |
|---|---|
{failures}

Counted apart, as designed: {in_doubt} calls in doubt that a person decided, {deaths} steps that ended as a death of
their own (an executor was killed), {quarantined} jobs in quarantine (two crashes hit one step).

A store with one file damaged (a bit flipped, or cut), closed or killed before: never opened with anything else in it
than was acknowledged. A log that is not needed, an old version of a page and the like count as rebuilt.

| file | opened, all there | refused by name | wrong |
|---|---|---|---|
{damage}

Kills by point, {visited} of {points} points.

| point | kills | point | kills | point | kills |
|---|---|---|---|---|---|
{by_point}
"""
_COLUMNS = 3
_COUNTS = (
    "rounds",
    "lives",
    "jobs",
    "acknowledged",
    "deliveries",
    "reopened",
    "in_doubt",
    "deaths",
    "quarantined",
)


def write_evidence(path: Path, matrix: Matrix, damage: DamageReport, *, commit: str = "") -> None:
    """Write the report of a campaign that is over.

    Args:
        path: of the Markdown file.
        matrix: the campaign.
        damage: what became of damaged stores.
        commit: of an exported tree; empty asks git.
    """
    tally = matrix.tally
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        _TEXT.format(
            commit=commit or commit_of_tree(),
            machine=machine(),
            date=f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC",
            kills=tally.total,
            seed=matrix.seed,
            line=tally.line(matrix.seed),
            killed=_rows(tally.kills),
            failures=_rows(tally.failures),
            damage="\n".join(damage.lines()),
            visited=len(tally.points),
            points=len(POINTS),
            by_point=_point_rows(tally),
            **{name: getattr(tally, name) for name in _COUNTS},
        )
    )


def _rows(counts: Counter[str]) -> str:
    return "\n".join(f"| {name} | {times} |" for name, times in counts.most_common()) or "| nothing | 0 |"


def _point_rows(tally: Tally) -> str:
    cells = [f"`{name}` | {times}" for name, times in sorted(tally.points.items())]
    cells += [" | "] * (-len(cells) % _COLUMNS)
    return "\n".join(f"| {' | '.join(cells[at : at + _COLUMNS])} |" for at in range(0, len(cells), _COLUMNS))


def machine() -> str:
    """This machine in a line."""
    load = os.getloadavg()[0]
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, "
        f"Python {platform.python_version()}, load {load:.1f} at the end"
    )


def commit_of_tree() -> str:
    """The commit of this tree; says so where what is measured was changed since."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "orchestrator", "statek", "sandbox_runner")
    return git("rev-parse", "HEAD") + (" with changes that are not committed" if changed else "")
