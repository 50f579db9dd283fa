"""The scheduler: who is driven next."""

from __future__ import annotations

import asyncio

from orchestrator.engine.scheduler import Scheduler


class Drives:
    """Records which jobs were driven; each waits until it is released."""

    def __init__(self) -> None:
        self.order: list[int] = []
        self.gates: dict[int, asyncio.Event] = {}
        self.started = asyncio.Event()

    async def __call__(self, number: int) -> None:
        self.order.append(number)
        self.started.set()
        gate = self.gates.get(number)
        if gate is not None:
            await gate.wait()


async def settle(scheduler: Scheduler) -> None:
    while any(scheduler.statistics().values()):
        await asyncio.sleep(0)


async def test_tenants_take_turns_whatever_they_queue() -> None:
    drives = Drives()
    drives.gates[1] = asyncio.Event()
    scheduler = Scheduler(drives, max_concurrency=1)
    scheduler.add(1, "first")
    for number in (2, 3, 4):
        scheduler.add(number, "busy")
    for number in (5, 6):
        scheduler.add(number, "calm")
    drives.gates[1].set()
    await settle(scheduler)
    assert drives.order == [1, 2, 5, 3, 6, 4]


async def test_no_more_than_the_bound_run_at_once() -> None:
    drives = Drives()
    drives.gates = {number: asyncio.Event() for number in range(1, 6)}
    scheduler = Scheduler(drives, max_concurrency=2)
    for number in range(1, 6):
        scheduler.add(number, "t")
    await drives.started.wait()
    assert scheduler.statistics() == {"running": 2, "runnable": 3}
    for gate in drives.gates.values():
        gate.set()
    await settle(scheduler)
    assert drives.order == [1, 2, 3, 4, 5]


async def test_job_added_while_it_is_driven_is_driven_once_more() -> None:
    drives = Drives()
    drives.gates[1] = asyncio.Event()
    scheduler = Scheduler(drives, max_concurrency=1)
    scheduler.add(1, "t")
    await drives.started.wait()
    scheduler.add(1, "t")
    scheduler.add(1, "t")
    drives.gates[1].set()
    await settle(scheduler)
    assert drives.order == [1, 1]


async def test_stop_ends_drivers_and_starts_nothing() -> None:
    drives = Drives()
    drives.gates = {1: asyncio.Event(), 2: asyncio.Event()}
    scheduler = Scheduler(drives, max_concurrency=1)
    scheduler.add(1, "t")
    scheduler.add(2, "t")
    await drives.started.wait()
    await scheduler.stop()
    scheduler.add(3, "t")
    assert drives.order == [1]
