"""A job whose tool is not idempotent and whose receiver takes everything that it is sent.

``python -m tests.chaos.effects_program DATA_DIR RECEIVER_URL DRIVER`` drives it to its end. A call in doubt is looked
up at the receiver and decided over the API, as an operator would do it. Prints JSON lines like calendar_program.
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

from orchestrator.api.client import StatekClient
from orchestrator.api.server import ApiServer
from orchestrator.app import open_service
from statek import tool
from statek.agents.agent import SupervisedAgent
from statek.settings import StatekSettings
from statek.testing import ScriptedModel

STEPS, PER_STEP = 6, 5


def say(**what: Any) -> None:
    """One line for the harness."""
    print(json.dumps(what), flush=True)


def ask(url: str, body: bytes | None = None) -> str:
    """One HTTP request to the receiver."""
    with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=20) as answer:
        return str(answer.read().decode())


def replies() -> list[str]:
    """Every step delivers some numbers and keeps the receipts."""
    made = ["```python\nreceipts = []\n```"]
    for step in range(STEPS):
        source = (
            f"for number in range({step * PER_STEP}, {(step + 1) * PER_STEP}):\n    receipts.append(deliver(number))"
        )
        made.append(f"```python\n{source}\n```")
    return [*made, "```python\nexit('-'.join(one.split()[1] for one in receipts))\n```"]


async def main(data_dir: Path, receiver: str, driver: str) -> None:
    """Drive the job of this data directory to its end."""

    @tool(effect="external")
    def deliver(number: int, **kwargs: object) -> str:
        """Deliver a number."""
        return ask(f"{receiver}/{number}", b"")

    agent = SupervisedAgent(
        role="courier", _system_prompt="Deliver.", _tools=[deliver], _metadata={"MODEL": "scripted/courier"}
    )
    settings = StatekSettings.load({"data_dir": data_dir, "driver": driver, "pool_size": 1}, environ={})
    async with open_service(settings, [agent], model=ScriptedModel(replies())) as service, ApiServer(service, settings):
        jobs = await service.jobs()
        id_ = jobs[0].id if jobs else await service.submit("courier")
        say(recovered=True)
        with StatekClient(data_dir / "api.sock") as client:
            while (summary := await service.wait(id_)).status == "SUSPENDED":
                await asyncio.to_thread(decide, client, receiver)
        view = await service.job(id_)
        attempts = [item.attempts for item in view.items if item.step]
        say(ended={"status": summary.status, "failure": summary.failure, "exit": summary.exit_status, "runs": attempts})


def decide(client: StatekClient, receiver: str) -> None:
    """Look up at the receiver what became of each call in doubt, and say so to the service."""
    for call in client.calls():
        number = call.arguments.strip("()")
        arrived = ask(f"{receiver}/{number}") != "0"
        if arrived:
            client.resolve(call.job, call.number, "happened", value=f"receipt {number}")
        else:
            client.resolve(call.job, call.number, "retry")
        say(in_doubt=call.name, arrived=arrived)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
