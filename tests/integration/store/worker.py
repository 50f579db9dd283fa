"""A process that commits in a tight loop and says what was acknowledged.

Arguments: ROOT, whether to track writes, and optionally after how many bytes a log file is switched.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import dbzero

from orchestrator.digests import content_digest
from orchestrator.store import Store, guard


@dbzero.memo(id="tests.store.Root")
class Root:
    def __init__(self) -> None:
        self.number = 0
        self.items = []
        self.names = {}


def root_of(store: Store) -> Root:
    def get() -> Root:
        found = list(dbzero.find(Root, "root"))
        if found:
            return found[0]
        made = Root()
        dbzero.tags(made).add("root")
        return made

    return store.write_sync(get)


def main(root: str, track: str, log_bytes: str = "") -> None:
    if log_bytes:
        guard.APPLY_AT, guard.FILL_AT = int(log_bytes), int(log_bytes) // 4
    store = Store.open(Path(root), track=track == "1")
    top = root_of(store)

    def step() -> int:
        top.number += 1
        top.items.append("x" * (top.number % 300))
        top.names[f"name{top.number % 97}"] = top.number
        return top.number

    os.write(1, b"open\n")
    while True:
        number = store.commit_sync(step)
        data = b"%d" % number
        if number % 10 == 0:
            store.blocks.put_many_sync({content_digest(data): data})
        os.write(1, b"%d\n" % number)


if __name__ == "__main__":
    main(*sys.argv[1:])
