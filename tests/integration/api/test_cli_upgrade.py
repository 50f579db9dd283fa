"""``statek upgrade`` over the store of an earlier version, and backups restored elsewhere, as a user runs them."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from orchestrator.digests import content_digest
from orchestrator.engine.upgrading.packed_records import PACKED_RECORDS
from orchestrator.engine.upgrading.store_upgrade import LOG_REASON
from orchestrator.store.backup import back_up, read_backup
from orchestrator.store.store import Store
from tests.support.command_line import command, environment

EARLIER = Path(__file__).parents[2] / "replay" / "earlier" / "memo-records.tar.xz"
pytestmark = pytest.mark.timeout(120)


def statek(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = environment(folder) | variables
    return subprocess.run(command(*arguments), env=env, cwd=folder, check=False, capture_output=True, text=True)


def test_a_store_of_an_earlier_version_is_taken_over(tmp_path: Path) -> None:
    with tarfile.open(EARLIER) as tar:
        tar.extractall(tmp_path, filter="data")
    refused = statek(tmp_path, "jobs")
    assert refused.returncode == 1
    assert refused.stderr == (
        "statek: error[store_version]: an earlier version of the service was killed over this store and left "
        "default.redo.0, which only it and `statek upgrade` read; run that, it writes a backup first\n"
    )
    unsaid = statek(tmp_path, "upgrade")
    assert (unsaid.returncode, unsaid.stderr) == (
        2,
        "statek: error[invalid_request]: say where the backup is to be written, or --dry-run for a trial on a copy\n",
    )
    trial = statek(tmp_path, "upgrade", "--dry-run", "--json")
    assert json.loads(trial.stdout) == {
        "form": 1,
        "reasons": [LOG_REASON, PACKED_RECORDS.reason],
        "jobs": 4,
        "entries": 7,
        "commits": 9,
        "backup": None,
    }
    made = statek(tmp_path, "upgrade", "b", "--progress")
    assert (made.returncode, made.stdout) == (0, f"{LOG_REASON}\n{PACKED_RECORDS.reason}\n")
    assert made.stderr.splitlines()[-1] == (
        "statek: upgraded and read 4 job(s), 7 entries, 9 commit(s); the store as it was before is in b"
    )
    assert (tmp_path / "b" / "backup.json").exists()
    listed = statek(tmp_path, "jobs", "--json")
    assert (listed.returncode, [job["role"] for job in json.loads(listed.stdout)]) == (
        0, ["reader", "worker", "payer", "thinker"],
    )  # fmt: skip
    again = statek(tmp_path, "upgrade", "b2")
    assert (again.returncode, again.stdout, again.stderr) == (
        0, "", "statek: the store has the form of this version; nothing is to be done\n",
    )  # fmt: skip


def test_a_backup_is_restored_and_verified_where_the_setting_says(tmp_path: Path) -> None:
    block = b"block" * 1000
    store = Store.open(tmp_path / "old")
    try:
        store.blocks.put_many_sync({content_digest(block): block})
        back_up(store, tmp_path / "b", lambda text: None)
    finally:
        store.close()
    elsewhere = {"STATEK_BLOCKS": f"sqlite:{tmp_path / 'kv'}"}
    made = statek(tmp_path, "restore", "b", **elsewhere)
    assert (made.returncode, made.stderr.splitlines()[-1]) == (
        0, "statek: what its jobs did after that is not in it; statek run or statek serve lets them go on from there",
    )  # fmt: skip
    read = statek(tmp_path, "verify", **elsewhere)
    assert (read.returncode, read.stdout) == (
        0, "read 0 job(s), 0 entries, 0 commit(s), 1 block(s): 0 damaged, 0 mended\n",
    )  # fmt: skip
    again = statek(tmp_path, "backup", "b2", **elsewhere)
    assert again.returncode == 0
    assert read_backup(tmp_path / "b2").blocks == 1
    refused = statek(tmp_path, "restore", "b", "--data-dir", "other", STATEK_BLOCKS="memory:")
    assert refused.returncode == 2
    assert refused.stderr.startswith(
        "statek: error[invalid_request]: blocks that are kept in memory, gone when the service stops cannot be restored"
    )
