"""``statek config`` as a user runs it: every setting, its value, where it came from; and what the log level does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from statek._other_settings import OTHER_SETTINGS
from statek.settings import StatekSettings

pytestmark = pytest.mark.timeout(60)


def config(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STATEK_")}
    return subprocess.run(
        [sys.executable, "-m", "orchestrator.cli.main", "config", *arguments],
        cwd=folder,
        env={**kept, **variables},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_every_setting_with_its_value_and_source(tmp_path: Path) -> None:
    (tmp_path / "statek.toml").write_text('pool_size = 7\nchat_style = "direct"\nmax_turns = "none"\n')
    given = {"STATEK_POOL_SIZE": "3", "STATEK_TMP_BYTES": "80M", "OPENAI_API_KEY": "sk-secret"}
    shown = config(tmp_path, "--json", "--set", "flavour=data", **given)
    assert (shown.returncode, shown.stderr) == (0, "")
    found = {line["name"]: line for line in json.loads(shown.stdout)}
    assert list(found) == [line.name for line in StatekSettings().describe()]
    chosen = {name: (line["value"], line["source"]) for name, line in found.items() if line["source"] != "default"}
    assert chosen == {
        "pool_size": ("7", "statek.toml"),
        "chat_style": ("DIRECT", "statek.toml"),
        "max_turns": ("", "statek.toml"),
        "tmp_bytes": (str(80 << 20), "STATEK_TMP_BYTES"),
        "flavour": ("data", "explicit"),
    }
    assert all(line["doc"] for line in found.values())
    assert "sk-secret" not in shown.stdout


def test_the_table_has_a_line_for_each(tmp_path: Path) -> None:
    shown = config(tmp_path, STATEK_LOG_LEVEL="info", OPENAI_API_KEY="sk-secret")
    head, *lines = shown.stdout.splitlines()
    assert (shown.returncode, head.split()) == (0, ["NAME", "VALUE", "FROM", "MEANING"])
    assert [line.split()[0] for line in lines] == [line.name for line in StatekSettings().describe()]
    [level] = [line.split()[:3] for line in lines if line.startswith("log_level")]
    assert level == ["log_level", "INFO", "STATEK_LOG_LEVEL"]
    assert "sk-secret" not in shown.stdout


@pytest.mark.parametrize("name", OTHER_SETTINGS)
def test_a_name_of_another_service_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    variable = f"STATEK_{name.upper()}"
    shown = config(tmp_path, **{variable: "x"})
    assert (shown.returncode, shown.stdout) == (2, "")
    assert shown.stderr == (
        f"statek: error[configuration]: {name!r} ({variable}) is no setting here: {OTHER_SETTINGS[name]}\n"
    )
