"""A store of a version before the records of today: refused by name, upgraded after a backup, driven to the end.

The archive in ``earlier/`` is the folder of a process of that version, killed in the middle of its jobs; its redo log
has the form of then, too. Its jobs are those of ``jobs.py`` but for the one that waits for a person, so the facts of
the later recording say what must be true in the end.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from orchestrator.app import open_store
from orchestrator.engine.inspection import Inspection
from orchestrator.engine.upgrading import Upgraded, upgrade_store
from orchestrator.engine.upgrading.chain import UPGRADES, due
from orchestrator.engine.upgrading.packed_records import PACKED_RECORDS
from orchestrator.engine.upgrading.store_upgrade import LOG_REASON
from orchestrator.store.backup import read_backup, restore_backup
from orchestrator.store.block_locations import BlockLocation
from orchestrator.store.files import file_digest
from statek.exceptions import InvalidRequest, NotFound, StoreDamaged, StoreLocked, StoreVersionError
from statek.records import RECORD_FORMAT
from statek.settings import StatekSettings
from tests.replay import killed_upgrade
from tests.replay.runs import resume

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
END = 14
"""So many changes of files from the end, every one is tried."""

pytestmark = pytest.mark.timeout(300)


def quiet(_text: str) -> None:
    """Nobody reads the progress."""


def unpack(place: Path) -> Path:
    """What the killed process left."""
    with tarfile.open(FOLDER / "earlier" / "memo-records.tar.xz") as tar:
        tar.extractall(place, filter="data")
    return place


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return unpack(tmp_path / "f")


def upgrade(folder: Path, backup: Path | None) -> Upgraded:
    return upgrade_store(folder / "d" / "store", "default", BlockLocation(), backup, quiet)


async def opened(folder: Path) -> list[str]:
    """The roles of the jobs of a store that opens."""
    store = await asyncio.to_thread(open_store, StatekSettings.load({"data_dir": folder / "d"}, environ={}))
    try:
        return [summary.role for summary in await Inspection(store).jobs()]
    finally:
        await asyncio.to_thread(store.close)


def expected_facts() -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((FOLDER / "recorded" / "packed-records.json").read_text())["facts"]
    del facts["jobs"]["asker"]
    facts["sent"].remove("question")
    return facts


def digests(folder: Path) -> dict[str, str]:
    """The prefix and the files of its guard."""
    kept = [path for path in folder.rglob("default.*") if path.is_file()]
    return {str(path.relative_to(folder)): file_digest(path) if path.stat().st_size else "" for path in kept}


def test_the_chain_ends_at_the_form_of_this_version() -> None:
    assert [upgrade.form for upgrade in UPGRADES] == list(range(2, RECORD_FORMAT + 1))
    assert (due(1), due(RECORD_FORMAT)) == (UPGRADES, ())


async def test_it_is_refused_and_the_command_is_named(folder: Path) -> None:
    before = digests(folder)
    with pytest.raises(StoreVersionError) as caught:
        await opened(folder)
    assert str(caught.value) == (
        "an earlier version of the service was killed over this store and left default.redo.0, which only it and "
        "`statek upgrade` read; run that, it writes a backup first"
    )
    assert digests(folder) == before


async def test_a_dry_run_says_what_would_be_done_and_leaves_it_as_it_is(folder: Path) -> None:
    before = digests(folder)
    lines: list[str] = []
    made = upgrade_store(folder / "d" / "store", "default", BlockLocation(), None, lines.append)
    assert made == Upgraded(1, (LOG_REASON, PACKED_RECORDS.reason), jobs=4, entries=7, commits=9)
    assert lines[:2] == ["copying prefix default", "packing job 1 of 4"]
    assert digests(folder) == before


async def test_its_jobs_go_on_to_the_end_after_the_upgrade(folder: Path, tmp_path: Path) -> None:
    made = await asyncio.to_thread(upgrade, folder, tmp_path / "b")
    assert (made.form, made.jobs, made.entries, made.commits) == (1, 4, 7, 9)
    assert made.backup == read_backup(tmp_path / "b")
    assert made.backup is not None
    assert made.backup.record_format == 1
    assert await resume(folder) == expected_facts()
    assert upgrade(folder, tmp_path / "again") == Upgraded(RECORD_FORMAT, ())
    assert not (tmp_path / "again").exists()


async def test_its_backup_is_the_old_store_and_can_be_upgraded_again(folder: Path, tmp_path: Path) -> None:
    await asyncio.to_thread(upgrade, folder, tmp_path / "b")
    (tmp_path / "r" / "d").mkdir(parents=True)
    (folder / "sent.jsonl").rename(tmp_path / "r" / "sent.jsonl")
    restore_backup(tmp_path / "b", tmp_path / "r" / "d" / "store", quiet)
    with pytest.raises(StoreVersionError) as caught:
        await opened(tmp_path / "r")
    assert str(caught.value) == (
        "this store keeps its jobs in form 1, this version of the service keeps them in form 2; run `statek upgrade`, "
        "which writes a backup first"
    )
    made = await asyncio.to_thread(upgrade, tmp_path / "r", tmp_path / "b2")
    assert (made.reasons, made.jobs) == ((PACKED_RECORDS.reason,), 4)
    facts, expected = await resume(tmp_path / "r"), expected_facts()
    assert facts["jobs"].keys() == expected["jobs"].keys()
    assert facts["objects"] == expected["objects"]


def killed(folder: Path, backup: Path, point: int) -> subprocess.CompletedProcess[str]:
    """Upgrade in a process that is killed before that change of a file; 0 lets it come to its end."""
    command = [sys.executable, "-m", killed_upgrade.__name__, str(folder / "d" / "store"), str(backup), str(point)]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)


async def test_killed_at_any_change_of_a_file_it_is_the_old_store_or_the_new_one(tmp_path: Path) -> None:
    """Every change of the end, when one takes the other's place, and some of those before it."""
    total = int(killed(unpack(tmp_path / "whole"), tmp_path / "whole" / "b", 0).stdout)
    points = [*range(1, total - END, (total - END) // 4), *range(total - END, total + 1)]
    forms = []
    for point in points:
        folder = unpack(tmp_path / f"f{point}")
        assert killed(folder, folder / "b", point).returncode == -signal.SIGKILL
        try:
            assert sorted(await opened(folder)) == ["payer", "reader", "thinker", "worker"]
            forms.append(RECORD_FORMAT)
            assert upgrade(folder, None).form == RECORD_FORMAT
        except StoreVersionError:
            forms.append(1)
            assert upgrade(folder, folder / "second").jobs == 4
        if forms.count(forms[-1]) == 1:
            assert await resume(folder) == expected_facts()
        assert not list((folder / "d" / "store" / "statek").glob("replac*"))
        assert not list((folder / "d" / "store" / "statek").glob("upgrad*"))
        if forms[-1] == RECORD_FORMAT:
            assert read_backup(folder / "b").record_format == 1
    assert forms == sorted(forms)
    assert set(forms) == {1, RECORD_FORMAT}


async def test_a_store_in_use_is_left_alone(folder: Path, tmp_path: Path) -> None:
    await asyncio.to_thread(upgrade, folder, tmp_path / "b")
    store = await asyncio.to_thread(open_store, StatekSettings.load({"data_dir": folder / "d"}, environ={}))
    try:
        with pytest.raises(StoreLocked):
            upgrade(folder, None)
    finally:
        await asyncio.to_thread(store.close)


def test_a_later_store_is_refused(folder: Path, tmp_path: Path) -> None:
    identity = folder / "d" / "store" / "statek" / "store.json"
    said = json.loads(identity.read_bytes())
    identity.write_text(json.dumps(said | {"format": 2}))
    with pytest.raises(StoreVersionError) as caught:
        upgrade(folder, tmp_path / "b")
    assert str(caught.value) == (
        f"the store {folder / 'd' / 'store'} has form 2, this version of the service knows forms up to 1; use the "
        "later version that wrote it"
    )
    assert json.loads(identity.read_bytes()) == said | {"format": 2}


def test_a_damaged_store_is_left_as_it_is(folder: Path, tmp_path: Path) -> None:
    own = folder / "d" / "store" / "statek"
    (own / "default.redo.0").write_bytes(b"")
    mirror = own / "default.mirror"
    mirror.write_bytes(bytes(mirror.stat().st_size))
    before = digests(folder)
    with pytest.raises(StoreDamaged, match="prefix default does not open"):
        upgrade(folder, tmp_path / "b")
    assert digests(folder) == before
    assert not (tmp_path / "b").exists()


def test_what_makes_no_sense_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        upgrade_store(tmp_path / "nowhere", "default", BlockLocation(), None, quiet)
    inside = folder / "d" / "store" / "statek" / "upgrading" / "b"
    with pytest.raises(InvalidRequest, match="is inside the store"):
        upgrade(folder, inside)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    before = digests(folder)
    with pytest.raises(InvalidRequest, match="is there already and not empty"):
        upgrade(folder, tmp_path / "full")
    assert digests(folder) == before
