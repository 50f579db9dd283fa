"""Backup, restore and verify over the socket and on the command line."""

from __future__ import annotations

import asyncio
import io
import json
import sqlite3
from pathlib import Path

import pytest

from orchestrator.cli.commands.porting import _unfinished, dispatch
from orchestrator.cli.parser import build_parser
from orchestrator.cli.terminal import Terminal
from orchestrator.store.backup import read_backup
from statek.exceptions import CommitDropped, InvalidRequest, NotFound
from statek.upkeep import Compacted, CompactedJob, Finding, Migrated, MigratedName, Verified
from tests.support.command_line import CommandLine

from .conftest import Serve, code
from .test_cli_past import APPLICATION

pytestmark = pytest.mark.timeout(180)


async def test_a_working_service_is_backed_up_and_verified(serve: Serve, tmp_path: Path) -> None:
    async with serve([code("big = [str(n) * 9 for n in range(9000)]"), code("exit(1)")]) as served:
        id_ = await served.ask(served.client.submit, "helper")
        await served.ask(served.client.wait, id_)
        lines: list[str] = []
        made = await served.ask(served.client.backup, tmp_path / "b", lines.append)
        found = await served.ask(served.client.verify)
        with pytest.raises(InvalidRequest, match="is there already"):
            await served.ask(served.client.backup, tmp_path / "b")
        with pytest.raises(InvalidRequest, match="must be absolute"):
            await served.ask(served.client.backup, Path("b"))
        with pytest.raises(InvalidRequest, match="there is no folder"):
            await served.ask(served.client.backup, tmp_path / "x" / "b")
    kept = read_backup(tmp_path / "b")
    assert (made.store_id, made.prefix, made.blocks, made.size_bytes, made.damaged_blocks) == (
        kept.store_id, "default", kept.blocks, kept.size_bytes, (),
    )  # fmt: skip
    assert found == Verified(1, 2, 3, made.blocks)
    assert lines[0] == "copying prefix default"


async def test_findings_cross_the_socket(serve: Serve) -> None:
    async with serve([code("big = [str(n) * 9 for n in range(9000)]"), code("exit(1)")]) as served:
        id_ = await served.ask(served.client.submit, "helper")
        await served.ask(served.client.wait, id_)
        blocks = sqlite3.connect(served.settings.data_dir / "store" / "statek" / "blocks.sqlite")
        [digest] = blocks.execute("SELECT digest FROM block LIMIT 1").fetchone()
        blocks.execute("UPDATE block SET data = x'00' WHERE digest = ?", (digest,))
        blocks.commit()
        blocks.close()
        lines: list[str] = []
        found = await served.ask(served.client.verify, lines.append)
    assert found.findings == tuple(Finding(f"block {digest.hex()} is damaged: big", "j1", at) for at in (1, 2))
    assert "reading job 1 of 1" in lines


def test_the_commands(tmp_path: Path) -> None:
    statek = CommandLine(tmp_path, APPLICATION).ask

    read = "read 1 job(s), 3 entries, 4 commit(s), 0 block(s): "
    assert statek("verify")[:2] == (1, "")
    assert statek("run", "demo.py")[0] == 0
    code_, out, err = statek("backup", "b")
    size = read_backup(tmp_path / "b").size_bytes
    assert (code_, out, err) == (0, "", f"statek: {size} bytes, 0 block(s) written to b\n")
    assert statek("verify")[:2] == (0, f"{read}0 damaged, 0 mended\n")
    assert statek("verify", "b")[:2] == (0, f"{read}0 damaged, 0 mended\n")
    code_, out, err = statek("restore", "b")
    assert (code_, "is there already" in err) == (2, True)
    code_, out, err = statek("restore", "b", "--data-dir", "again")
    assert (code_, out) == (0, "")
    assert err.endswith("statek run or statek serve lets them go on from there\n")
    shown = statek("show", "j1")
    again = statek("show", "j1", "--data-dir", "again")
    assert again == shown
    code_, out, _ = statek("verify", "--data-dir", "again", "--json")
    assert (code_, json.loads(out)) == (
        0, {"jobs": 1, "entries": 3, "commits": 4, "blocks": 0, "findings": []},
    )  # fmt: skip
    (tmp_path / "again" / "store" / "default.db0").write_bytes(b"")
    code_, out, _ = statek("verify", "--data-dir", "again")
    assert (code_, out.splitlines()[-1]) == (0, f"{read}0 damaged, 1 mended")
    (tmp_path / "b" / "default.db0").write_bytes(b"")
    code_, out, _ = statek("verify", "b")
    assert (code_, out.splitlines()[-1]) == (
        1, "read 0 job(s), 0 entries, 0 commit(s), 0 block(s): 1 damaged, 0 mended",
    )  # fmt: skip
    assert statek("restore", "b", "--data-dir", "third")[0] == 1


