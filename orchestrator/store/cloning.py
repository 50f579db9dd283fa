"""A prefix and the files of its guard, copied as they lie to be worked upon, of a store that nobody has open."""

from __future__ import annotations

import os
from pathlib import Path

from orchestrator.store.files import copy_synced
from orchestrator.store.guard import GuardPaths
from orchestrator.store.redo import RedoLog
from orchestrator.store.redo_sessionless import rewrite_sessionless

__all__ = ["clone_prefix"]


def clone_prefix(paths: GuardPaths, root: Path) -> tuple[GuardPaths, bool]:
    """Copy a prefix, with all that says what its last flush was, into a store folder of its own.

    The copy is to be prepared like any prefix that is opened. Its redo log is put into the form of this version.

    Args:
        paths: of the prefix; only read.
        root: folder of the copy, which does not exist.

    Returns:
        The paths of the copy, and whether its redo log had the form of an earlier version.

    Raises:
        OSError: the disk refused.

    Preconditions:
        The store's lock is held, and the prefix is not open.
    """
    clone = GuardPaths(root / paths.primary.name, root / paths.folder.name, paths.prefix)
    clone.folder.mkdir(mode=0o700, parents=True)
    beside = [f"{paths.prefix}.{end}" for end in ("mirror", "sums", "redo.0", "redo.1", "witness", "clean", "creating")]
    for source, target in [(paths.primary, clone.primary), *((paths.folder / n, clone.folder / n) for n in beside)]:
        if source.exists():
            copy_synced(source, target)
            status = source.stat()  # the clean mark names the time of change of the prefix file
            os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    rewritten = [rewrite_sessionless(path) for path in RedoLog(clone.folder, paths.prefix).paths]
    return clone, any(rewritten)
