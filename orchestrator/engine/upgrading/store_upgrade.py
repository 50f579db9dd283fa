"""A store of an earlier version, made into one of this version.

Everything is done to a copy of the prefix in a folder beside it. The store itself is only read, until the copy is
upgraded, read as a whole and on the disk; then one rename makes it the prefix (``orchestrator.store.replacing``). So a
crash at any point leaves the store as it was, or as it is to be, and a dry run is the same without its last act.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.engine.job_reader import ROOT_TAG
from orchestrator.engine.jobs import JobRepository
from orchestrator.engine.upgrading.chain import due
from orchestrator.engine.verification import verify_records
from orchestrator.store.backup import Backup, BackupSource, write_backup
from orchestrator.store.block_locations import BlockLocation
from orchestrator.store.cloning import clone_prefix
from orchestrator.store.files import copy_synced
from orchestrator.store.guard import GuardPaths, prepare_prefix
from orchestrator.store.lock import Identity, StoreLock
from orchestrator.store.record_form import read_record_form
from orchestrator.store.replacing import finish_replacement, replace_prefix
from orchestrator.store.store import Store
from statek.exceptions import InvalidRequest, NotFound, StoreDamaged, StoreError, StoreFull, StoreVersionError
from statek.records import RECORD_FORMAT

__all__ = ["LOG_REASON", "Upgraded", "upgrade_store"]

Progress = Callable[[str], None]

_FOLDER = "upgrading"
LOG_REASON = "the redo log of a killed process names the process, so that nothing older is taken for a part of it"


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What an upgrade did, or would do.

    Attributes:
        form: of the records before it; None of a store without jobs.
        reasons: what is kept in another way, in the order in which it was changed; empty where nothing is to be done.
        jobs, entries, commits: how many there are, each read after the upgrade.
        backup: what was written before; None for a dry run, and where nothing is to be done.
    """

    form: int | None
    reasons: tuple[str, ...]
    jobs: int = 0
    entries: int = 0
    commits: int = 0
    backup: Backup | None = None


def upgrade_store(root: Path, prefix: str, blocks: BlockLocation, backup: Path | None, progress: Progress) -> Upgraded:
    """Upgrade a store that nobody has open; blocking.

    Args:
        root: its folder.
        prefix: its prefix.
        blocks: where its blocks are.
        backup: folder for the backup that is made first, which does not exist yet; None for a dry run.
        progress: gets a line for whatever takes long.

    Raises:
        NotFound: there is no store.
        StoreLocked: somebody has it open.
        StoreVersionError: a later version wrote it.
        StoreDamaged: it does not read; the store is as it was.
        InvalidRequest: the backup's folder is in use, or there is none to put it into.
        StoreFull: a disk is full; the store is as it was.
    """
    paths = GuardPaths(root / f"{prefix}.db0", root / "statek", prefix)
    if not paths.primary.exists() and not paths.mirror.exists():
        raise NotFound(f"no store at {root} yet; there is nothing to upgrade")
    lock = StoreLock(paths.folder)
    identity = lock.acquire()
    try:
        finish_replacement(paths)
        with _copied(paths, progress) as (clone, had_old_log):
            return _Upgrade(paths, clone, blocks, identity, progress).run(backup, had_old_log=had_old_log)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreFull(f"no space to upgrade the store {root}: {error.strerror}") from error
        raise StoreError(f"the store {root} cannot be upgraded: {error}") from error
    finally:
        lock.release()


@contextmanager
def _copied(paths: GuardPaths, progress: Progress) -> Iterator[tuple[GuardPaths, bool]]:
    """A copy of the prefix as of its last flush, in a folder that is gone afterwards; what a crash left goes, too."""
    work = paths.folder / _FOLDER
    shutil.rmtree(work, ignore_errors=True)
    try:
        progress(f"copying prefix {paths.prefix}")
        clone, had_old_log = clone_prefix(paths, work)
        prepare_prefix(clone)
        yield clone, had_old_log
    finally:
        shutil.rmtree(work, ignore_errors=True)


class _Upgrade:
    """One run, over a copy."""

    def __init__(
        self, paths: GuardPaths, clone: GuardPaths, blocks: BlockLocation, identity: Identity, progress: Progress
    ) -> None:
        self._paths = paths
        self._clone = clone
        self._blocks = blocks
        self._identity = identity
        self._progress = progress

    def run(self, backup: Path | None, *, had_old_log: bool) -> Upgraded:
        """Look, back up, upgrade the copy, read it, put it in place."""
        root, prefix = self._clone.primary.parent, self._clone.prefix
        form = read_record_form(root, prefix, ROOT_TAG)
        if form is not None and form > RECORD_FORMAT:
            raise StoreVersionError(
                f"this store keeps its jobs in form {form}, this version of the service knows forms up to "
                f"{RECORD_FORMAT}; use the later version that wrote it"
            )
        upgrades = due(form) if form is not None else ()
        reasons = (*((LOG_REASON,) if had_old_log else ()), *(upgrade.reason for upgrade in upgrades))
        if not reasons:
            return Upgraded(form, ())
        written = self._back_up(backup, form) if backup is not None else None
        store = Store.open(root, prefix=prefix)
        try:
            for upgrade in upgrades:
                upgrade.apply(store, self._progress)
            found = verify_records(store, JobRepository(), self._progress)
        finally:
            store.close()
        if found.findings:
            first = found.findings[0]
            raise StoreDamaged(
                f"after the upgrade {first.job or 'the store'} does not read ({first.problem}); the store is as it was"
            )
        if written is not None:
            self._progress("putting the upgraded prefix in place")
            replace_prefix(self._paths, self._clone.primary)
        return Upgraded(form, reasons, found.jobs, found.entries, found.commits, written)

    def _back_up(self, folder: Path, form: int | None) -> Backup:
        """Write the store as it is, before anything of the copy is changed."""
        if folder.absolute().is_relative_to(self._clone.primary.parent):
            raise InvalidRequest(f"{folder} is inside the store; choose another place for the backup")

        def copy(target: Path) -> Path:
            copied = target / self._clone.primary.name
            copy_synced(self._clone.primary, copied)
            return copied

        blocks = self._blocks.open(self._paths.folder, self._identity.store_id)
        try:
            source = BackupSource(
                prefix=self._clone.prefix,
                store_id=self._identity.store_id,
                incarnation=self._identity.incarnation,
                record_format=form or RECORD_FORMAT,
                copy_prefix=copy,
                blocks=blocks,
            )
            return write_backup(source, folder, self._progress)
        finally:
            blocks.close()
