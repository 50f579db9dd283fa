from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from orchestrator.sandboxes.driver import RunnerRef, RunnerSpec, Tier
from orchestrator.sandboxes.pool import Pool
from statek.exceptions import InvalidRequest, LimitExceeded, RunnerLost
from tests.support.scripted_runner import Script, ScriptedDriver


@asynccontextmanager
async def running(driver: ScriptedDriver, folder: Path, **options: Any) -> AsyncIterator[Pool]:
    arguments: dict[str, Any] = {"size": 1, "max_runners": 3, "store_id": "s", "incarnation": 5, **options}
    pool = Pool(driver, socket_dir=folder, **arguments)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.aclose()
        await driver.aclose()


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until the condition holds; the test's own timeout ends a wait that never does."""
    while not condition():
        await asyncio.sleep(0.001)


async def test_pool_fills_to_its_size_and_again_after_a_claim(tmp_path: Path) -> None:
    driver = ScriptedDriver()
    async with running(driver, tmp_path, size=2, max_runners=5) as pool:
        await pool.wait_warm(2, timeout=5)
        first = await pool.claim(timeout=5)
        assert first.runner.runner_id in driver.started[:2]
        assert (first.tier, first.image_digest) == (Tier.PROCESS, "digest-of-base")
        await pool.wait_warm(2, timeout=5)
        now = pool.statistics()
        assert (now.warm, now.claimed, now.started, now.failed) == (2, 1, 3, 0)


