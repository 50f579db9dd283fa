"""Reading everything: what is damaged is named by job and commit, what can be mended is."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.engine import upkeep
from orchestrator.engine.definition_errors import note_error
from orchestrator.engine.future_store import FutureStore
from orchestrator.engine.jobs import JobRepository
from orchestrator.engine.service import Service
from orchestrator.engine.upkeep import verify_backup, verify_folder
from orchestrator.store.block_calls import Blocks
from statek import FutureResult, suspend_for, tool
from statek.definition_errors import JobDefError
from statek.exceptions import NotFound, StoreLocked
from statek.queue_records import MESSAGES, lanes, made_lane
from statek.shared_context import SharedContext, stored_contexts
from statek.upkeep import BackedUp, Finding, Verified

from .conftest import Open, code

pytestmark = pytest.mark.timeout(180)

REPLIES = [
    code("big = [str(n) * 9 for n in range(9000)]\nopen('a.txt', 'w').write('small')"),
    code("small = 1"),
    code("exit(2)"),
]


def quiet(_line: str) -> None:
    """Nobody reads the progress."""


async def made(open_with: Open, jobs: int = 1) -> None:
    async with open_with(REPLIES) as service:
        for _ in range(jobs):
            await service.wait(await service.submit("helper", message="Go."))


async def result(answer: Any) -> Any:
    """What an answer ends with."""
    last = None
    async for said in answer:
        last = said
    return last


async def damage(service: Service, change: Callable[[Any], None]) -> None:
    """Change a record behind the service's back."""
    await service._store.commit(lambda: change(JobRepository().get(1)))


async def test_a_sound_store_is_read_whole_open_and_closed(open_with: Open, tmp_path: Path) -> None:
    await made(open_with, 2)
    lines: list[str] = []
    closed = verify_folder(tmp_path / "data" / "store", lines.append)
    async with open_with(REPLIES) as service:
        assert await result(service.upkeep.verify()) == closed
        with pytest.raises(StoreLocked):
            verify_folder(tmp_path / "data" / "store", quiet)
    assert (closed.jobs, closed.entries, closed.commits, closed.findings) == (2, 8, 8, ())
    assert closed.blocks > 0
    assert lines[0] == "comparing the prefix file with its mirror"
    assert lines[-6:] == [
        "reading job 2 of 2",
        "reading agents, reminders and errors of definitions",
        "reading futures",
        "reading queues",
        "reading shared contexts",
        "reading events",
    ]
    with pytest.raises(NotFound):
        verify_folder(tmp_path, quiet)


async def test_damaged_and_missing_blocks_are_named_by_job_and_commit(open_with: Open, tmp_path: Path) -> None:
    await made(open_with)
    root = tmp_path / "data" / "store"
    blocks = sqlite3.connect(root / "statek" / "blocks.sqlite")
    first, second = (row[0] for row in blocks.execute("SELECT digest FROM block ORDER BY digest LIMIT 2"))
    blocks.execute("UPDATE block SET data = x'00' WHERE digest = ?", (first,))
    blocks.execute("DELETE FROM block WHERE digest = ?", (second,))
    blocks.commit()
    blocks.close()
    found = verify_folder(root, quiet)
    expected = {
        Finding(f"block {digest} is {what}: big", "j1", commit)
        for digest, what in ((first.hex(), "damaged"), (second.hex(), "missing"))
        for commit in (1, 2, 3)
    }
    assert set(found.findings) == expected


async def test_damaged_records_are_named_by_job_and_commit(open_with: Open) -> None:
    await made(open_with, 2)
    async with open_with(REPLIES) as service:

        def spoil(record: Any) -> None:
            record.commits[2] = record.commits[2][:-3]
            record.commits[1] = record.commits[1].replace(b"small", b"smell").replace(b'"big"', b'"bug"')
            record.chat[1] = b"\0nothing"
            record.ends[1] = b"\0nothing"
            record.definition = "{}"
            record.tags = "["

        await damage(service, spoil)
        found = await result(service.upkeep.verify())
    assert {(finding.job, finding.commit) for finding in found.findings} == {
        ("j1", -1),
        ("j1", 1),
        ("j1", 2),
        ("j1", 3),
    }
    problems = [finding.problem.split(":")[0] for finding in found.findings if finding.commit < 0]
    assert sorted(problems) == [
        "entry 1 of its chat log does not read",
        "entry 2 of its chat log does not read",
        "its definition does not read",
        "its tags does not read",
    ]


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 0xFF
    path.write_bytes(data)


async def test_a_changed_prefix_is_set_to_its_mirror_and_the_other_way_round(open_with: Open, tmp_path: Path) -> None:
    await made(open_with)
    root = tmp_path / "data" / "store"
    sound = verify_folder(root, quiet)
    primary, mirror = root / "default.db0", root / "statek" / "default.mirror"
    for spoil in (lambda path: flip(path, 9000), lambda path: path.write_bytes(b""), lambda path: path.unlink()):
        for path, what, done in (
            (primary, "prefix file default.db0", "it is set to its mirror, which is as it was"),
            (mirror, "mirror default.mirror", "it is made anew from the prefix file, which is as it was"),
        ):
            spoil(path)
            found = verify_folder(root, quiet)
            finding = Finding(f"the {what} was changed, or lost, since it was closed", done=done)
            assert found == Verified(sound.jobs, sound.entries, sound.commits, sound.blocks, (finding,))
            assert verify_folder(root, quiet) == sound
    async with open_with(REPLIES) as service:
        assert (await service.job("j1")).summary.exit_status == "2"