def test_jobs_are_migrated_by_the_service_that_has_the_image(tmp_path: Path) -> None:
    """The command needs a running service, whose image it is."""
    code_, out, err = CommandLine(tmp_path, APPLICATION).ask("jobs", "migrate", "--image", "new")
    assert (code_, out, "no service answers" in err) == (2, "", True)


async def test_a_migration_crosses_the_socket(serve: Serve) -> None:
    async with serve([code("x = 1"), code("exit(x)")]) as served:
        id_ = await served.ask(served.client.submit, "helper")
        await served.ask(served.client.wait, id_)
        image = served.service._pool.image_digest
        with pytest.raises(InvalidRequest, match="start it with that one"):
            await served.ask(served.client.migrate, id_, "another")
        found = await served.ask(served.client.migrate, id_, image, dry_run=True)
        served.service._pool.image_digest = "new-image"
        tried = await served.ask(served.client.migrate, id_, "new-ima", dry_run=True)
        moved = await served.ask(served.client.migrate, id_, "new-image")
        summary = (await served.ask(served.client.job, id_)).summary
    assert found == Migrated(id_, image, image)
    assert tried == Migrated(id_, image, "new-image", -1, (MigratedName("x", "restored"),))
    assert moved == Migrated(id_, image, "new-image", 3, tried.names)
    assert (summary.status, summary.exit_status) == ("DONE", "1")


async def test_a_job_that_cannot_be_moved_does_not_hide_what_became_of_others(serve: Serve) -> None:
    async with serve([code("x = 1"), code("exit(x)")]) as served:
        id_ = await served.ask(served.client.submit, "helper")
        await served.ask(served.client.wait, id_)
        image = served.service._pool.image_digest
        served.service._pool.image_digest = "new-image"

        async def migrate(*ids: str) -> tuple[int, str, str]:
            out, err = io.StringIO(), io.StringIO()
            options = build_parser().parse_args(["jobs", "migrate", "--image", "new-image", *ids])
            ended = await asyncio.to_thread(dispatch, options, served.settings, Terminal(out, err))
            return ended, out.getvalue(), err.getvalue()

        moved = f"j1 {image} -> new-image (commit 3)\n  x: restored\n"
        reasons = "".join(f"statek: job {id_} does not exist; this store has 1 job(s)\n" for id_ in ("j9", "j8"))
        assert await migrate("j9", "j1", "j8") == (1, moved, reasons)
        with pytest.raises(NotFound):
            await migrate("j9")
        assert await migrate() == (0, "", "")


