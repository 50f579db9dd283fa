"""What a start finds out about the guard's files before it trusts them.

One damaged file is what is reckoned with: the others then tell what was in it, or that it cannot be told.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from orchestrator.store.files import open_existing
from orchestrator.store.integrity import PAGE, WitnessState
from orchestrator.store.mirror import Mirror
from orchestrator.store.redo import RedoLog
from statek.exceptions import StoreDamaged

__all__ = ["StartState", "check_closed", "check_mirror", "survey"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StartState:
    """What the log holds.

    Attributes:
        reach: number of the last record that is in the log or in the mirror.
        unsure: pages of the mirror that the log rewrites and that may be half written.
    """

    reach: int
    unsure: frozenset[int]


def survey(log: RedoLog, witness: WitnessState | None, prefix: str) -> StartState:
    """Look at every record of the log.

    Raises:
        StoreDamaged: a record that was acknowledged is missing.
    """
    last, size = 0, 0
    pages: set[int] = set()
    for record in log.recorded():
        pages |= record.pages(size or record.file_size)
        last, size = record.sequence, record.file_size
    if witness is None:
        return StartState(last, frozenset(pages))
    reach = max(last, witness.in_mirror)
    if reach < witness.recorded:
        names = " or ".join(path.name for path in log.paths)
        raise StoreDamaged(
            f"the redo log of prefix {prefix} ends with record {reach}, record {witness.recorded} was acknowledged; "
            f"{names} is damaged; restore the folder from a backup"
        )
    return StartState(reach, frozenset(pages) if witness.applying else frozenset())


def check_mirror(mirror: Mirror, primary: Path, state: StartState) -> dict[int, bytes]:
    """Look at every page of the mirror of a prefix that was not closed.

    A page that the log does not rewrite is the same in the primary, unless dbzero has written more than was recorded.

    Returns:
        The pages to be put back, from the primary.

    Raises:
        StoreDamaged: a page is not as it was written, and the primary does not have it either.
    """
    mended: dict[int, bytes] = {}
    for number in sorted((mirror.differing() or set()) - state.unsure):
        ours, theirs = mirror.page(number), _page_of(primary, number)
        if ours == theirs:
            mirror.sums.note(mirror.fileno(), [number])  # the sum is what was lost
            continue
        if not mirror.sums.fits(number, theirs):
            raise StoreDamaged(
                f"{mirror.path.name} is damaged at byte {number * PAGE} and its content is nowhere else; "
                "restore the folder from a backup"
            )
        mended[number] = theirs
    if mended:
        _log.warning("%s had %d damaged pages, which the prefix file still has", mirror.path.name, len(mended))
    return mended


def check_closed(mirror_path: Path, primary: Path) -> bool:
    """Look at every page of mirror and primary of a prefix that was closed; they are equal then.

    Returns:
        Whether the primary had to be restored.

    Raises:
        StoreDamaged: both are damaged.
    """
    mirror, file = Mirror(mirror_path), open_existing(primary)
    try:
        in_primary, in_mirror = mirror.sums.differing(file), mirror.differing()
        if in_primary is None or in_mirror is None or not (in_primary or in_mirror):
            return False
        if not in_primary:
            _log.warning("%s is damaged: made anew from the prefix file", mirror_path.name)
            Mirror.create(mirror_path, primary)
            return False
        if not in_mirror:
            _log.warning("%s is damaged: restored from its mirror", primary.name)
            mirror.restore(primary)
            return True
        if any(mirror.page(number) != _page_of(primary, number) for number in in_primary | in_mirror):
            raise StoreDamaged(f"{primary.name} and {mirror_path.name} are damaged; restore the folder from a backup")
        _log.warning("the sums of %s are damaged: made anew", mirror_path.name)
        mirror.sums.build(mirror.fileno())
        return False
    finally:
        mirror.close()
        os.close(file)


def _page_of(path: Path, number: int) -> bytes:
    try:
        with path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), PAGE, number * PAGE)
    except FileNotFoundError:
        return b""