@pytest.mark.parametrize("alike", [True, False])
async def test_any_damage_of_both_copies_ends_in_an_answer(open_with: Open, tmp_path: Path, alike: bool) -> None:
    await made(open_with)
    root = tmp_path / "data" / "store"
    shutil.copytree(root, tmp_path / "good")
    rng = random.Random(7)
    for _ in range(4):
        shutil.rmtree(root)
        shutil.copytree(tmp_path / "good", root)
        places = [rng.randrange(100_000) for _ in range(200)]
        for number, path in enumerate((root / "default.db0", root / "statek" / "default.mirror")):
            data = bytearray(path.read_bytes())
            for at in places:
                data[at % len(data)] ^= 0x55 if alike else 0x55 + number
            path.write_bytes(data)
        found = verify_folder(root, quiet)
        if not alike:
            [finding] = found.findings
            assert finding.problem.startswith("the store does not open: default.mirror is damaged at byte ")


async def test_a_reader_that_dies_is_part_of_the_answer(
    open_with: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await made(open_with)
    monkeypatch.setattr(
        upkeep, "_BOOT", 'import os; print(\'{"progress": "reading job 1 of 1"}\', flush=True); os.abort()'
    )
    found = verify_folder(tmp_path / "data" / "store", quiet)
    assert found.findings == (
        Finding("what reads the store ended by signal 6 while reading job 1 of 1: the prefix is damaged there"),
    )


async def test_a_backup_of_a_working_service_goes_on_elsewhere(open_with: Open, tmp_path: Path) -> None:
    async with open_with([code("x = 1"), code("exit(x + 1)"), code("exit(x + 41)")]) as service:
        await service.wait(await service.submit("helper", message="Go."))
        before = await service.job("j1")
        done = await result(service.upkeep.back_up(tmp_path / "b"))
        assert isinstance(done, BackedUp)
    found = verify_backup(tmp_path / "b", quiet)
    assert (found.jobs, found.commits, found.findings) == (1, 3, ())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "data"]
    from orchestrator.store.backup import restore_backup

    (tmp_path / "other").mkdir()
    restore_backup(tmp_path / "b", tmp_path / "other" / "store", quiet)
    replies = [code("x = 1"), code("exit(x + 1)"), code("exit(x + 41)")]
    async with open_with(replies, data_dir=tmp_path / "other") as service:
        assert await service.job("j1") == before
        await service.push("j1", "More.")
        service.notice(1, "default")
        assert (await service.wait("j1")).exit_status == "42"
    flip(tmp_path / "b" / "blocks.sqlite", 50)
    [wrong] = verify_backup(tmp_path / "b", quiet).findings
    assert wrong == Finding("blocks.sqlite was changed: its content has another digest")


async def test_what_is_kept_beside_the_jobs_is_read_and_named(open_with: Open) -> None:
    @tool
    def later(**kwargs: object) -> FutureResult:
        """Answer later."""
        return suspend_for("an answer", details={"of": "whom"})

    async with open_with([code("a = later()\nb = later()\nexit()")], tools=[later]) as service:
        await service.wait(await service.submit("helper"))
        store, jobs = service._store, JobRepository()

        def keep() -> None:
            for lane in (made_lane(MESSAGES), made_lane("helper")):
                for at in range(3):
                    lane.add({"n": at}, 1, "j1")
                lane.hold_first("no")
            SharedContext("team").set("ENTITY", "city", "Prague")
            SharedContext("team").set("ENTITY", "year", 2026)
            note_error(jobs.made_root(), "{}", JobDefError("warmup", "no"))

        await service._queues.stop()
        await store.commit(keep)
        assert (await result(service.upkeep.verify())).findings == ()

        def spoil() -> None:
            futures = FutureStore()
            futures.get(1).value, futures.get(1).state = b"\0nothing", "resolved"
            futures.get(2).state = "perhaps"
            [messages, events] = lanes()
            messages.entries[1].value.data = b"\0nothing"
            events.held[0].reason = "["
            [context] = stored_contexts()
            context.variables["city"].value = b"\0nothing"
            root = jobs.made_root()
            root.agents, root.reminders = "[", '["x"]'
            for key in list(root.definition_errors.keys()):
                root.definition_errors[key] = "["

        await store.commit(spoil)
        found = await result(service.upkeep.verify())
    problems = [finding.problem.split(" does not read: ") for finding in found.findings]
    [key] = [name for name, _ in problems if name.startswith("what is kept of the errors of definition ")]
    assert {(finding.job, finding.commit) for finding in found.findings} == {("", -1)}
    assert [name for name, _ in problems] == [
        "what is known of agents",
        "the reminders",
        key,
        "future 1",
        "future 2",
        "entry 1 of the messages for jobs",
        "held entry 0 of the queue of agent helper",
        "variable city of the shared context of tenant default for team",
    ]


async def test_a_list_that_does_not_read_is_named_and_the_other_parts_are_read(open_with: Open) -> None:
    async with open_with([code("exit()")]) as service:
        await service.wait(await service.submit("helper"))

        def keep() -> None:
            made_lane("helper").add(1, 1)
            made_lane("helper").name = "["
            SharedContext("team").set("ENTITY", "city", "Prague")
            [context] = stored_contexts()
            context.binding = "["

        await service._queues.stop()
        await service._store.commit(keep)
        found = await result(service.upkeep.verify())
    assert [finding.problem.split(" does not read: ")[0] for finding in found.findings] == [
        "the list of queues",
        "shared context 1",
    ]


async def test_a_block_is_asked_for_once_however_many_commits_name_it(
    open_with: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await made(open_with, 2)
    asked: list[str] = []
    has_many = Blocks.has_many_sync

    def counted(blocks: Blocks, digests: Any) -> set[str]:
        asked.extend(digests)
        return has_many(blocks, digests)

    monkeypatch.setattr(Blocks, "has_many_sync", counted)
    assert (verify_folder(tmp_path / "data" / "store", quiet).findings, asked) == ((), [])
