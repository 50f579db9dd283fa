"""The commands about commits, as a user runs them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine

APPLICATION = '''
from statek.agents.agent import Agent
from statek.testing import RecordedProvider, parse_transcript

TALK = """## Turn 1

```python
x = 1
open("a.txt", "w").write("a")
```

## Turn 2

```python
x = 2
y = "two \\\\x1b[2J"
```

## Turn 3

```python
exit(x)
```
"""
provider = RecordedProvider(parse_transcript(TALK, "talk.md"))


def agents():
    provider.start()
    return Agent("counter", _metadata={"MODEL": "openai/recorded", "API_BASE": provider.api_base})
'''
pytestmark = pytest.mark.timeout(180)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_HASH = re.compile(r"\b[0-9a-f]{12}\b")


def test_history_view_diff_tag_rollback_and_fork(tmp_path: Path) -> None:
    line = CommandLine(tmp_path, APPLICATION)

    def statek(*arguments: str) -> tuple[int, str, str]:
        code, output, errors = line.ask(*arguments)
        return code, _HASH.sub("HASH", _MOMENT.sub("MOMENT", output)), errors

    assert statek("run", "demo.py")[0] == 0
    table = [line.split() for line in statek("history", "j1")[1].splitlines()]
    assert table[1:] == [
        ["0", "HASH", "start", "-", "MOMENT", "-", "-"],
        ["1", "HASH", "step", "1", "MOMENT", "-", "/work/a.txt,", "x"],
        ["2", "HASH", "step", "2", "MOMENT", "-", "x,", "y"],
        ["3", "HASH", "step", "3", "MOMENT", "-", "-"],
    ]
    commits = json.loads(statek("history", "j1", "--json")[1])
    assert [commit["parent"] for commit in commits] == [-1, 0, 1, 2]
    assert "x     graph  " in statek("view", "j1", "--at", "1")[1]
    recent = json.loads(statek("view", "j1", "--at", "2", "--recent", "--json")[1])
    assert [(variable["name"], variable["value"]) for variable in recent["variables"]] == [
        ("x", 2),
        ("y", "two \x1b[2J"),
    ]
    shown = statek("diff", "j1", "1")[1]
    assert re.findall(r"^  ([-+] .*?)  \(graph", shown, re.MULTILINE) == [
        "- int 1",
        "+ int 2",
        "+ str 'two \\x1b[2J'",
    ]
    assert statek("diff", "j1", "2", "3")[2] == "statek: commits 2 and 3 have the same variables and files\n"
    assert statek("tag", "j1", "good", "--at", "1")[0] == 0
    assert statek("rollback", "j1", "good")[1].splitlines()[1].split()[:3] == ["4", "HASH", "rollback"]
    assert statek("locals", "j1")[1].splitlines()[1].split() == ["x", "graph", "6", "int", "1"]
    code, fork, note = statek("fork", "j1", "--at", "2", "-m", "Again.")
    assert (code, fork, note) == (0, "j2\n", "statek: job j2 goes on when a service with its agent runs\n")
    assert "good" in statek("history", "j2")[1]
    assert statek("tag", "j1", "good", "--delete")[2] == "statek: tag good is gone; its commit stays\n"
    assert statek("view", "j1", "--at", "99") == (
        1,
        "",
        "statek: error[not_found]: job j1 has no commit 99; it has 0 to 4\n",
    )
    assert statek("rollback", "j1", "no such")[0] == 2
