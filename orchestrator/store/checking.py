"""Looks at the files of a store that nobody has open, and says what its next start will put right.

A store that was closed has its prefix twice: the file itself and the mirror. The sums of their pages tell which of them
was changed since; ``orchestrator.store.guard.prepare_prefix`` makes that one from the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.store.guard import GuardPaths
from orchestrator.store.integrity import differing_pages
from orchestrator.store.lock import StoreLock

__all__ = ["FileFinding", "check_files"]


@dataclass(frozen=True, slots=True)
class FileFinding:
    """Something that is wrong with a file.

    Attributes:
        problem: what.
        done: what the next start does about it.
    """

    problem: str
    done: str


def check_files(root: Path, prefix: str) -> list[FileFinding]:
    """Compare prefix and mirror of a closed store with the sums of their pages; changes nothing.

    What only one of them has lost is put right by the next start. What both have lost makes it refuse the store.

    Args:
        root: folder of the store.
        prefix: its prefix.

    Raises:
        StoreLocked: somebody has it open.
        StoreDamaged: its identity does not read.
    """
    folder = root / "statek"
    lock = StoreLock(folder)
    lock.acquire()
    try:
        return _check(GuardPaths(root / f"{prefix}.db0", folder, prefix))
    finally:
        lock.release()


def _check(paths: GuardPaths) -> list[FileFinding]:
    if not paths.clean.exists():
        return []  # it was not closed: the next start sets the prefix to mirror and log, whatever it holds
    good = {path: _is_good(path, paths) for path in (paths.primary, paths.mirror)}
    if all(good.values()) or not any(good.values()):
        return []
    since = "was changed, or lost, since it was closed"
    if good[paths.mirror]:
        problem = f"the prefix file {paths.primary.name} {since}"
        return [FileFinding(problem, "it is set to its mirror, which is as it was")]
    problem = f"the mirror {paths.mirror.name} {since}"
    return [FileFinding(problem, "it is made anew from the prefix file, which is as it was")]


def _is_good(path: Path, paths: GuardPaths) -> bool:
    """Whether every page of a file has its sum; a store without sums is taken at its word."""
    if not path.exists():
        return False
    return not differing_pages(path, paths.mirror.with_suffix(".sums"))
