"""What the upkeep of a store gives: what a backup holds, what a verification found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["BackedUp", "Compacted", "CompactedJob", "Finding", "Migrated", "MigratedName", "Verified", "number_ranges"]


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What a backup holds.

    Attributes:
        store_id: of the store that was backed up.
        prefix: its prefix.
        at_us: when, microseconds UTC.
        blocks: how many blocks it holds.
        size_bytes: of all its files.
        damaged_blocks: digests of blocks that were damaged in the store; they are not in it.
    """

    store_id: str
    prefix: str
    at_us: int
    blocks: int
    size_bytes: int
    damaged_blocks: tuple[str, ...] = ()


def number_ranges(numbers: Iterable[int], shown: int) -> str:
    """Numbers in order as ``0-3,5``, with ``...`` where there are more ranges than are to be shown."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        elif len(ranges) == shown:
            ranges.append([])
            break
        else:
            ranges.append([number, number])
    texts = [str(found[0]) if found[0] == found[1] else f"{found[0]}-{found[1]}" for found in ranges if found]
    return ",".join([*texts, "..."] if len(texts) < len(ranges) else texts)


@dataclass(frozen=True, slots=True)
class CompactedJob:
    """What goes, or would go, of one job.

    Attributes:
        job: its id.
        dropped: numbers of the commits whose variables and files go.
        kept: how many of its own commits stay.
        freed_blocks, freed_bytes: of the blocks that only these commits name.
    """

    job: str
    dropped: tuple[int, ...]
    kept: int
    freed_blocks: int
    freed_bytes: int


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a compaction did, or would do.

    Attributes:
        jobs: those of which commits go.
        freed_blocks, freed_bytes: of all blocks that go, those that no commit names any more included.
        dry_run: nothing was done.
    """

    jobs: tuple[CompactedJob, ...]
    freed_blocks: int
    freed_bytes: int
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is damaged.

    Attributes:
        problem: what.
        job: id of the job; empty for what belongs to none.
        commit: number of the commit; -1 for what belongs to none.
        done: what was done about it; empty for nothing.
    """

    problem: str
    job: str = ""
    commit: int = -1
    done: str = ""


@dataclass(frozen=True, slots=True)
class Verified:
    """What was read, and what of it is damaged.

    Attributes:
        jobs, entries, commits, blocks: how many were read.
        findings: what is damaged; empty for nothing.
    """

    jobs: int
    entries: int
    commits: int
    blocks: int
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class MigratedName:
    """What becomes of a variable or file (``/work/path``) on another image.

    Attributes:
        name: its name.
        state: ``restored`` (it is saved there as it was), ``saved anew`` (it reads, and is written otherwise there),
            ``lost``, or ``lost before``.
        reason: why it is lost.
    """

    name: str
    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Migrated:
    """What became, or would become, of a job on another image.

    Attributes:
        job: its id.
        saved_on: the image that its newest commit names.
        image: the image that it was tried on; the same where nothing is to be done.
        commit: number of the commit that was made; -1 where none was.
        names: what became of each variable and file.
    """

    job: str
    saved_on: str
    image: str
    commit: int = -1
    names: tuple[MigratedName, ...] = ()
