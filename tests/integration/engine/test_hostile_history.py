"""The past of a job whose steps wrote as much as they could: no visit to the store thread is long."""

from __future__ import annotations

import itertools
import threading

import pytest

from orchestrator.engine import history, time_travel
from orchestrator.engine.journal import Journal
from orchestrator.engine.time_travel import TimeTravel
from statek import tool

from .conftest import Open, code

pytestmark = pytest.mark.timeout(60)


@tool
def note(text: str, **kwargs: object) -> None:
    """Do something outside."""


async def test_long_commits_are_read_one_a_visit(open_with: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_with([code("a = 1"), code("b = 2"), code("exit(3)")]) as service:
        id_ = await service.submit("helper")
        await service.wait(id_)
        commits = await service.past.commits(id_)
        visits: list[int] = []
        views = TimeTravel._views

        def counted(self: TimeTravel, number: int, start: int, count: int) -> list[object]:
            found = views(self, number, start, count)
            visits.append(len(found))
            return list(found)

        monkeypatch.setattr(TimeTravel, "_views", counted)
        assert await service.past.commits(id_) == commits
        together, visits[:] = list(visits), []
        ticks = itertools.count()
        monkeypatch.setattr(time_travel.time, "perf_counter", lambda: float(next(ticks)))
        found = await service.past.commits(id_)
        newest = await service.past.commits(id_, newest=2)
        named = await service.past.commit(id_, commits[1].hash[:12])
    assert (found, newest, named) == (commits, commits[-2:], commits[1])
    assert (together, visits) == ([len(commits)], [1] * (len(commits) + 2))


@pytest.mark.parametrize("sync", [False, True])
async def test_journals_are_read_off_the_store_thread_and_the_loop(
    open_with: Open, monkeypatch: pytest.MonkeyPatch, sync: bool
) -> None:
    async with open_with([code("note('a')\nnote('b')"), code("x = 1"), code("exit(3)")], tools=[note]) as service:
        id_ = await service.submit("helper")
        await service.wait(id_)
        readers: list[str] = []
        load, store, loop = Journal.load, service._store, threading.get_ident()

        def watched(blobs: list[bytes]) -> Journal:
            busy = store.on_store_thread() or (not sync and threading.get_ident() == loop)
            readers.append("busy" if busy else "own")
            return load(blobs)

        monkeypatch.setattr(history.Journal, "load", watched)
        if sync:
            service.past.roll_back_sync(id_, 0)
        else:
            await service.past.roll_back(id_, 0)
        note_ = (await service.job(id_)).items[-1].text
    assert note_.endswith("What took effect since then stays: note(...) in step 1; note(...) in step 1.")
    assert set(readers[:1]) == {"own"}