class GatedDriver(ScriptedDriver):
    """Starts only while the gate is open; knows how many starts are under way."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.starting = 0

    async def start(self, spec: RunnerSpec) -> RunnerRef:
        self.starting += 1
        try:
            await self.gate.wait()
            return await super().start(spec)
        finally:
            self.starting -= 1


async def test_starts_go_side_by_side_until_jobs_work_and_one_at_a_time_then(tmp_path: Path) -> None:
    driver = GatedDriver()
    async with running(driver, tmp_path, size=3, max_runners=9) as pool:
        await until(lambda: driver.starting == 2)
        driver.gate.set()
        await pool.wait_warm(3, timeout=5)
        driver.gate.clear()
        for _ in range(3):
            await pool.claim(timeout=5)
        await until(lambda: driver.starting == 1)
        # Three are missing and the refill has been asked for three times; it has had its turns to begin a second.
        for _ in range(100):
            await asyncio.sleep(0)
        assert (driver.starting, pool.statistics().starting) == (1, 1)
        driver.gate.set()
        await pool.wait_warm(3, timeout=5)


async def test_a_claim_that_waits_does_not_wait_for_the_rest(tmp_path: Path) -> None:
    driver = GatedDriver()
    driver.gate.set()
    async with running(driver, tmp_path, size=1, max_runners=9) as pool:
        await pool.wait_warm(1, timeout=5)
        await pool.claim(timeout=5)
        driver.gate.clear()
        await until(lambda: driver.starting == 1)
        waiting = [asyncio.create_task(pool.claim(timeout=5)) for _ in range(2)]
        await until(lambda: driver.starting == 2)
        driver.gate.set()
        sandboxes = await asyncio.gather(*waiting)
        assert len({sandbox.runner.runner_id for sandbox in sandboxes}) == 2


async def test_claim_of_an_empty_pool_starts_a_runner(tmp_path: Path) -> None:
    async with running(ScriptedDriver(), tmp_path, size=0) as pool:
        sandbox = await pool.claim(timeout=5)
        assert pool.statistics().claimed == 1
        await pool.destroy(sandbox)
        await until(lambda: pool.statistics().destroying == 0)
        assert (pool.statistics().claimed, pool.statistics().warm) == (0, 0)


async def test_cap_holds_and_waiters_are_served_in_order(tmp_path: Path) -> None:
    driver = ScriptedDriver()
    async with running(driver, tmp_path, size=1, max_runners=1) as pool:
        held = [await pool.claim(timeout=5)]
        served: list[int] = []

        async def wait_for_one(number: int) -> None:
            sandbox = await pool.claim(timeout=10)
            served.append(number)
            await pool.destroy(sandbox)

        waiting = []
        for number in range(4):
            waiting.append(asyncio.create_task(wait_for_one(number)))
            await until(lambda expected=number + 1: pool.statistics().waiting == expected)
        assert served == []
        for sandbox in held:
            await pool.destroy(sandbox)
        await asyncio.gather(*waiting)
        assert (served, driver.most_alive) == ([0, 1, 2, 3], 1)


async def test_claim_beyond_the_cap_names_the_limit(tmp_path: Path) -> None:
    async with running(ScriptedDriver(), tmp_path, size=0, max_runners=1) as pool:
        await pool.claim(timeout=5)
        with pytest.raises(LimitExceeded) as caught:
            await pool.claim(timeout=0.05)
        assert str(caught.value) == "limit concurrent_runners is 1, this needs 2; none became free in 0.05 s"
        assert pool.statistics().waiting == 0


async def test_runner_that_does_not_answer_its_claim_is_replaced(tmp_path: Path) -> None:
    driver = ScriptedDriver(script=lambda number: Script(ready=number != 0))
    async with running(driver, tmp_path, ready_seconds=0.1) as pool:
        await pool.wait_warm(1, timeout=5)
        sandbox = await pool.claim(timeout=5)
        assert sandbox.runner.runner_id == driver.started[1]
        await until(lambda: driver.started[0] in driver.killed)
        assert pool.statistics().replaced == 1


async def test_claim_ends_when_no_runner_ever_answers(tmp_path: Path) -> None:
    driver = ScriptedDriver(script=lambda number: Script(ready=False))
    async with running(driver, tmp_path, ready_seconds=0.05) as pool:
        with pytest.raises(RunnerLost) as caught:
            await pool.claim(timeout=10)
        assert str(caught.value) == "3 fresh runners in a row did not answer their claim"


async def test_refused_start_fails_the_waiting_claim_with_the_reason(tmp_path: Path) -> None:
    driver = ScriptedDriver(script=lambda number: Script(refuse=True))
    async with running(driver, tmp_path, size=0) as pool:
        with pytest.raises(RunnerLost) as caught:
            await pool.claim(timeout=5)
        assert str(caught.value) == "no runner could be started: the engine refused: script"


async def test_pool_recovers_when_the_engine_does(tmp_path: Path) -> None:
    driver = ScriptedDriver(script=lambda number: Script(refuse=number < 2))
    async with running(driver, tmp_path) as pool:
        await pool.wait_warm(1, timeout=10)
        now = pool.statistics()
        assert (now.warm, now.started, now.failed) == (1, 1, 2)


async def test_silent_runner_is_ended_and_replaced(tmp_path: Path) -> None:
    driver = ScriptedDriver(script=lambda number: Script(hello=number != 0))
    async with running(driver, tmp_path, hello_seconds=0.1) as pool:
        await pool.wait_warm(1, timeout=5)
        await until(lambda: driver.killed == [driver.started[0]])
        assert list(driver.alive) == [driver.started[1]]


async def test_runner_that_dies_at_its_start_is_noticed_at_once(tmp_path: Path) -> None:
    driver = ScriptedDriver(script=lambda number: Script(dies=number == 0))
    async with running(driver, tmp_path, size=0, hello_seconds=1000.0) as pool:
        with pytest.raises(RunnerLost) as caught:
            await pool.claim(timeout=900)
        assert str(caught.value) == "no runner could be started: it died at its start: its script is over"
        await pool.claim(timeout=5)


async def test_warm_runner_that_dies_is_replaced(tmp_path: Path) -> None:
    driver = ScriptedDriver()
    async with running(driver, tmp_path) as pool:
        await pool.wait_warm(1, timeout=5)
        driver.alive[driver.started[0]].cancel()
        await until(lambda: len(driver.started) == 2)
        await pool.wait_warm(1, timeout=5)
        sandbox = await pool.claim(timeout=5)
        assert sandbox.runner.runner_id == driver.started[1]


async def test_claimed_runner_that_dies_gives_its_place_back(tmp_path: Path) -> None:
    driver = ScriptedDriver()
    async with running(driver, tmp_path, size=0, max_runners=1) as pool:
        first = await pool.claim(timeout=5)
        driver.alive[first.runner.runner_id].cancel()
        second = await pool.claim(timeout=5)
        assert second.runner.runner_id == driver.started[1]
        await pool.destroy(first)
        assert pool.statistics().claimed == 1


async def test_destroy_does_not_wait_but_counts_until_all_is_gone(tmp_path: Path) -> None:
    driver = ScriptedDriver()
    async with running(driver, tmp_path, size=0, max_runners=1) as pool:
        sandbox = await pool.claim(timeout=5)
        driver.kill_gate.clear()
        await pool.destroy(sandbox)
        await pool.destroy(sandbox)
        assert (pool.statistics().claimed, pool.statistics().destroying) == (0, 1)
        with pytest.raises(LimitExceeded):
            await pool.claim(timeout=0.05)
        driver.kill_gate.set()
        await pool.claim(timeout=5)
        assert sorted(path.name for path in tmp_path.iterdir()) == [f"{driver.started[1]}.sock"]


async def test_older_incarnations_are_ended_at_the_start_and_newer_ones_left(tmp_path: Path) -> None:
    orphans = [
        RunnerRef("scripted", name, name, incarnation) for name, incarnation in (("old", 4), ("new", 6), ("lost", 5))
    ]
    driver = ScriptedDriver(orphans=orphans)
    (tmp_path / "old.sock").touch()
    async with running(driver, tmp_path, size=0) as pool:
        assert driver.orphans == [orphans[1]]
        assert pool.statistics().orphans == 2
        assert not (tmp_path / "old.sock").exists()


async def test_scan_ends_what_nobody_owns_and_nothing_else(tmp_path: Path) -> None:
    driver = ScriptedDriver()
    async with running(driver, tmp_path, scan_seconds=0.02) as pool:
        await pool.wait_warm(1, timeout=5)
        held = await pool.claim(timeout=5)
        await pool.wait_warm(1, timeout=5)
        driver.orphans.append(RunnerRef("scripted", "stray", "stray", 5))
        await until(lambda: driver.orphans == [])
        assert (driver.killed, pool.statistics().orphans) == ([], 1)
        assert held.runner.runner_id in driver.alive


async def test_a_close_ends_what_a_start_left_that_failed_half_way(tmp_path: Path) -> None:
    driver = ScriptedDriver(script=lambda number: Script(refuse=True))
    async with running(driver, tmp_path, size=0, max_runners=1) as pool:
        with pytest.raises(RunnerLost):
            await pool.claim(timeout=5)
        # As an engine leaves one that was killed between making and telling.
        driver.orphans.append(RunnerRef("scripted", "half", "half", 5))
    assert (driver.orphans, pool.statistics().orphans) == ([], 1)


async def test_cancelled_claim_gives_its_runner_to_the_next(tmp_path: Path) -> None:
    driver = ScriptedDriver()
    async with running(driver, tmp_path, size=0, max_runners=1) as pool:
        first = asyncio.create_task(pool.claim(timeout=5))
        await until(lambda: pool.statistics().waiting == 1)
        first.cancel()
        sandbox = await pool.claim(timeout=5)
        assert (sandbox.runner.runner_id, len(driver.started)) == (driver.started[0], 1)


async def test_close_ends_every_runner_and_every_wait(tmp_path: Path) -> None:
    driver = ScriptedDriver()
    pool = Pool(driver, size=1, max_runners=2, socket_dir=tmp_path, store_id="s", incarnation=1)
    await pool.start()
    await pool.claim(timeout=5)
    await pool.claim(timeout=5)
    waiting = asyncio.create_task(pool.claim(timeout=30))
    await until(lambda: pool.statistics().waiting == 1)
    await pool.aclose()
    with pytest.raises(RunnerLost, match=r"^the pool is closed$"):
        await waiting
    with pytest.raises(RunnerLost, match=r"^the pool is closed$"):
        await pool.claim(timeout=1)
    assert (driver.alive, sorted(tmp_path.iterdir())) == ({}, [])
    await pool.aclose()


async def test_socket_folder_is_the_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    async with running(ScriptedDriver(), folder, size=0):
        assert oct(folder.stat().st_mode & 0o777) == "0o700"


@pytest.mark.parametrize(("size", "cap"), [(2, 1), (-1, 1), (0, 0)])
def test_sizes_that_make_no_sense_are_refused(tmp_path: Path, size: int, cap: int) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Pool(ScriptedDriver(), size=size, max_runners=cap, socket_dir=tmp_path, store_id="s", incarnation=1)
    assert str(caught.value) == f"a pool of {size} warm runners and at most {cap} in all makes no sense"
