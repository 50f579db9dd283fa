"""Jobs whose larger values are kept in a store of the application, which fails and is slow."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from orchestrator.engine import stalled_jobs
from orchestrator.store.kv import MemoryKV
from statek import tool
from statek.kv_store import IN_MEMORY, register_kv_store
from tests.integration.engine.conftest import Open, code, console, crash, steps

LARGE = "big = bytes(range(256)) * 1000"
"""More than travels in a commit."""


class Shelf(MemoryKV):
    """Outlives the service, as a store elsewhere does; fails or waits as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.failures = 0
        self.go = threading.Event()
        self.go.set()
        self.waiting = threading.Event()

    def set(self, key: str, value: bytes) -> None:
        """Keep a value, if it is not told otherwise."""
        if not self.go.is_set():
            self.waiting.set()
            self.go.wait(60)
        if self.failures:
            self.failures -= 1
            raise ConnectionError("redis://ann:secret@shelf is away")
        super().set(key, value)

    def close(self) -> None:
        """Stay."""


@pytest.fixture
def shelf() -> Shelf:
    kept = Shelf()
    register_kv_store("shelf", lambda url: kept)
    return kept


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stalled_jobs, "_RETRY_SECONDS", 0.05)


@pytest.fixture
def paid() -> list[str]:
    return []


@pytest.fixture
def pay(paid: list[str]) -> Any:
    @tool(effect="external")
    async def pay(name: str, **kwargs: object) -> None:
        """Pay somebody."""
        paid.append(name)

    return pay


async def test_a_job_goes_on_from_a_store_elsewhere_after_a_restart(open_with: Open, shelf: Shelf) -> None:
    asked = asyncio.Event()

    def second(request: object) -> str:
        asked.set()
        return code("exit((len(big), big[:3]))")

    async with open_with([code(LARGE), second], blocks="shelf://", idle_hold_seconds=0.0) as service:
        id_ = await service.submit("helper")
        await asked.wait()
        await crash(service)
    assert len(list(shelf.list("block/"))) > 0
    async with open_with([code(LARGE), second], blocks="shelf://", blocks_cache_bytes=1 << 20) as service:
        summary = await service.wait(id_)
        job = await service.job(id_)
    assert (summary.failure, summary.exit_status) == (None, "(256000,b'\\x00\\x01\\x02')")
    assert job.blocks == "at shelf://, cached on disk (1048576 bytes)"


@pytest.mark.usefixtures("quick_retries")
async def test_a_store_that_fails_delays_a_job_and_nothing_happens_twice(
    open_with: Open, shelf: Shelf, pay: Any, paid: list[str]
) -> None:
    replies = [code(f"pay('ann')\n{LARGE}\nprint('made')"), code("exit(len(big))")]
    async with open_with(replies, tools=[pay], blocks="shelf://") as service:
        shelf.failures = 2
        id_ = await service.submit("helper")
        await service.wait(id_)  # it stalls
        reasons = set()
        while (summary := await service.wait(id_)).status != "DONE":
            reasons.add(summary.reason)
        job = await service.job(id_)
    assert (summary.failure, summary.exit_status, paid) == (None, "256000", ["ann"])
    assert console(steps(job)[0])[-1] == "made"
    assert shelf.failures == 0
    for reason in reasons - {""}:
        assert reason == "the store failed: the block store at shelf:// failed: ConnectionError: redis://shelf is away"


async def test_a_store_that_is_slow_delays_its_job_alone(open_with: Open, shelf: Shelf) -> None:
    def by_job(request: Any) -> str:
        return code(LARGE if request.job_id == "j1" else "exit('small')")

    async with open_with([by_job, code("exit('large')")], blocks="shelf://") as service:
        shelf.go.clear()
        first = await service.submit("helper")
        await asyncio.to_thread(shelf.waiting.wait, 60)
        second = await service.wait(await service.submit("helper"))
        assert (second.exit_status, (await service.job(first)).commits) == ("small", 1)
        shelf.go.set()
        summary = await service.wait(first)
    assert (summary.failure, summary.exit_status) == (None, "large")


async def test_a_crash_between_the_blocks_and_the_flush_that_names_them_loses_nothing(
    open_with: Open, shelf: Shelf, pay: Any, paid: list[str]
) -> None:
    replies = [code(f"pay('ann')\n{LARGE}"), code("exit(len(big))")]
    async with open_with(replies, tools=[pay], blocks="shelf://") as service:
        shelf.go.clear()
        id_ = await service.submit("helper")
        await asyncio.to_thread(shelf.waiting.wait, 60)
        crashing = asyncio.ensure_future(crash(service))
        shelf.go.set()
        await crashing
    async with open_with(replies, tools=[pay], blocks="shelf://") as service:
        summary = await service.wait(id_)
    assert (summary.failure, summary.exit_status, paid) == (None, "256000", ["ann"])


async def test_what_was_in_memory_is_gone_with_the_service_and_the_job_says_so(open_with: Open) -> None:
    asked = asyncio.Event()

    def second(request: object) -> str:
        asked.set()
        return code("exit(len(big))")

    async with open_with([code(LARGE), second], blocks="memory", idle_hold_seconds=0.0) as service:
        id_ = await service.submit("helper")
        await asked.wait()
        assert (service.statistics()["blocks"], (await service.job(id_)).blocks) == (IN_MEMORY, IN_MEMORY)
        await crash(service)
    async with open_with([code(LARGE), second], blocks="memory") as service:
        summary = await service.wait(id_)
    assert summary.failure is not None
    assert summary.failure["kind"] == "restore"
    assert summary.failure["message"].startswith("what the job keeps is gone: no block ")
    assert summary.failure["message"].endswith(f"; blocks are {IN_MEMORY}")


async def test_small_values_need_no_block_store(open_with: Open, shelf: Shelf) -> None:
    async with open_with([code("x = [1]"), code("exit(x)")], blocks="shelf://") as service:
        shelf.failures = 1000
        summary = await service.wait(await service.submit("helper"))
    assert (summary.failure, summary.exit_status) == (None, "[1]")
