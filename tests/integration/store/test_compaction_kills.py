"""SIGKILL of a process that compacts a store: what is left of each commit is whole, or says that it was dropped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.digests import content_digest
from orchestrator.engine.jobs import JobRepository
from orchestrator.engine.objects.grants import GrantTable
from orchestrator.engine.retention import Choice, Retention
from orchestrator.engine.step_ends import NewCommit
from orchestrator.engine.verification import verify
from orchestrator.sandboxes.step import Component, Form, Workspace
from orchestrator.store.store import Store
from statek.upkeep import Finding

pytestmark = pytest.mark.timeout(240)

COMMITS = 60
STORED_BYTES = 5000

COMPACT = """
import sys
from pathlib import Path
from orchestrator.engine import retention
from orchestrator.store.store import Store
from statek.upkeep import Finding

retention._VISIT_COMMITS = 4
store = Store.open(Path(sys.argv[1]))
print("open", flush=True)
retention.Retention(store).run_sync(retention.Choice(keep_last=2), lambda line: print(line, flush=True))
store.close()
"""


def fill(store: Store, jobs: JobRepository) -> None:
    """Two jobs of many commits, every third of which brings a stored block, the others one that travels in it."""

    def make() -> int:
        grants = GrantTable()
        record = jobs.create(tenant="default", role="x", principal="", definition="{}", grants=grants, now_us=1)
        jobs.add_commit(record, "start", 0, NewCommit(Workspace(), {}, {}, True, []), 1, 1)
        return int(record.number)

    for number in (store.commit_sync(make), store.commit_sync(make)):
        for seq in range(1, COMMITS):
            data = number.to_bytes(2, "big") + seq.to_bytes(2, "big") + bytes(STORED_BYTES)
            digest = content_digest(data)
            component = Component(("v",), Form.OPAQUE, (digest,), len(data), ("v",))
            stored = seq % 3 == 0
            new = NewCommit(Workspace((component,)), {}, {digest: data}, not stored, ["v"])
            with store.blocks.naming(new.stored_blocks):
                store.blocks.put_many_sync(new.stored_blocks)
                store.write_sync(lambda number=number, new=new: jobs.add_commit(jobs.get(number), "step", 1, new, 1, 1))  # type: ignore[misc]
    store.flush_sync()


def kept_commits(store: Store, jobs: JobRepository) -> list[list[int]]:
    """The commits of each job that were not dropped."""

    def read() -> list[list[int]]:
        records = [jobs.get(1), jobs.get(2)]
        return [
            [seq for seq in range(jobs.commit_count(record)) if not jobs.commit(record, seq).dropped_us]
            for record in records
        ]

    return store.read_sync(read)


@pytest.mark.parametrize("lines", range(4, 52, 6))
def test_a_killed_compaction_leaves_no_commit_without_its_blocks(tmp_path: Path, lines: int) -> None:
    """It is killed when it has said so many lines, about one after each write."""
    root, jobs = tmp_path / "store", JobRepository()
    store = Store.open(root)
    fill(store, jobs)
    store.close()
    command = [sys.executable, "-c", COMPACT, str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as child:
        assert child.stdout is not None
        said = [line for _, line in zip(range(lines), child.stdout, strict=False)]
        child.kill()
    assert said[0] == "open\n"
    store, jobs = Store.open(root), JobRepository()
    try:
        assert [finding.problem for finding in _problems(store, jobs)] == []
        for kept in kept_commits(store, jobs):
            assert kept[-2:] == [COMMITS - 2, COMMITS - 1]
        Retention(store).run_sync(Choice(keep_last=2), lambda line: None)
        assert kept_commits(store, jobs) == [[COMMITS - 2, COMMITS - 1]] * 2
        assert [finding.problem for finding in _problems(store, jobs)] == []
        stored = [seq for seq in (COMMITS - 2, COMMITS - 1) if seq % 3 == 0]
        assert store.blocks.count_sync() == 2 * len(stored)
    finally:
        store.close()


def _problems(store: Store, jobs: JobRepository) -> list[Finding]:
    """What does not read, but the definitions, which are none."""
    found = verify(store, jobs, lambda line: None).findings
    return [finding for finding in found if "its definition" not in finding.problem]
