"""Compaction while jobs go on, beside tags, forks and rollbacks, and cut off at each of its writes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.engine import retention
from orchestrator.engine.service import Service
from statek.exceptions import CommitDropped, StoreDamaged
from statek.model import ModelReply, ModelRequest
from statek.upkeep import Compacted
from tests.integration.engine.conftest import Open, agent, code
from tests.integration.engine.test_retention import BIG, SCRIPT, big, compact, ended, findings, steps_seen

pytestmark = pytest.mark.timeout(240)

GONE = "CommitDropped"


class GatedModel:
    """Answers by a script; before the reply of one turn it waits to be let go.

    Args:
        replies: by turn.
        turn: the turn.
    """

    def __init__(self, replies: list[str], turn: int) -> None:
        self._replies = replies
        self._turn = turn
        self.asked = asyncio.Event()
        self.go = asyncio.Event()

    async def complete(self, request: ModelRequest) -> ModelReply:
        """The reply of a turn."""
        if request.turn == self._turn:
            self.asked.set()
            await self.go.wait()
        return ModelReply(text=self._replies[request.turn])


@pytest.mark.parametrize("size", [3000, 50_000], ids=["in a commit", "stored"])
async def test_a_runner_names_again_what_only_dropped_commits_named(open_agents: Open, size: int) -> None:
    """An executor sends a block once; a value that comes back is named by what it was then."""
    replies = [code(f"v = 'a' * {size}"), code(f"v = 'b' * {size}"), code(f"v = 'a' * {size}"), code("exit(len(v))")]
    model = GatedModel(replies, 2)
    async with open_agents([agent("helper")], model) as service:
        id_ = await service.submit("helper")
        await model.asked.wait()
        [job] = (await compact(service, id_=id_, keep_last=1)).jobs
        assert job.dropped == (0, 1)
        model.go.set()
        await service.wait(id_)
        values = {view.name: view.value for view in (await service.past.state(id_)).variables}
        assert values == {"v": "a" * size}
        assert findings(service) == []
    async with open_agents([agent("helper")], model) as service:  # no runner holds anything any more
        await compact(service, id_=id_, keep_last=1)
        values = {view.name: view.value for view in (await service.past.state(id_)).variables}
        assert values == {"v": "a" * size}
        assert findings(service) == []


async def test_blocks_that_are_put_while_a_collection_runs_stay(
    open_with: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_with(SCRIPT) as service:
        first = await ended(service)
        loop, second = asyncio.get_running_loop(), list[str]()
        remove = service._store.blocks.remove_unnamed_sync

        def remove_late(digests: Any) -> tuple[int, int]:
            if not second:  # what is about to be removed is made again by another job
                second.append(asyncio.run_coroutine_threadsafe(ended(service), loop).result(60))
            return remove(digests)

        monkeypatch.setattr(service._store.blocks, "remove_unnamed_sync", remove_late)
        done = await compact(service, id_=first, keep_last=1)
        assert (done.jobs[0].freed_bytes > 3 * BIG, done.freed_blocks) == (True, 0)
        assert await steps_seen(service, second[0]) == {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 4}
        assert findings(service) == []


async def test_blocks_that_a_step_has_put_and_not_named_yet_stay(
    open_with: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flush of a commit comes after its blocks; a collection in between finds nothing that names them."""
    async with open_with([big(1), code("exit(1)")]) as service:
        commit, seen = service._durability._commit, list[Compacted]()

        async def slow_commit(change: Callable[[], Any]) -> Any:
            if not seen and (await service._store.blocks.size())[0]:
                seen.append(await compact(service, keep_last=1))
            return await commit(change)

        monkeypatch.setattr(service._durability, "_commit", slow_commit)
        id_ = await ended(service)
        assert seen == [Compacted((), 0, 0)]
        assert (await steps_seen(service, id_))[1] == 1
        assert findings(service) == []


