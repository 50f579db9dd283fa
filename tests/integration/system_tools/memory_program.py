"""A service with one job that remembers things; it ends itself by SIGKILL before a chosen flush of its store.

Run as ``python -m tests.integration.system_tools.memory_program DATA_DIR FLUSH``; FLUSH counts from 1, 0 never kills.
It goes on with the job that it finds, and prints what the job remembers and how many flushes there were.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from orchestrator.app import open_service
from orchestrator.store.store import Store
from statek import durable, tool
from statek.agents.agent import SupervisedAgent
from statek.model import ModelReply, ModelRequest
from statek.packing import unpack
from statek.settings import StatekSettings
from statek.shared_context import ContextRootRecord, SharedContext

REPLIES = [
    "shared_context_set_var('ENTITY', 'n', 1, 'a count')\nbump()",
    "shared_context_set_var('ENTITY', 'n', n + 1, 'a count')\nbump()\nprint(n)",
    "exit([n, bump()])",
]


@tool(effect="store")
def bump(ctx: Any = None, **kwargs: object) -> int:
    """Count in the memory of the job."""
    ctx.job.memory_set("bumps", ctx.job.memory_get("bumps", 0) + 1)
    return int(ctx.job.memory_get("bumps"))


class Scripted:
    """Answers by the turn that a request says it is, in whatever process."""

    async def complete(self, request: ModelRequest) -> ModelReply:
        """The reply of that turn."""
        return ModelReply(text=f"```python\n{REPLIES[request.turn]}\n```")


class Flushes:
    """Counts the flushes of every store and kills the process before one of them.

    What survives SIGKILL changes at a flush only: to be killed before each is to be killed in every durable state.
    """

    def __init__(self, fatal: int) -> None:
        self.count = 0
        real = Store._flush_now

        def flush(store: Store) -> None:
            self.count += 1
            if self.count == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            real(store)

        Store._flush_now = flush  # type: ignore[method-assign]


async def main(folder: Path, fatal: int) -> None:
    """Carry the one job to its end."""
    flushes = Flushes(fatal)
    settings = StatekSettings.load({"data_dir": folder, "driver": "process", "pool_size": 1}, environ={})
    agent = SupervisedAgent(
        "helper",
        _system_prompt="Work.",
        _tools=[bump],
        _metadata={"MODEL": "scripted/test"},
        warmup_def="#STATEK: hidden = True\ninit_shared_context('alice', 'team')\nbump()",
    )
    async with open_service(settings, [agent], model=Scripted()) as service:
        jobs = await service.jobs()
        id_ = jobs[0].id if jobs else await service.submit("helper")
        summary = await service.wait(id_)
        counted = flushes.count

        def look() -> dict[str, Any]:
            record = service._jobs.get(1)
            [variable] = SharedContext("team", "alice").variables()
            return {
                "jobs": [id_, len(jobs) or 1],
                "binding": unpack(record.shared_binding),
                "memory": unpack(record.memory),
                "n": variable.value,
                "changes": next(durable.find(ContextRootRecord, "statek-shared-context")).changes,
            }

        found = await service._store.read(look)
    print(json.dumps({"exit": summary.exit_status, "failure": summary.failure, **found, "flushes": counted}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
