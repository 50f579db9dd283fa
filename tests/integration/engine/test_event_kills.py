"""SIGKILL while events are written and followed: whatever anybody was shown is there, and nothing is there twice."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.engine.events import EventFeeds
from orchestrator.engine.jobs import JobRepository
from orchestrator.store.store import Store

pytestmark = pytest.mark.timeout(120)

WRITER = """
import asyncio, itertools, sys
from pathlib import Path
from orchestrator.engine.events import EventFeeds
from orchestrator.engine.jobs import JobRepository
from orchestrator.engine.objects import GrantTable
from orchestrator.store.store import Store
from statek.event_feed import emit, feeds, feed_length


async def main():
    store = Store.open(Path(sys.argv[1]))
    jobs, feed = JobRepository(), EventFeeds(store)

    def record():
        if jobs.has(1):
            return jobs.get(1)
        return jobs.create(tenant="default", role="r", principal="", definition="{}", grants=GrantTable(), now_us=1)

    job = await store.commit(record)
    begun = await store.read(lambda: sum(map(feed_length, feeds())))

    async def write():
        for number in itertools.count(begun):
            def change(number=number):
                job.turns = number + 1
                emit(job, "call.ended", str(number))
            await (store.commit if number % 3 else store.write)(change)

    writing = asyncio.create_task(write())
    async for event in feed.follow(begun):
        print(event.seq, event.name, flush=True)
    await writing


asyncio.run(main())
"""


def test_what_was_shown_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for lines in (1, 30, 75, 210, 420):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "store")], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert writer.stdout is not None
        with writer.stdout as said:
            seen = [said.readline() for _ in range(lines)]
            writer.kill()
            seen += [line for line in said if line.endswith("\n")]
        writer.wait()
        told = [tuple(map(int, line.split())) for line in seen]
        assert told == [(seq, seq - 1) for seq in range(told[0][0], told[0][0] + len(told))]
        with closing(Store.open(tmp_path / "store")) as store:
            events = list(EventFeeds(store).follow_sync(follow=False))
            turns = store.read_sync(lambda: int(JobRepository().get(1).turns))
        assert [(event.seq, event.name) for event in events] == [(seq, str(seq - 1)) for seq in range(1, turns + 1)]
        assert len(events) >= told[-1][0]