async def test_every_job_that_has_not_ended_is_migrated_however_many_there_are(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve([code("exit(1)")]) as served:
        await served.ask(served.client.wait, await served.ask(served.client.submit, "helper"))
        await served.service._scheduler.stop()
        for _ in range(4):
            await served.ask(served.client.submit, "helper")
        pages = [
            [job.id for job in await served.ask(served.client.jobs, newest=2, before=before)]
            for before in ("", "j4", "j2", "j1", "j99")
        ]
        assert pages == [["j4", "j5"], ["j2", "j3"], ["j1"], [], ["j4", "j5"]]
        with pytest.raises(InvalidRequest, match="no job id"):
            await served.ask(served.client.jobs, before="another")
        monkeypatch.setattr("orchestrator.cli.commands.porting.MAX_NEWEST", 2)
        out, err = io.StringIO(), io.StringIO()
        options = build_parser().parse_args(["jobs", "migrate", "--image", "another"])
        assert await asyncio.to_thread(dispatch, options, served.settings, Terminal(out, err)) == 1
        assert await asyncio.to_thread(_unfinished, served.client) == ["j2", "j3", "j4", "j5"]


async def test_a_compaction_crosses_the_socket(serve: Serve) -> None:
    async with serve([code("x = 1"), code("x = 2"), code("exit(x)")]) as served:
        id_ = await served.ask(served.client.submit, "helper")
        await served.ask(served.client.wait, id_)
        await served.ask(served.client.tag, id_, "first", "1")
        would = await served.ask(lambda: served.client.compact(id_, keep_last=2, dry_run=True))
        assert would == Compacted((CompactedJob(id_, (0,), 3, 0, 0),), 0, 0, dry_run=True)
        lines: list[str] = []
        done = await served.ask(lambda: served.client.compact(keep_last=2, progress=lines.append))
        assert done == Compacted(would.jobs, 0, 0)
        assert "job j1: 1 commits dropped, 0 left" in lines
        done = await served.ask(lambda: served.client.compact(id_, keep_last=1, keep_tagged=False))
        assert [job.dropped for job in done.jobs] == [(1, 2)]
        dropped = [commit.dropped_us > 0 for commit in await served.ask(served.client.commits, id_)]
        assert dropped == [True, True, True, False]
        with pytest.raises(CommitDropped, match="commit 1 of job j1 was dropped by the compaction of "):
            await served.ask(served.client.view, id_, "first")
        with pytest.raises(NotFound, match="job j9 does not exist"):
            await served.ask(served.client.compact, "j9")
        for count in (0, -1, 1 << 40):
            with pytest.raises(InvalidRequest, match="keep_last must be at least 1"):
                await served.ask(lambda count=count: served.client.compact(id_, keep_last=count))


def test_the_compact_command(tmp_path: Path) -> None:
    statek = CommandLine(tmp_path, APPLICATION).ask

    assert statek("compact", "--all")[0] == 1  # no store yet
    assert statek("run", "demo.py")[0] == 0
    for wrong in (["compact"], ["compact", "j1", "--all"], ["compact", "j1", "--keep-last", "0"]):
        assert statek(*wrong)[:2] == (2, "")
    code_, out, err = statek("compact", "j1", "--keep-last", "1", "--dry-run")
    assert (code_, out.split("\n")[1].split(), err) == (
        0, ["j1", "0-2", "3", "1", "0", "0"], "statek: 0 block(s) of 0 bytes would be removed\n",
    )  # fmt: skip
    assert statek("view", "j1", "--at", "1")[0] == 0
    code_, out, _ = statek("compact", "--all", "--keep-last", "1", "--no-keep-tagged", "--json")
    job = {"job": "j1", "dropped": [0, 1, 2], "kept": 1, "freed_blocks": 0, "freed_bytes": 0}
    assert (code_, json.loads(out)) == (0, {"jobs": [job], "freed_blocks": 0, "freed_bytes": 0, "dry_run": False})
    code_, out, err = statek("view", "j1", "--at", "1")
    assert (code_, out) == (1, "")
    assert err.startswith("statek: error[commit_dropped]: commit 1 of job j1 was dropped by the compaction of 2")
    code_, out, _ = statek("history", "j1")
    assert [("dropped 2" in line) for line in out.splitlines()] == [False, True, True, True, False]
    assert statek("compact", "j1", "--keep-last", "5")[:2] == (0, "no commits to drop\n")
    assert statek("verify")[:2] == (0, "read 1 job(s), 3 entries, 4 commit(s), 0 block(s): 0 damaged, 0 mended\n")
