"""``statek files``, as a user runs it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine, command, environment

APPLICATION = '''
from statek.agents.agent import Agent
from statek.testing import RecordedProvider, parse_transcript

TALK = """## Turn 1

```python
import os
os.mkdir("out")
open("out/table.csv", "w").write("a,b")
open("note \\\\x1b[2J", "w").write("hi")
exit()
```
"""
provider = RecordedProvider(parse_transcript(TALK, "talk.md"))


def agents():
    provider.start()
    return Agent("writer", _metadata={"MODEL": "openai/recorded", "API_BASE": provider.api_base})
'''
pytestmark = pytest.mark.timeout(120)


def test_files_are_listed_printed_and_copied(tmp_path: Path) -> None:
    statek = CommandLine(tmp_path, APPLICATION).ask

    assert statek("run", "demo.py")[0] == 0
    assert statek("files", "j1") == (0, "BYTES  PATH\n2      note \\x1b[2J\n3      out/table.csv\n", "")
    listed = json.loads(statek("files", "j1", "--json")[1])
    assert [(file["path"], file["size_bytes"]) for file in listed] == [("note \x1b[2J", 2), ("out/table.csv", 3)]
    assert statek("files", "j1", "out/table.csv") == (0, "a,b", "")
    assert statek("files", "j1", "/work/out/table.csv", "-o", "t.csv") == (0, "", "statek: 3 bytes written to t.csv\n")
    assert (tmp_path / "t.csv").read_text() == "a,b"
    assert statek("files", "j1", "-o", "all") == (0, "", "statek: 2 file(s) written below all\n")
    assert (tmp_path / "all/out/table.csv").read_text() == "a,b"
    assert statek("files", "j1", "-o", "all") == (
        2,
        "",
        "statek: error[invalid_request]: all is there already; all files are copied into a new folder only\n",
    )
    assert statek("files", "j1", "x") == (
        1,
        "",
        "statek: error[not_found]: job j1 has no file 'x'; it has 'note \\x1b[2J', 'out/table.csv'\n",
    )


def test_a_file_is_not_written_to_a_terminal(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    try:
        done = subprocess.run(
            command("files", "j1", "x"),
            cwd=tmp_path,
            env=environment(tmp_path),
            stdout=slave,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    finally:
        os.close(slave)
        os.close(master)
    text = "a file of a sandbox is not written to a terminal, which it could take over; give -o FILE"
    assert (done.returncode, done.stderr) == (2, f"statek: error[invalid_request]: {text}\n")