async def test_tags_forks_and_rollbacks_that_come_meanwhile_count(
    open_with: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_with(SCRIPT) as service:
        id_ = await ended(service)
        drop, meanwhile = retention._Compaction._drop, list[str]()

        def late(self: Any, number: int, *rest: Any) -> list[int]:
            if not meanwhile:
                service.past.tag_sync(id_, 1, "late")
                meanwhile.append(service.past.fork_sync(id_, 2))
                assert service.past.roll_back_sync(id_, 3).number == 6
            return drop(self, number, *rest)

        monkeypatch.setattr(retention._Compaction, "_drop", late)
        done = await compact(service, id_=id_, keep_last=1)
        assert [job.dropped for job in done.jobs] == [(0, 3, 4)]
        assert await steps_seen(service, id_) == {0: GONE, 1: 1, 2: 2, 3: GONE, 4: GONE, 5: 4, 6: 3}
        await service.wait(meanwhile[0])
        assert (await steps_seen(service, meanwhile[0]))[2] == 2
        assert findings(service) == []


async def test_a_job_at_work_is_compacted_and_goes_on(open_with: Open) -> None:
    script = [big(step) for step in range(30)] + [code("exit(step)")]
    async with open_with(script) as service:
        id_ = await service.submit("helper")
        waiting = asyncio.ensure_future(service.wait(id_))
        while not waiting.done():
            await compact(service, id_=id_, keep_last=3)
        assert (await service.job(id_)).summary.exit_status == "29"
        await compact(service, id_=id_, keep_last=3)
        seen = await steps_seen(service, id_)
        assert [seen[number] for number in (28, 29, 30, 31)] == [GONE, 28, 29, 29]
        assert findings(service) == []
        assert 2 * BIG <= (await service._store.blocks.size())[1] <= 2 * BIG + 100


class Killed(Exception):
    """Stands for the death of the process at a write."""


async def test_cut_off_at_each_write_it_leaves_whole_commits_or_dropped_ones(
    open_with: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_VISIT_COMMITS", 1)
    ends = 0
    for fatal in range(1, 100):
        async with open_with(SCRIPT) as service:
            id_ = await ended(service)
            await service.past.tag(id_, 2, "good")
            try:
                await _compact_until(service, fatal, id_)
                ends += 1
            except Killed:
                pass
        async with open_with(SCRIPT) as service:
            seen = await steps_seen(service, id_)
            assert (seen[2], seen[5]) == (2, 4)
            assert all(seen[number] in {GONE, number} for number in (1, 3, 4))
            assert findings(service) == []
            await compact(service, id_=id_, keep_last=1)
            assert await steps_seen(service, id_) == {0: GONE, 1: GONE, 2: 2, 3: GONE, 4: GONE, 5: 4}
            assert findings(service) == []
            await compact(service, keep_last=1, keep_tagged=False)
            assert BIG <= (await service._store.blocks.size())[1] <= BIG + 100
        if ends:
            break
    assert fatal > 7  # four marks, a recount, two removals


async def _compact_until(service: Service, fatal: int, id_: str) -> None:
    """Compact one job, and die after so many writes."""
    store, writes = service._store, 0

    def counted(write: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            nonlocal writes
            writes += 1
            if writes == fatal:
                raise Killed
            done = write(*args)
            writes += 1
            if writes == fatal:
                raise Killed
            return done

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "commit_sync", counted(store.commit_sync))
        patch.setattr(store.blocks, "remove_unnamed_sync", counted(store.blocks.remove_unnamed_sync))
        patch.setattr(store.blocks, "shrink_sync", counted(store.blocks.shrink_sync))
        await compact(service, id_=id_, keep_last=1)


async def test_a_commit_that_does_not_read_stops_it_before_anything_goes(
    open_with: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_with(SCRIPT) as service:
        id_ = await ended(service)
        before = await service._store.blocks.size()

        def spoil() -> None:
            record = service._jobs.get(1)
            record.commits[3] = record.commits[3][:40]

        await service._store.commit(spoil)
        with pytest.raises(StoreDamaged, match="commit 3 does not read"):
            await compact(service, keep_last=1)
        assert await service._store.blocks.size() == before
        assert (await service.past.state(id_, 1)).commit.dropped_us == 0


async def test_a_backup_is_waited_for(open_with: Open, tmp_path: Path) -> None:
    async with open_with(SCRIPT) as service:
        await ended(service)
        lines: list[str] = []
        service._store.blocks.kept.acquire()
        compaction = asyncio.ensure_future(compact(service, lines=lines, keep_last=1))
        while not lines:
            await asyncio.wait({compaction}, timeout=0.01)
        assert lines == ["waiting for the end of a backup, a verification or another compaction"]
        service._store.blocks.kept.release()
        assert [job.dropped for job in (await compaction).jobs] == [(0, 1, 2, 3, 4)]


async def test_a_compacted_job_is_exported_and_imported(open_with: Open, tmp_path: Path) -> None:
    async with open_with(SCRIPT) as service:
        id_ = await ended(service)
        await service.past.tag(id_, 2, "good")
        await compact(service, id_=id_, keep_last=1)
        await asyncio.to_thread(service.porter.export_to_sync, id_, tmp_path / "archive")
        made = await asyncio.to_thread(service.porter.import_from_sync, tmp_path / "archive")
        seen = await steps_seen(service, made.id)
        assert seen == {0: GONE, 1: GONE, 2: 2, 3: GONE, 4: GONE, 5: 4, 6: 4}
        with pytest.raises(CommitDropped):
            await service.past.fork(made.id, 1)
        assert findings(service) == []
