"""``python -m tests.integration.store.killed_restore BACKUP ROOT BLOCKS N`` is killed before the nth change of a file.

Where the restore comes to its end it says how many changes there were. See ``tests.replay.killed_upgrade``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator.store.backup import restore_backup
from orchestrator.store.block_locations import BlockLocation
from tests.replay.killed_upgrade import watch


def main(backup: str, root: str, blocks: str, at: str) -> None:
    count = watch(str(Path(root).parent), int(at))
    restore_backup(Path(backup), Path(root), lambda text: None, BlockLocation(blocks))
    print(count[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
