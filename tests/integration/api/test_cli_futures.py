"""An expense and its approval as people see it: a service, killed once, and the command line beside it."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import CommandLine

APPLICATION = '''
import pathlib
import statek
from statek.testing import RecordedProvider, parse_transcript

TALK = """## Turn 1

```python
approved = request_approval(amount)
print("asked for", amount)
```

## Turn 2

```python
try:
    exit(pay(amount) if approved else "declined")
except Exception as error:
    exit(f"{type(error).__name__}: {error}")
```
"""
provider = RecordedProvider(parse_transcript(TALK, "talk.md"))


@statek.tool
def request_approval(amount: int, **kwargs) -> statek.FutureResult:
    """Ask the manager to approve an expense."""
    with pathlib.Path("asked.txt").open("a") as mails:
        mails.write(f"{amount}\\n")
    return statek.suspend_for("approval of an expense", details={"amount": amount})


@statek.tool
def pay(amount: int, **kwargs) -> str:
    """Pay an expense."""
    with pathlib.Path("paid.txt").open("a") as bank:
        bank.write(f"{amount}\\n")
    return f"paid {amount}"


def agents():
    provider.start()
    metadata = {"MODEL": "openai/recorded", "API_BASE": provider.api_base}
    return statek.SupervisedAgent("clerk", "Work.", [request_approval, pay], _metadata=metadata)
'''
pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[CommandLine]:
    found = CommandLine(tmp_path, APPLICATION, "office.py", STATEK_IDLE_HOLD_SECONDS="0.05")
    yield found
    found.close()


def read_json(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_expenses_are_approved_declined_and_called_off(line: CommandLine) -> None:
    statek, folder = line.run, line.folder
    service = line.serve()
    for amount in (10, 20, 30, 40):
        assert statek("submit", "--role", "clerk", "--var", f"amount={amount}").returncode == 0
    while [job["status"] for job in read_json(statek("jobs", "--json"))] != ["SUSPENDED"] * 4:
        pass
    service.send_signal(signal.SIGKILL)
    service.wait()
    line.serve()

    found = {one["job"]: one for one in read_json(statek("futures", "list", "--json"))}
    assert {job: (one["what"], one["state"], one["details"]) for job, one in found.items()} == {
        f"j{n}": ("approval of an expense", "pending", f'{{"amount":{n}0}}') for n in range(1, 5)
    }
    ids = {job: one["id"] for job, one in found.items()}
    shown = statek("show", "j1").stdout.splitlines()
    assert f"waits for: approval of an expense  (statek futures show {ids['j1']})" in shown
    assert read_json(statek("show", "j1", "--json"))["awaited"] == {
        "mode": "all",
        "futures": [ids["j1"]],
        "what": ["approval of an expense"],
        "statement": 0,
    }
    assert statek("futures", "show", ids["j1"]).stdout.splitlines()[:2] == [
        f"future {ids['j1']}  pending  job j1  kind event",
        "waits for: approval of an expense",
    ]

    assert statek("futures", "resolve", ids["j1"], "true").returncode == 0
    assert statek("futures", "resolve", ids["j2"], "false").returncode == 0
    assert statek("futures", "fail", ids["j3"], "the form is lost").returncode == 0
    assert statek("futures", "cancel", ids["j4"], "--reason", "not needed").returncode == 0
    late = statek("futures", "resolve", ids["j1"], "false")
    assert (late.returncode, late.stderr) == (
        2,
        f"statek: error[future_settled]: future {ids['j1']} is resolved already; the first answer counts\n",
    )
    unknown = statek("futures", "resolve", "f-nothing", "true")
    assert "there is no future 'f-nothing'" in unknown.stderr
    jobs = read_json(statek("jobs", "--json"))
    while {job["status"] for job in jobs} != {"DONE"}:
        jobs = read_json(statek("jobs", "--json"))
    assert [job["exit_status"] for job in jobs] == [
        "paid 10",
        "declined",
        "FutureFailed: the form is lost",
        "FutureCancelled: not needed",
    ]
    assert statek("futures", "list").stderr == "statek: nothing is waited for\n"
    assert sorted((folder / "asked.txt").read_text().split()) == ["10", "20", "30", "40"]
    assert (folder / "paid.txt").read_text().split() == ["10"]
