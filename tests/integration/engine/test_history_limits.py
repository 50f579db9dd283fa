"""What a job, and a store, may keep: the commit that would go over is refused, everything else stays."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from orchestrator.api.errors import detail_of, error_of
from orchestrator.digests import content_digest
from orchestrator.engine.service import Service
from statek import tool
from statek.exceptions import HistoryFull
from tests.integration.engine.conftest import Open, code, console, crash, steps

pytestmark = pytest.mark.timeout(120)

SCRIPT = [
    code("import random\nrandom.seed(1)\nbig = random.randbytes(100_000)\nprint('one')"),
    code("first = big\nbig = random.randbytes(100_000)\nprint(charge())"),
    code("exit(len(first) + len(big))"),
]
"""Each of the first two steps brings 100 KB."""

ADVICE = "drop commits (statek compact j1 --keep-last N), raise the limit or cancel the job"


@pytest.fixture
def charged() -> list[str]:
    return []


@pytest.fixture
def charge(charged: list[str]) -> object:
    @tool
    def charge(**kwargs: object) -> str:
        """Have an effect outside."""
        charged.append("once")
        return "charged"

    return charge


async def used_bytes(service: Service) -> int:
    """What the commits of the first job take."""
    return await service._store.read(lambda: int(service._jobs.get(1).history_bytes))


async def test_over_the_limit_the_write_is_refused_and_all_history_stays_readable(
    open_with: Open, charge: object, charged: list[str]
) -> None:
    async with open_with(SCRIPT, tools=[charge], history_bytes=150_000) as service:
        id_ = await service.submit("helper", shared_vars={"start": 7})
        refused = await service.wait(id_)
        used = await used_bytes(service)
        assert 100_000 < used < 110_000
        assert refused.reason == f"limit history_bytes is 150000, this needs {used + 100_010}; {ADVICE}"
        assert (refused.status, refused.failure) == ("STARTED", None)
        assert [commit.number for commit in await service.past.commits(id_)] == [0, 1]
        views = [(await service.past.state(id_, at)).variables for at in (0, 1)]
        assert [{view.name for view in seen} for seen in views] == [{"start"}, {"start", "big", "random"}]
        assert console(steps(await service.job(id_))[0]) == ["None", "one"]
        assert [entry.kind for entry in (await service.job(id_)).items] == ["reply", "reply"]
    assert charged == ["once"]

    async with open_with(SCRIPT, tools=[charge], history_bytes="1M") as service:  # the operator raises it
        done = await service.wait(id_)
        assert (done.status, done.reason) == ("DONE", "")
        assert console(steps(await service.job(id_))[1]) == ["charged"]
        assert (await service.job(id_)).summary.exit_status == "200000"
    assert charged == ["once"]


async def test_a_job_that_is_over_is_asked_nothing_more_and_can_be_cancelled(open_with: Open) -> None:
    async with open_with(SCRIPT[:1], history_bytes=150_000) as service:
        id_ = await service.submit("helper")
        await service.wait(id_)  # the model has no more replies; the job fails, its history stays
    async with open_with([code("exit(1)")], history_bytes=50_000) as service:
        await service.push(id_, "Go on.")
        refused = await service.wait(id_)
        used = await used_bytes(service)
        assert refused.reason == f"limit history_bytes is 50000, this needs {used}; {ADVICE}"
        assert service._model.requests == []  # type: ignore[attr-defined]
        ended = await service.cancel(id_, "enough")
        assert (ended.status, ended.failure) == ("DONE", {"kind": "cancelled", "message": "enough"})


async def test_rollback_and_fork_of_a_full_job_are_not_refused(open_with: Open) -> None:
    async with open_with([*SCRIPT[:1], code("exit(1)")], history_bytes=150_000) as service:
        id_ = await service.submit("helper")
        await service.wait(id_)
    async with open_with([code("exit(2)")], history_bytes=50_000) as service:
        assert (await service.past.roll_back(id_, 0)).number == 3
        fork = await service.past.fork(id_, 0)
        await service.wait(fork)
        assert (await service.job(fork)).summary.exit_status == "2"  # its own commits count, not those of its base


async def test_store_limit_refuses_steps_and_submissions(open_with: Open) -> None:
    async with open_with(SCRIPT, store_bytes="1M") as service:
        await service._store.blocks.put_many(_blocks(900_000))
        id_ = await service.submit("helper")
        refused = await service.wait(id_)
        assert refused.reason.startswith("limit store_bytes is 1048576, this needs 1")
        advice = "drop commits (statek compact --all --keep-last N), raise the limit or cancel jobs"
        assert refused.reason.partition("; ")[2] == advice
        await service._store.blocks.put_many(_blocks(1_000_000))
        with pytest.raises(HistoryFull, match="limit store_bytes is 1048576") as caught:
            await service.submit("helper")
        assert (caught.value.limit, caught.value.value) == ("store_bytes", 1 << 20)
        assert caught.value.usage == service._store.prefix_bytes() + service._store.blocks.measured_bytes
        crossed = error_of(detail_of(caught.value).SerializeToString())
        assert (type(crossed), str(crossed)) == (HistoryFull, str(caught.value))
    async with open_with([], store_bytes="1M") as service:  # counted again after a restart
        assert service._store.blocks.measured_bytes == 1_900_000
        with pytest.raises(HistoryFull):
            await service.submit("helper")


async def test_an_import_into_a_full_store_is_refused(open_with: Open, tmp_path: Path) -> None:
    async with open_with(SCRIPT) as service:
        id_ = await service.submit("helper")
        await service.wait(id_)
        size = await asyncio.to_thread(service.porter.export_to_sync, id_, tmp_path / "archive")
    async with open_with(SCRIPT, store_bytes="1M") as service:
        await service._store.blocks.put_many(_blocks(900_000 - size))
        with pytest.raises(HistoryFull, match="limit store_bytes is 1048576"):
            await asyncio.to_thread(service.porter.import_from_sync, tmp_path / "archive")
        assert [summary.id for summary in await service.jobs()] == [id_]


async def test_crash_before_a_refusal_is_noted_repeats_no_effect(
    open_with: Open, charge: object, charged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_with(SCRIPT, tools=[charge], history_bytes=150_000) as service:

        async def die(number: int, reason: str, *, retry: bool = True) -> None:
            service._stalled._stalled[number] = "default"
            service._stalled._changed(number)

        monkeypatch.setattr(service._stalled, "stall", die)
        id_ = await service.submit("helper")
        await service.wait(id_)
        await crash(service)
    async with open_with(SCRIPT, tools=[charge]) as service:
        await service.wait(id_)
        assert (await service.job(id_)).summary.exit_status == "200000"
    assert charged == ["once"]


def _blocks(size: int) -> dict[str, bytes]:
    """A block of that many bytes."""
    data = size.to_bytes(4, "big") * (size // 4)
    return {content_digest(data): data}
