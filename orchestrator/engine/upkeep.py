"""What operators do with a whole store: back it up, read all of it; while it is in use, or as a folder."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.engine.jobs import JobRepository
from orchestrator.engine.telling import Progress, told
from orchestrator.engine.verification import verify
from orchestrator.store.backup import Backup, back_up, check_backup, restore_backup
from orchestrator.store.block_locations import BESIDE_THE_RECORDS, BlockLocation
from orchestrator.store.checking import check_files
from orchestrator.store.store import Store
from statek.exceptions import InvalidRequest, NotFound, StatekError, StoreError
from statek.upkeep import BackedUp, Finding, Verified

__all__ = ["Upkeep", "summary_of", "verify_backup", "verify_folder"]


class Upkeep:
    """The upkeep of an open store. Each answer is lines about the progress, then the result."""

    def __init__(self, store: Store, jobs: JobRepository) -> None:
        """Args are the open store and its job records."""
        self._store = store
        self._jobs = jobs

    def back_up(self, folder: Path) -> AsyncIterator[str | BackedUp]:
        """Write a backup to a folder that does not exist yet, while the store works.

        Raises:
            InvalidRequest: the folder is in use, or its path is not absolute.
            StoreFull: its disk is full.
            StoreError: the prefix cannot be copied; nothing is left behind.
        """
        if not folder.is_absolute():
            raise InvalidRequest(f"the path of a backup must be absolute, not {str(folder)!r}")
        return told(lambda progress: summary_of(back_up(self._store, folder, progress)))

    def verify(self) -> AsyncIterator[str | Verified]:
        """Read everything, and say what is damaged."""
        return told(lambda progress: verify(self._store, self._jobs, progress))


def summary_of(backup: Backup) -> BackedUp:
    """What a backup holds, for people."""
    return BackedUp(
        backup.store_id, backup.prefix, backup.at_us, backup.blocks, backup.size_bytes, backup.damaged_blocks
    )


# -------------------------------------------------------------------------------- folders that nobody uses


def verify_folder(root: Path, progress: Progress, blocks: BlockLocation = BESIDE_THE_RECORDS) -> Verified:
    """Check the files of a store that nobody has open, mend what can be, and read everything in a process of its own.

    A damaged file can end whoever reads it: then the process that reads dies, and the answer says where.

    Args:
        root: folder of the store.
        progress: gets a line for every part.
        blocks: where it keeps its blocks.

    Raises:
        NotFound: there is no store.
        StoreLocked: somebody has it open.
    """
    prefixes = sorted(path.stem for path in root.glob("*.db0")) or sorted(
        path.stem for path in (root / "statek").glob("*.mirror")
    )
    if len(prefixes) != 1:
        raise NotFound(f"{root} holds {len(prefixes)} prefixes; a store has one")
    progress("comparing the prefix file with its mirror")
    mended = [Finding(found.problem, done=found.done) for found in check_files(root, prefixes[0])]
    counts: dict[str, Any] = {"jobs": 0, "entries": 0, "commits": 0, "blocks": 0}
    findings: list[Finding] = []
    last = "opening the store"
    package_root = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-I", "-c", _BOOT, package_root, str(root), prefixes[0]]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        with contextlib.suppress(BrokenPipeError), child.stdin:  # one that is dead already is told of below
            json.dump([blocks.location, blocks.cache_bytes], child.stdin)  # not an argument: it may hold a password
        for text in child.stdout:
            match json.loads(text):
                case {"progress": str(line)}:
                    last = line
                    progress(line)
                case {"finding": dict(found)}:
                    findings.append(Finding(**found))
                case {"counts": dict(found)}:
                    counts = found
                case _:
                    raise StoreError(f"the process that reads the store said {text[:80]!r}")
        code = child.wait()
    if code:
        how = f"by signal {-code}" if code < 0 else f"with {code}"
        findings.append(Finding(f"what reads the store ended {how} while {last}: the prefix is damaged there"))
    return Verified(**counts, findings=(*mended, *findings))


def verify_backup(folder: Path, progress: Progress) -> Verified:
    """Check a backup: its files, then everything in them, in a store made of it for the time being beside it.

    Raises:
        NotFound: there is no backup.
        StoreDamaged: its description does not read.
        StoreFull: no space for the store beside it.
    """
    wrong = check_backup(folder, progress)
    if wrong:
        return Verified(0, 0, 0, 0, tuple(Finding(problem) for problem in wrong))
    with tempfile.TemporaryDirectory(prefix=".statek-verify-", dir=folder.absolute().parent) as place:
        root = Path(place) / "store"
        restore_backup(folder, root, progress)
        return verify_folder(root, progress)


# Isolated mode ignores PYTHONPATH and the working folder, so the child imports exactly our package.
_BOOT = "import sys; sys.path.append(sys.argv[1]); from orchestrator.engine.upkeep import main; main(*sys.argv[2:])"


def main(root: str, prefix: str) -> None:
    """The child: open the store, read everything, and say so line by line."""

    def say(**what: object) -> None:
        print(json.dumps(what), flush=True)

    try:
        location, cache_bytes = json.load(sys.stdin)
        store = Store.open(Path(root), prefix=prefix, blocks=BlockLocation(location, cache_bytes))
    except StatekError as error:
        say(finding=asdict(Finding(f"the store does not open: {error}")))
        return
    try:
        found = verify(store, JobRepository(), lambda line: say(progress=line))
    finally:
        store.close()
    for finding in found.findings:
        say(finding=asdict(finding))
    counts = asdict(found)
    del counts["findings"]
    say(counts=counts)
