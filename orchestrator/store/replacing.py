"""A prefix replaced by another one as a whole: after a crash at any point the store has the old one or the new one.

The new prefix file is made elsewhere and put into a folder, and the folder gets the name ``replacement`` when all of it
is on the disk: that one rename is the moment. Whoever opens the store next, the one that replaced it or the start after
a crash, puts the file in the place of prefix and mirror and clears what belonged to the old one; doing so again does no
harm, and the folder goes last. The blocks are not touched.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from orchestrator.store.files import copy_synced, sync_directory
from orchestrator.store.guard import GuardPaths
from orchestrator.store.redo import RedoLog

__all__ = ["finish_replacement", "replace_prefix"]

_FOLDER = "replacement"
_GROWING = "replacement.growing"
_GOING = "replacement.going"


def replace_prefix(paths: GuardPaths, fresh: Path) -> None:
    """Let another file be the prefix.

    Args:
        paths: of the prefix that is replaced.
        fresh: a prefix file that was closed; it is left where it is.

    Raises:
        OSError: the disk refused; the store has the old prefix, or the next start finishes the new one.

    Preconditions:
        The store's lock is held, and the prefix is not open.
    """
    growing = paths.folder / _GROWING
    shutil.rmtree(growing, ignore_errors=True)
    growing.mkdir(mode=0o700)
    copy_synced(fresh, growing / paths.primary.name)
    sync_directory(growing)
    growing.replace(paths.folder / _FOLDER)
    sync_directory(paths.folder)
    finish_replacement(paths)


def finish_replacement(paths: GuardPaths) -> bool:
    """Put a new prefix in its place, if one waits; gives whether one did.

    Raises:
        OSError: the disk refused; it is to be done again.

    Preconditions:
        The store's lock is held, and the prefix is not open.
    """
    going, folder = paths.folder / _GOING, paths.folder / _FOLDER
    for leftover in (going, paths.folder / _GROWING):
        shutil.rmtree(leftover, ignore_errors=True)
    if not folder.exists():
        return False
    # What is told apart from damage by sums, witness and log is the old prefix; without them the mirror is believed.
    sums = paths.mirror.with_suffix(".sums")
    for path in (paths.clean, paths.creating, sums, paths.witness, *RedoLog(paths.folder, paths.prefix).paths):
        path.unlink(missing_ok=True)
    sync_directory(paths.folder)
    for target in (paths.mirror, paths.primary):
        fresh = target.with_name(f"{target.name}.new")
        fresh.unlink(missing_ok=True)
        copy_synced(folder / paths.primary.name, fresh)
        fresh.replace(target)
        sync_directory(target.parent)
    folder.replace(going)
    sync_directory(paths.folder)
    shutil.rmtree(going, ignore_errors=True)
    return True
