"""The main job without litellm: same agent, tools, calendar, warmup and transcript; replies come from a script.

``python -m tests.chaos.calendar_program DATA_DIR DRIVER`` goes on with the job that it finds, or makes it. The clock of
the request is fixed, so that two runs must end with equal variables. It prints one JSON object per line: ``found``
(which step an earlier process left unfinished), ``submitted`` and, when the job is done, ``ended``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from examples.calendar_assistant.agent import ROLE, TRANSCRIPT, make_agent, startup_variables
from examples.calendar_assistant.calendar import Calendar
from examples.calendar_assistant.model import Message
from examples.calendar_assistant.setup import find_user, load_entries, make_message, make_user
from examples.calendar_assistant.times import zone_of
from orchestrator.app import open_store, running_service
from orchestrator.engine.inspection import Inspection
from orchestrator.engine.service import Service
from orchestrator.store.store import Store
from statek.settings import StatekSettings
from statek.testing import ScriptedModel, load_transcript

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=zone_of("Europe/Warsaw"))


def say(**what: Any) -> None:
    """One line for the harness."""
    print(json.dumps(what), flush=True)


async def main(data_dir: Path, driver: str) -> None:
    """Drive the job of this data directory to its end."""
    settings = StatekSettings.load({"data_dir": data_dir, "driver": driver, "pool_size": 1}, environ={})
    agent = make_agent(data_dir / "outbox.jsonl", "scripted/calendar")
    model = ScriptedModel(load_transcript(TRANSCRIPT).replies)
    store = await asyncio.to_thread(open_store, settings)
    try:
        jobs = await Inspection(store).jobs()
        if jobs:
            view = await Inspection(store).job(jobs[0].id)
            begun = [item.step for item in view.items if item.state == "begun"]
            say(found=jobs[0].status, step_in_flight=begun[0] if begun else 0)
        async with running_service(settings, store, [agent], model=model) as service:
            say(recovered=True)
            id_ = jobs[0].id if jobs else await submit(service, store)
            await service.wait(id_)
            say(ended=await facts(service, store, id_))
    finally:
        await asyncio.to_thread(store.close)


async def submit(service: Service, store: Store) -> str:
    """Make the calendar and the job, as the example does."""
    entries = (await asyncio.to_thread(load_entries, None, NOW.date())).entries

    def make() -> Message:
        return make_message(make_user(entries), NOW)

    message = await store.write(make)
    variables = await store.read(lambda: startup_variables(message))
    text = await store.read(lambda: str(message.text))
    id_ = await service.submit(ROLE, shared_vars=variables, message=text)
    say(submitted=id_)
    return id_


async def facts(service: Service, store: Store, id_: str) -> dict[str, Any]:
    """What must be the same whatever was killed when."""
    view = await service.job(id_)
    summary = view.summary
    variables = await service.variables(id_)

    def calendar() -> dict[str, Any]:
        user = find_user()
        assert user is not None
        found: Calendar = user.calendar
        return {
            "changes": [str(line) for line in found.changes],
            "events": sorted([str(one.title), str(one.starts_at), str(one.ends_at)] for one in found.events),
        }

    return {
        "status": summary.status,
        "exit_status": summary.exit_status,
        "failure": summary.failure,
        "steps": summary.steps,
        "tier": summary.tier,
        "console": [[list(line) for line in item.console] for item in view.items if item.step],
        "attempts": [item.attempts for item in view.items if item.step],
        "variables": {one.name: [one.preview, one.form] for one in variables},
        "calendar": await store.read(calendar),
    }


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
