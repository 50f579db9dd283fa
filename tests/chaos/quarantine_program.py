"""Three jobs at once: a step of one kills the orchestrator at every run, a step of another its runner, the third works.

``python -m tests.chaos.quarantine_program DATA_DIR DRIVER STEP`` drives them to their ends; the deadly step is the one
with that number. Prints JSON lines: ``found`` (jobs and steps that the last process left unfinished), ``ended``.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from orchestrator.app import open_store, running_service
from orchestrator.engine.inspection import Inspection
from orchestrator.engine.service import Service
from statek import tool
from statek.agents.agent import SupervisedAgent
from statek.settings import StatekSettings
from statek.testing import ScriptedModel

ROLES = ("killer", "loser", "worker")
STEPS = 8


def say(**what: Any) -> None:
    """One line for the harness."""
    print(json.dumps(what), flush=True)


def replies(deadly: int) -> list[str]:
    """The same script for all three; what ``die`` does is each agent's own."""
    lines = [f"add({number}); total = globals().get('total', 0) + {number}" for number in range(1, STEPS + 1)]
    lines[deadly - 1] = f"die()\n{lines[deadly - 1]}"
    return [f"```python\n{line}\n```" for line in [*lines, "exit(total)"]]


def agents(service_of: list[Service]) -> list[SupervisedAgent]:
    """Agents whose tool ``die`` kills the orchestrator, the runner of its own job, or nobody."""

    @tool(effect="none")
    def add(number: int, **kwargs: object) -> int:
        """Take a number."""
        return number

    async def kill_orchestrator(**kwargs: object) -> None:
        """Kill this process."""
        os.kill(os.getpid(), signal.SIGKILL)

    async def kill_runner(ctx: Any = None, **kwargs: object) -> None:
        """Kill the runner of the job that asks."""
        driver = service_of[0]._drivers[int(ctx.job_id.removeprefix("j"))]
        assert driver._sandbox is not None
        await driver._sandbox._driver.kill(driver._sandbox.runner)

    async def kill_nobody(**kwargs: object) -> None:
        """Kill nobody."""

    made = []
    for role, die in zip(ROLES, (kill_orchestrator, kill_runner, kill_nobody), strict=True):
        die.__name__ = "die"
        tools = [add, tool(effect="none")(die)]
        made.append(SupervisedAgent(role=role, _system_prompt="Work.", _tools=tools, _metadata={"MODEL": "scripted/x"}))
    return made


async def main(data_dir: Path, driver: str, deadly: int) -> None:
    """Drive the jobs of this data directory to their ends."""
    settings = StatekSettings.load({"data_dir": data_dir, "driver": driver, "pool_size": 2}, environ={})
    services: list[Service] = []
    store = await asyncio.to_thread(open_store, settings)
    try:
        known = await Inspection(store).jobs()
        views = [await Inspection(store).job(job.id) for job in known]
        say(found=[[view.summary.role, item.step] for view in views for item in view.items if item.state == "begun"])
        model = ScriptedModel(replies(deadly))
        async with running_service(settings, store, agents(services), model=model) as service:
            services.append(service)
            ids = {job.role: job.id for job in known}
            for role in ROLES:
                if role not in ids:
                    ids[role] = await service.submit(role)
            ended = {role: await service.wait(id_) for role, id_ in ids.items()}
            deaths = [item.step for item in (await service.job(ids["loser"])).items if item.state == "died"]
            say(
                ended={role: [one.status, one.failure, one.exit_status] for role, one in ended.items()},
                deaths=deaths,
            )
    finally:
        await asyncio.to_thread(store.close)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
