"""The main job in containers, as ``make run`` starts it: the default calendar, and a user's own iCalendar file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ICS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//test//EN
{events}END:VCALENDAR
"""

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]


def own_calendar() -> str:
    """Forty meetings of two kinds."""
    event = "BEGIN:VEVENT\nUID:{uid}\nSUMMARY:{title}\nDTSTART:{day}T100000Z\nDTEND:{day}T110000Z\nEND:VEVENT\n"
    weekly = "BEGIN:VEVENT\nUID:w\nSUMMARY:Weekly planning\nDTSTART:20260105T090000Z\nDTEND:20260105T100000Z\n"
    weekly += "RRULE:FREQ=WEEKLY;COUNT=60\nEND:VEVENT\n"
    single = [event.format(uid=f"s{n}", title=f"Visit {n}", day=f"202603{n + 1:02}") for n in range(20)]
    return ICS.format(events=weekly + "".join(single)).replace("\n", "\r\n")


def make_run(folder: Path, engine: str, *arguments: str, **variables: str) -> str:
    """What ``make run`` starts once everything is set up, with these variables too; its output."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("STATEK_")}
    environ = {name: value for name, value in environ.items() if not name.endswith("_API_KEY")}
    environ |= {"DOCKER_HOST": engine, "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run(
        [sys.executable, "-m", "examples.calendar_assistant", "--data-dir", str(folder / "data"), *arguments],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_default_calendar_in_a_container(docker_engine: str, tmp_path: Path) -> None:
    said = make_run(tmp_path, docker_engine)
    assert said.splitlines()[-1] == "job j1 DONE tier=container steps=10"
    assert said.startswith("Model: RECORDED replies")
    for command in ("jobs", "show j1", "locals j1"):
        assert re.search(rf"statek .*{command}$", said, re.MULTILINE)


def test_an_own_calendar_in_a_container(docker_engine: str, tmp_path: Path) -> None:
    (tmp_path / "mine.ics").write_text(own_calendar(), encoding="utf-8", newline="")
    said = make_run(tmp_path, docker_engine, "--ics", str(tmp_path / "mine.ics"))
    assert re.fullmatch(r"job j1 DONE tier=container steps=\d+", said.splitlines()[-1])
    assert re.search(r"calendar: \d+ events \(.*mine\.ics\)$", said, re.MULTILINE)
