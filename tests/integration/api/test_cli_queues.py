"""``statek queues list`` as a user sees it: over the files, and beside a service that delivers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine

APPLICATION = '''
import statek
from statek.statek_push_queue import StatekPushQueue
from statek.testing import RecordedProvider, parse_transcript

provider = RecordedProvider(parse_transcript("""## Turn 1

```python
exit(order)
```
""", "talk.md"))


WARMUP = "#STATEK: hidden = True\\nprint(order)"


def agents():
    provider.start()
    metadata = {"MODEL": "openai/recorded", "API_BASE": provider.api_base}
    return [
        statek.SupervisedAgent("clerk", "Work.", _metadata=metadata, warmup_def=WARMUP),
        statek.SupervisedAgent("idler", "Work.", _metadata=metadata),
    ]


if __name__ == "__main__":
    statek.init()
    queue = StatekPushQueue()
    queue.push_to_job_console("j99", "Anybody \\x1b[2J there?")
    queue.push_to_agent_queue("clerk", {"text": "two lamps"})
    queue.push_to_agent_queue("idler", 7)
    statek.close()
'''
pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[CommandLine]:
    found = CommandLine(tmp_path, APPLICATION, "shop.py")
    yield found
    found.close()


def without_times(text: str) -> list[str]:
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "<time>", text).splitlines()


def test_queues_wait_are_delivered_and_hold_what_cannot_be(line: CommandLine) -> None:
    statek = line.run
    ran = subprocess.run([sys.executable, "shop.py"], cwd=line.folder, env=line.environment, check=False, timeout=60)
    assert ran.returncode == 0
    waiting = statek("queues", "list")
    assert (waiting.returncode, waiting.stdout.splitlines(), waiting.stderr) == (
        0,
        ["QUEUE       WAITING  HELD", "(messages)  1        0", "clerk       1        0", "idler       1        0"],
        "",
    )
    line.serve()
    queues = json.loads(statek("queues", "list", "--json").stdout)
    while any(queue["waiting"] for queue in queues):
        queues = json.loads(statek("queues", "list", "--json").stdout)
    reason = "the warmup of agent 'idler' must read exactly one name that it does not set, the event; it reads: none"
    assert [(one["role"], one["held"], [entry["reason"] for entry in one["entries"]]) for one in queues] == [
        ("", 1, ["job j99 does not exist; this store has 0 job(s)"]),
        ("clerk", 0, []),
        ("idler", 1, [reason]),
    ]
    assert queues[0]["entries"][0]["target"] == "j99"
    shown = without_times(statek("queues", "list").stdout)
    assert shown[:6] == [
        "QUEUE       WAITING  HELD",
        "(messages)  0        1",
        "clerk       0        0",
        "idler       0        1",
        "",
        "held in (messages)  <time> UTC  j99",
    ]
    # What is shown cannot move the cursor of whoever looks.
    assert shown[6] == '  " "Anybody \\x1b[2J there?"'
    assert shown[-3:] == ["held in idler  <time> UTC", '  " 7', f"  ! {reason}"]


def test_a_store_without_queues_says_so(line: CommandLine) -> None:
    statek = line.run
    ran = statek("run", "shop.py", "--role", "clerk", "--var", "order=1")
    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (0, "job j1 DONE tier=process steps=2"), ran.stderr
    done = statek("queues", "list")
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "",
        "statek: nothing was ever pushed into a queue\n",
    )
