"""``statek upgrade`` as a user runs it, over the store of an earlier version."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from orchestrator.engine.upgrading.packed_records import PACKED_RECORDS
from orchestrator.engine.upgrading.store_upgrade import LOG_REASON
from tests.integration.api.test_cli import command, environment

EARLIER = Path(__file__).parents[2] / "replay" / "earlier" / "memo-records.tar.xz"
pytestmark = pytest.mark.timeout(120)


def statek(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), env=environment(folder), cwd=folder, check=False, capture_output=True, text=True
    )


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
