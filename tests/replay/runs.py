"""A folder with the recorded jobs: made and killed by one version, driven to its end by any later one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from orchestrator.app import open_store, running_service
from orchestrator.engine.operator_calls import Resolution, Verdict
from orchestrator.engine.service import Service
from orchestrator.sandboxes.process import UnsafeProcessDriver
from orchestrator.store.store import Store
from statek.future import FutureState, Settlement
from statek.settings import StatekSettings
from tests.replay.jobs import ROLES, SILENT, Script, Tools, facts, make_agents, make_ledger

__all__ = ["make_and_die", "resume"]

IMAGE = "recorded"
"""Recordings name this as their image: the store and the journal are compared, under any version of the runner."""


class _NamedImage(UnsafeProcessDriver):
    async def prepare(self, flavour: str) -> str:
        await super().prepare(flavour)
        return IMAGE


@asynccontextmanager
async def _opened(folder: Path, tools: Tools, model: Script) -> AsyncIterator[tuple[Service, Store]]:
    values = {"data_dir": folder / "d", "pool_size": 2, "idle_hold_seconds": 0}
    settings = StatekSettings.load(values, environ={})
    driver = _NamedImage()
    store = await asyncio.to_thread(open_store, settings)
    try:
        async with running_service(settings, store, make_agents(tools), model=model, driver=driver) as service:
            yield service, store
    finally:
        await asyncio.to_thread(store.close)
        await driver.aclose()


async def make_and_die(folder: Path) -> None:
    """Make the jobs, bring each to where it is to be found, and be killed there. Does not return."""
    tools, model = Tools(folder, recording=True), Script(recording=True)
    async with _opened(folder, tools, model) as (service, store):
        await service.wait(await service.submit("reader"))
        ledger = await store.write(make_ledger)
        ids = {
            role: await service.submit(role, shared_vars=_variables(role, ledger)) for role in ROLES if role != "reader"
        }
        await service.wait(ids["asker"])  # suspended
        while tools.held != {"worker", "payer"} or model.silent != set(SILENT):
            await asyncio.sleep(0.01)
        await store.commit(lambda: None)
        os.kill(os.getpid(), signal.SIGKILL)


def _variables(role: str, ledger: object) -> dict[str, Any]:
    return {"ledger": ledger} if role == "worker" else {}


async def resume(folder: Path) -> dict[str, Any]:
    """Go on with the jobs of a folder until all are done; what is true then."""
    tools, model = Tools(folder, recording=False), Script(recording=False)
    async with _opened(folder, tools, model) as (service, store):
        await service.wait_idle()
        (call,) = await service.calls()
        await service.resolve(call.job, call.number, Resolution(Verdict.HAPPENED, "paid, says the bank"))
        for future in await service.futures():  # a recording from before there were any has none
            if future.state == FutureState.PENDING.value:
                await service.settle_future(future.id, Settlement(FutureState.RESOLVED, {"granted": True}))
        for job in await service.jobs():
            await service.wait(job.id)
        found = await facts(service, store, tools)
    return json.loads(json.dumps(found))  # as they are read back from a file
