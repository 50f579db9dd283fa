"""Damages every file of a store, one at a time, and opens it: rebuilt, or refused with the damage named, never wrong.

It is done to a store that was closed and to one whose orchestrator was killed. The times of a damaged file are set
back, as a disk that loses bits would leave them.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.life import LifePlan
from tests.chaos.lives import read_store, run_life
from tests.chaos.observer import Fault
from tests.chaos.receiver import Receiver

__all__ = ["DamageReport", "damage_store"]

_JOBS = 2
_DEATH = Fault("acknowledged", 30, "orchestrator")
_REFUSALS = (
    "statek.exceptions.StoreDamaged: ",
    "statek.exceptions.NotFound: no block ",
    "statek.exceptions.ConfigurationError: this data directory keeps its blocks ",
)


@dataclass
class DamageReport:
    """What became of damaged stores.

    Attributes:
        rebuilt: opened with everything in them.
        refused: not opened, or not read, with the damage named.
        wrong: opened with something else in them, or neither opened nor refused; in words.
        by_file: outcomes by file name.
    """

    rebuilt: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)
    by_file: Counter[tuple[str, str]] = field(default_factory=Counter)

    def lines(self) -> list[str]:
        """What became of each file, as rows of a table."""
        outcomes = ("rebuilt", "refused", "wrong")
        names = sorted({name for name, _ in self.by_file})
        return [
            f"| `{name}` | {' | '.join(str(self.by_file[name, outcome]) for outcome in outcomes)} |" for name in names
        ]


def damage_store(seed: int, *, each: int) -> DamageReport:
    """Damage copies of a store that was closed, and of one whose orchestrator was killed.

    Args:
        seed: of the places.
        each: flipped bits per file, each in a copy of its own; besides the ways to cut it.
    """
    report = DamageReport()
    for killed in (False, True):
        _damage_every_file(report, random.Random(f"{seed}/{killed}"), each, killed=killed)
    return report


def _damage_every_file(report: DamageReport, chance: random.Random, each: int, *, killed: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="chaos") as name, Receiver() as receiver:
        folder = Path(name) / "whole"
        folder.mkdir()
        life = run_life(LifePlan(folder, receiver.url, _JOBS, (_DEATH,) if killed else ()), seconds=90)
        assert life.code == (-9 if killed else 0), (folder / "stderr").read_text()[-2000:]
        store = folder / "d" / "store"
        expected = _opened(folder, Path(name) / "copy")[0]
        assert expected is not None
        for path in sorted(path.relative_to(store) for path in store.rglob("*") if path.is_file()):
            for what, data in _damages(chance, (store / path).read_bytes(), each):
                found, said = _opened(folder, Path(name) / "copy", path, data)
                where = f"{'killed' if killed else 'closed'}, {path.name}, {what}"
                _judge(report, where, path.name, found, said, expected)


def _judge(report: DamageReport, where: str, name: str, found: Any, said: str, expected: Any) -> None:
    if found == expected:
        report.rebuilt += 1
        report.by_file[name, "rebuilt"] += 1
    elif found is None and said.startswith(_REFUSALS):
        report.refused += 1
        report.by_file[name, "refused"] += 1
    else:
        report.by_file[name, "wrong"] += 1
        report.wrong.append(f"{where}: " + (f"ended with {said!r}" if found is None else "something else is in it"))


def _damages(chance: random.Random, data: bytes, each: int) -> Iterator[tuple[str, bytes]]:
    """Ways to damage a file: cut it, or flip one bit, mostly where it says something."""
    for length in sorted({0, len(data) // 2, max(len(data) - 1, 0)} - {len(data)}):
        yield f"cut to {length} bytes", data[:length]
    told = [at for at in range(0, len(data), 64) if any(data[at : at + 64])]
    for number in range(each if data else 0):
        at = chance.choice(told) + chance.randrange(64) if told and number % 4 else chance.randrange(len(data))
        at = min(at, len(data) - 1)
        flipped = bytearray(data)
        flipped[at] ^= 1 << chance.randrange(8)
        yield f"byte {at} flipped", bytes(flipped)


def _opened(folder: Path, copy: Path, path: Path | None = None, data: bytes = b"") -> tuple[Any, str]:
    """What a copy of the store holds after the damage, or None and the last words."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder / "d" / "store", copy / "d" / "store")
    for original in (folder / "d" / "store").rglob("*"):
        target = copy / "d" / "store" / original.relative_to(folder / "d" / "store")
        if original.is_file():
            times = (original.stat().st_atime_ns, original.stat().st_mtime_ns)
            if path is not None and target == copy / "d" / "store" / path:
                target.write_bytes(data)
            os.utime(target, ns=times)
    found, code = read_store(copy)
    errors = (copy / "stderr").read_text(errors="replace").splitlines() if (copy / "stderr").exists() else []
    return found, (errors[-1] if errors else "") if code == 1 else f"status {code}"
