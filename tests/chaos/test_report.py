"""The report runs from its start to its end."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.chaos.report import main


@pytest.mark.chaos
@pytest.mark.docker
@pytest.mark.timeout(600)
def test_a_short_report_is_written_with_every_campaign(tmp_path: Path) -> None:
    few = ["--kills=2", "--example-kills=1", "--quarantine-kills=2", "--docker-kills=1"]
    main([*few, "--seed=3", "--commit=abc", f"--output={tmp_path / 'kills.md'}"])
    text = (tmp_path / "kills.md").read_text()
    assert re.findall(r"^- (commit|seed): (.*)$", text, re.MULTILINE) == [("commit", "abc"), ("seed", "3")]
    rows = [line for line in text.splitlines() if re.match(r"\| (tests\.chaos|examples|\d)", line)]
    kills = [int(re.findall(r"\| (\d+)", row)[0]) for row in rows]
    assert kills == [2, 1, 1, 2]
