"""``python -m tests.replay.killed_upgrade ROOT BACKUP N`` is killed before the nth change of a file of an upgrade.

Files and folders made, renamed, removed and opened for writing below the folder of both count. Where it comes to its
end it says how many changes there were.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from orchestrator.engine.upgrading import upgrade_store
from orchestrator.store.block_locations import BlockLocation

_CHANGES = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"})
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def watch(folder: str, at: int) -> list[int]:
    """Count the changes below a folder, and be killed before that one; gives where the count is."""
    count = [0]

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _CHANGES and not (event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES):
            return
        if not isinstance(arguments[0], str | bytes | os.PathLike) or not os.fsdecode(arguments[0]).startswith(folder):
            return
        count[0] += 1
        if count[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hear)
    return count


def main(root: str, backup: str, at: str) -> None:
    count = watch(str(Path(backup).parent), int(at))
    upgrade_store(Path(root), "default", BlockLocation(), Path(backup), lambda text: None)
    print(count[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
