"""One life of an orchestrator: opens the data directory, does the errands to their end unless it is killed before.

Runs in a process that the fork server of ``tests.chaos.lives`` made.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.app import open_store, running_service
from orchestrator.engine.inspection import Inspection
from orchestrator.engine.job_reader import job_number
from orchestrator.engine.jobs import JobRepository
from orchestrator.engine.service import Service
from orchestrator.sandboxes.docker import DockerDriver
from orchestrator.store.store import Store
from statek.settings import StatekSettings
from tests.chaos.errands import ROLE, Errands, answer_people, noted, settle_futures
from tests.chaos.observer import Fault, Observer
from tests.chaos.points import digest_of, watch

__all__ = ["LifePlan", "facts_of", "live", "reopen"]

HOLD_SECONDS = 0.8


@dataclass(frozen=True, slots=True)
class LifePlan:
    """What a process is told.

    Attributes:
        folder: data directory ``d``, log ``said``, output ``stderr``.
        url: of the receiver.
        jobs: how many there are to be.
        faults: in their order.
        spares_found: whether the orchestrator is killed only after the steps that it found in flight have ended.
        engine: address of the Docker engine that makes the runners; empty for bubblewrap.
        engine_pid: its process.
    """

    folder: Path
    url: str
    jobs: int
    faults: tuple[Fault, ...]
    spares_found: bool = True
    engine: str = ""
    engine_pid: int = 0

    @property
    def settings(self) -> StatekSettings:
        """Settings of the service."""
        values = {
            "data_dir": self.folder / "d",
            "driver": "docker" if self.engine else "bubblewrap",
            "pool_size": 2,
            "max_runners": 6,
            "idle_hold_seconds": HOLD_SECONDS,
            "max_turns": 60,
            "max_exceptions": 60,
            "max_consecutive_exceptions": 60,
        }
        return StatekSettings.load(values, environ={})


def live(plan: LifePlan) -> None:
    """The whole of it; ends the process."""
    _redirect(plan.folder)
    observer = Observer(list(plan.faults), plan.folder / "said", plan.folder / "d", plan.engine_pid)
    observer.say(born=os.getpid())
    watch(observer, plan.folder / "d")
    asyncio.run(_live(plan, observer))


def _redirect(folder: Path) -> None:
    """Send what this process says to a file."""
    errors = os.open(folder / "stderr", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(errors, 1)
    os.dup2(errors, 2)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)


async def _live(plan: LifePlan, observer: Observer) -> None:
    store = await asyncio.to_thread(open_store, plan.settings)
    try:
        known = await Inspection(store).jobs()
        views = [await Inspection(store).job(job.id) for job in known]
        begun = [(view.summary.id, item.step) for view in views for item in view.items if item.state == "begun"]
        observer.say(found=begun)
        if plan.spares_found:
            observer.unsettled = {(job_number(id_), step) for id_, step in begun}
        errands = Errands(plan.url, observer.hit)
        driver = DockerDriver(plan.engine) if plan.engine else None
        async with running_service(
            plan.settings, store, [errands.agent], model=errands.model, driver=driver
        ) as service:
            observer.say(running=True)
            ids = sorted(job.id for job in known)
            while len(ids) < plan.jobs:
                ids.append(await service.submit(ROLE))
                observer.say(submitted=ids[-1])
            await asyncio.gather(*(_see_through(service, errands, observer, id_) for id_ in ids))
        if driver is not None:
            await driver.aclose()
        observer.say(ended=await facts_of(store), visits=observer.visits)
    finally:
        await asyncio.to_thread(store.close)
    observer.say(closed=True)


async def _see_through(service: Service, errands: Errands, observer: Observer, id_: str) -> None:
    """Return when a job is done."""
    if job_number(id_) % 2:
        asker = asyncio.create_task(_answer_at_once(service, id_))
    while (summary := await service.wait(id_)).status != "DONE":
        if summary.status == "SUSPENDED":
            for arrived in await answer_people(service, errands, id_):
                observer.say(in_doubt=arrived)
        else:
            await asyncio.sleep(0.05)  # it got no sandbox, or the disk was full: it is tried again
    if job_number(id_) % 2:
        asker.cancel()


async def _answer_at_once(service: Service, id_: str) -> None:
    """Settle what a job waits for while its sandbox is still held."""
    while True:
        await settle_futures(service, id_)
        await asyncio.sleep(0.02)


def reopen(folder: Path) -> None:
    """Open a store once more and say what it holds; ends the process."""
    _redirect(folder)
    asyncio.run(_reopen(folder))


async def _reopen(folder: Path) -> None:
    settings = LifePlan(folder, "", 0, ()).settings
    observer = Observer([], folder / "said", folder / "d")
    store = await asyncio.to_thread(open_store, settings)
    try:
        observer.say(reopened=await facts_of(store))
    finally:
        await asyncio.to_thread(store.close)


async def facts_of(store: Store) -> dict[str, Any]:
    """Everything that a store says of its jobs, for comparing."""
    inspection = Inspection(store)
    jobs: dict[str, Any] = {}
    for summary in await inspection.jobs():
        view = await inspection.job(summary.id)
        jobs[summary.id] = {
            "status": summary.status,
            "failure": summary.failure,
            "exit": summary.exit_status,
            "steps": {
                str(item.step): [item.state, digest_of([item.state, [list(element) for element in item.console]])]
                for item in view.items
                if item.step
            },
            "printed": [
                int(text)
                for item in view.items
                if item.step and item.state == "committed"
                for kind, text in item.console
                if kind == "print" and text.strip().isdigit()
            ],
            "variables": {one.name: one.preview for one in await inspection.variables(summary.id)},
            "files": [[one.path, one.size_bytes] for one in await inspection.files(summary.id)],
        }
    wanted = await store.read(_stored_blocks)
    blocks = await store.blocks.get_many(wanted)
    return {"jobs": jobs, "ledger": await store.read(noted), "blocks": sorted(blocks)}


def _stored_blocks() -> list[str]:
    """Digests of the blocks that newest commits have in the block store (store thread)."""
    jobs = JobRepository()
    root = jobs.root()
    found: list[str] = []
    for record in list(root.jobs) if root is not None else []:
        places = jobs.workspace(record, jobs.commit_count(record) - 1).places
        found += [digest for digest, place in places.items() if place.commit < 0]
    return sorted(set(found))
