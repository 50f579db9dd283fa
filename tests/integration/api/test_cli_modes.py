"""Modes of jobs, as a user of the command sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.api.test_cli_past import APPLICATION
from tests.support.command_line import CommandLine

pytestmark = pytest.mark.timeout(180)

LIVE = "job j1: a live job keeps its variables and files in its runner only: no commit has them"
STATELESS = "a stateless job keeps nothing between its steps: these are its startup variables"


def test_modes_on_the_command_line(tmp_path: Path) -> None:
    source = APPLICATION.replace("exit(x)", 'exit(globals().get("x", "gone"))')
    statek = CommandLine(tmp_path, source).ask

    assert statek("run", "demo.py", "--mode", "live")[0] == 0
    assert statek("run", "demo.py", "--mode", "stateless", "--var", "given=1")[0] == 0
    jobs = json.loads(statek("jobs", "--json")[1])
    assert [(job["mode"], job["exit_status"], job["failure"]) for job in jobs] == [
        ("live", "2", None),
        ("stateless", "gone", None),
    ]
    assert "mode live" in statek("show", "j1")[1]
    for refused in (["locals"], ["files"], ["view"], ["diff", "0"], ["rollback", "0"], ["fork"]):
        code, out, err = statek(refused[0], "j1", *refused[1:])
        assert (code, out, LIVE in err) == (2, "", True), refused
    assert "a live job keeps" in statek("history", "j1")[2]
    for shown in ("locals", "view", "files", "history"):
        code, _, err = statek(shown, "j2")
        assert (code, STATELESS in err) == (0, True), shown
    code, _, err = statek("run", "demo.py", "--mode", "eternal")
    assert (code, "argument --mode: invalid choice: 'eternal'" in err) == (2, True)
