"""Compaction: what goes, what stays, what a crash, a running job, a fork or a shared block makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.engine.retention import Choice
from orchestrator.engine.service import Service
from orchestrator.engine.verification import verify
from statek.exceptions import CommitDropped, InvalidRequest, NotFound
from statek.upkeep import Compacted
from tests.integration.engine.conftest import Open, code

pytestmark = pytest.mark.timeout(180)

BIG = 100_000


def big(step: int) -> str:
    """A step that gives one variable 100 KB of its own."""
    return code(f"import random\nrandom.seed({step})\nbig = random.randbytes({BIG})\nstep = {step}")


SCRIPT = [big(1), big(2), big(3), big(4), code("exit(len(big))")]
"""Commits 0 (start) to 5; 1 to 4 bring 100 KB each, 5 changes nothing."""


async def compact(service: Service, *, lines: list[str] | None = None, **choice: Any) -> Compacted:
    async for said in service.retention.compact(Choice(**choice)):
        if isinstance(said, Compacted):
            return said
        if lines is not None:
            lines.append(said)
    raise AssertionError("no result")


async def ended(service: Service, **given: Any) -> str:
    id_ = await service.submit("helper", **given)
    await service.wait(id_)
    return id_


async def steps_seen(service: Service, id_: str) -> dict[int, int | str]:
    """The variable ``step`` as of each commit, or the error."""
    found: dict[int, int | str] = {}
    for commit in await service.past.commits(id_):
        try:
            views = (await service.past.state(id_, commit.number)).variables
            found[commit.number] = next((view.value for view in views if view.name == "step"), 0)  # type: ignore[assignment]
        except CommitDropped as error:
            found[commit.number] = type(error).__name__
    return found


def findings(service: Service) -> list[str]:
    return [found.problem for found in verify(service._store, service._jobs, lambda line: None).findings]


async def test_dry_run_says_what_goes_and_compaction_does_it(open_with: Open) -> None:
    async with open_with(SCRIPT) as service:
        id_ = await ended(service)
        before = await service._store.blocks.size()
        would = await compact(service, id_=id_, keep_last=2, dry_run=True)
        assert await steps_seen(service, id_) == {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 4}
        assert await service._store.blocks.size() == before
        lines: list[str] = []
        done = await compact(service, id_=id_, keep_last=2, lines=lines)
        assert would == Compacted(done.jobs, done.freed_blocks, done.freed_bytes, dry_run=True)
        [job] = done.jobs
        assert (job.job, job.dropped, job.kept) == (id_, (0, 1, 2, 3), 2)
        assert 3 * BIG <= job.freed_bytes <= 3 * BIG + 100
        assert (job.freed_blocks, job.freed_bytes) == (done.freed_blocks, done.freed_bytes)
        after = await service._store.blocks.size()
        assert (before[0] - after[0], before[1] - after[1]) == (done.freed_blocks, done.freed_bytes)
        gone = "CommitDropped"
        assert await steps_seen(service, id_) == {0: gone, 1: gone, 2: gone, 3: gone, 4: 4, 5: 4}
        assert "job j1: 4 commits dropped, 0 left" in lines
        assert findings(service) == []
        assert [item.kind for item in (await service.job(id_)).items] == ["reply"] * 5
        told = [event.payload async for event in service.events(match="commit.dropped", follow=False)]
        assert told == [{"commits": "0-3", "count": 4}]
        kept = await service.past.commits(id_)
        assert [commit.dropped_us > 0 for commit in kept] == [True] * 4 + [False] * 2
    async with open_with(SCRIPT) as service:  # after a restart likewise
        assert await steps_seen(service, id_) == {0: gone, 1: gone, 2: gone, 3: gone, 4: 4, 5: 4}
        again = await compact(service, id_=id_, keep_last=2)
        assert again == Compacted((), 0, 0)


async def test_a_dropped_commit_answers_with_a_named_error(open_with: Open) -> None:
    async with open_with(SCRIPT) as service:
        id_ = await ended(service)
        await compact(service, id_=id_, keep_last=1)
        message = r"^commit 1 of job j1 was dropped by the compaction of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$"
        hash_ = (await service.past.commits(id_))[1].hash
        for ask in (
            lambda: service.past.state(id_, 1),
            lambda: service.past.state(id_, hash_),
            lambda: service.past.diff(id_, 1, 5),
            lambda: service.past.roll_back(id_, 1),
            lambda: service.past.fork(id_, 1),
            lambda: service.past.tag(id_, 1, "old"),
            lambda: service.variables(id_, at=1),
            lambda: service.files(id_, at=1),
        ):
            with pytest.raises(CommitDropped, match=message):
                await ask()
        assert (await service.past.roll_back(id_, 5)).number == 6
        assert (await service.past.fork(id_, 6)) == "j2"


async def test_tagged_commits_and_those_of_forks_stay(open_with: Open) -> None:
    async with open_with(SCRIPT) as service:
        id_ = await ended(service)
        await service.past.tag(id_, 1, "good")
        fork = await service.past.fork(id_, 3)
        await service.wait(fork)
        done = await compact(service, keep_last=1)
        assert [(job.job, job.dropped) for job in done.jobs] == [(id_, (0, 2, 4)), (fork, (4, 5, 6, 7))]
        gone = "CommitDropped"
        assert await steps_seen(service, id_) == {0: gone, 1: 1, 2: gone, 3: 3, 4: gone, 5: 4}
        assert (await steps_seen(service, fork))[1] == 1
        assert findings(service) == []
        done = await compact(service, id_=id_, keep_last=1, keep_tagged=False)
        assert [job.dropped for job in done.jobs] == [(1,)]
        with pytest.raises(CommitDropped):
            await service.past.state(id_, "good")
        assert (await steps_seen(service, fork))[3] == 3


async def test_small_values_of_dropped_commits_stay_where_kept_ones_name_them(open_with: Open) -> None:
    """Blocks that travel in a commit stay in what is left of it, as long as a kept commit or a runner names them."""
    script = [code("first = 'a' * 3000"), code("second = 'b' * 3000"), code("third = 1"), code("del first\nexit(1)")]
    async with open_with(script) as service:
        id_ = await ended(service)
        await service.past.tag(id_, 3, "all")
        await compact(service, id_=id_, keep_last=1)
        values = {view.name: view.value for view in (await service.past.state(id_, "all")).variables}
        assert values == {"first": "a" * 3000, "second": "b" * 3000, "third": 1}
        assert findings(service) == []
        await service.past.untag(id_, "all")
        before = await service._store.read(lambda: sum(map(len, service._jobs.commit(service._jobs.get(1), 1).blocks)))
        await compact(service, id_=id_, keep_last=1)
        after = await service._store.read(lambda: sum(map(len, service._jobs.commit(service._jobs.get(1), 1).blocks)))
        assert (before > 3000, after) == (True, 0)
        values = {view.name: view.value for view in (await service.past.state(id_, 4)).variables}
        assert values == {"second": "b" * 3000, "third": 1}


async def test_blocks_that_another_job_names_stay(open_with: Open) -> None:
    async with open_with(SCRIPT) as service:
        first, second = await ended(service), await ended(service)  # the same values: the same blocks
        done = await compact(service, id_=first, keep_last=1)
        assert [(job.job, job.freed_blocks, job.freed_bytes) for job in done.jobs] == [(first, 0, 0)]
        assert done.freed_blocks == 0
        assert await steps_seen(service, second) == {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 4}
        assert findings(service) == []
        done = await compact(service, keep_last=1)
        assert [job.job for job in done.jobs] == [second]
        assert 3 * BIG <= done.freed_bytes <= 3 * BIG + 100
        assert findings(service) == []


async def test_bad_choices_are_refused_by_name(open_with: Open) -> None:
    async with open_with(SCRIPT[-1:]) as service:
        with pytest.raises(InvalidRequest, match="keep_last must be at least 1, not 0: the newest commit stays"):
            await compact(service, keep_last=0)
        with pytest.raises(NotFound, match=r"job j7 does not exist; this store has 0 job\(s\)"):
            await compact(service, id_="j7")
        with pytest.raises(InvalidRequest, match="is no job id"):
            await compact(service, id_="nothing")
        assert await compact(service) == Compacted((), 0, 0)


async def test_a_job_that_waited_for_room_goes_on_after_compaction(open_with: Open) -> None:
    async with open_with(SCRIPT, history_bytes=250_000) as service:
        id_ = await service.submit("helper")
        full = await service.wait(id_)
        assert full.reason.startswith("limit history_bytes is 250000, this needs 30")
        await compact(service, id_=id_, keep_last=1)
        full = await service.wait(id_)
        assert "history_bytes" in full.reason or full.status == "DONE"
        await service.wait_idle()
        await compact(service, id_=id_, keep_last=1)
        await service.wait_idle()
        summary = (await service.job(id_)).summary
        assert (summary.status, summary.exit_status, summary.reason) == ("DONE", str(BIG), "")
        assert findings(service) == []
