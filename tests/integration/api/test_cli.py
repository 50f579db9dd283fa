"""The command itself, as a user runs it: a process, a store, a service, a model behind HTTP."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine, command, environment

APPLICATION = '''
from statek.agents.agent import Agent
from statek.testing import RecordedProvider, parse_transcript

TALK = """## Turn 1

```python
total = count + 1
print("total", total, "\\\\x1b[2J")
```

## Turn 2

```python
exit(total)
```
"""
provider = RecordedProvider(parse_transcript(TALK, "talk.md"))


def agents():
    provider.start()
    return Agent("adder", _metadata={"MODEL": "openai/recorded", "API_BASE": provider.api_base})


broken = 7
'''
Statek = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def statek(tmp_path: Path) -> Statek:
    return CommandLine(tmp_path, APPLICATION).run


@pytest.fixture
def service(statek: Statek, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command("serve", "demo.py"), cwd=tmp_path, env=environment(tmp_path), stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def without_times(text: str) -> list[str]:
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "<time>", text).splitlines()


def test_run_then_look(statek: Statek) -> None:
    ran = statek("run", "demo.py", "--var", "count=41", "--message", "Add one.")
    assert without_times(ran.stdout) == [
        "[0] user  <time> UTC",
        '  " Add one.',
        "[1] reply  step 1  committed  <time> UTC",
        "    total = count + 1",
        '    print("total", total, "\\x1b[2J")',
        "  | total 42 \\x1b[2J",
        "  changed: total",
        "[2] reply  step 2  committed  <time> UTC",
        "    exit(total)",
        "  ended: exit",
        "job j1 DONE tier=process steps=2",
    ]
    assert ran.returncode == 0
    assert json.loads(statek("jobs", "--json").stdout)[0]["exit_status"] == "42"
    assert without_times(statek("logs", "j1", "--start", "2").stdout) == [
        "[2] reply  step 2  committed  <time> UTC",
        "    exit(total)",
        "  ended: exit",
    ]
    values = json.loads(statek("locals", "j1", "--json").stdout)
    assert [(value["name"], value["value"]) for value in values] == [("count", 41), ("total", 42)]
    missing = statek("show", "j2")
    assert (missing.returncode, missing.stdout, missing.stderr) == (
        1, "", "statek: error[not_found]: job j2 does not exist; this store has 1 job(s)\n"
    )  # fmt: skip
    cancelled = statek("cancel", "j1")
    assert (cancelled.returncode, cancelled.stderr) == (
        2, "statek: error[invalid_request]: job j1 is done already\n"
    )  # fmt: skip


def test_a_service_answers_until_it_is_stopped(statek: Statek, service: subprocess.Popen[str], tmp_path: Path) -> None:
    socket = tmp_path / "d" / "api.sock"
    assert service.stderr is not None
    assert service.stderr.readline() == f"statek: starting with adder; the API will be at {socket}\n"
    while not socket.exists():
        assert service.poll() is None, service.stderr.read()
    submitted = statek("submit", "--role", "adder", "--var", "count=1")
    assert (submitted.returncode, submitted.stdout) == (0, "j1\n")
    assert without_times(statek("logs", "-f", "j1").stdout)[-1] == "  ended: exit"
    assert statek("calls", "list").stderr == "statek: no call is in doubt\n"
    locked = statek("run", "demo.py", "--var", "count=1")
    assert locked.returncode == 1
    assert locked.stderr == (
        f"statek: error[store_locked]: the store {tmp_path / 'd' / 'store'} is in use by process {service.pid}\n"
    )
    service.send_signal(signal.SIGTERM)
    _, err = service.communicate(timeout=30)
    assert err.splitlines()[-1] == "statek: stopped; everything is on the disk"
    assert service.returncode == 0
    assert not socket.exists()
    assert (tmp_path / "d" / "store" / "statek" / "default.clean").is_file()


def test_what_is_not_there_is_one_clear_line(statek: Statek, tmp_path: Path) -> None:
    none = statek("jobs")
    assert (none.returncode, none.stdout, none.stderr) == (
        1,
        "",
        f"statek: error[not_found]: no store at {tmp_path / 'd' / 'store'} yet; statek run and statek serve make one\n",
    )
    nobody = statek("submit", "--role", "adder")
    assert (nobody.returncode, nobody.stderr) == (
        2,
        f"statek: error[configuration]: no service answers at {tmp_path / 'd' / 'api.sock'}; statek serve starts one\n",
    )
    for application, reason in (
        ("demo.py:broken", "'broken' is neither an agent nor a list of agents"),
        ("demo.py:nothing", "demo.py has no attribute 'nothing'"),
        ("none.py", "there is no file none.py"),
        ("nowhere:agents", "ModuleNotFoundError: No module named 'nowhere'"),
    ):
        refused = statek("run", application)
        assert (refused.returncode, refused.stderr) == (
            2, f"statek: error[configuration]: application {application!r}: {reason}\n"
        )  # fmt: skip
    setting = statek("config", "--set", "pool_siz=1")
    assert (setting.returncode, setting.stderr) == (
        2, "statek: error[configuration]: 'pool_siz' (explicit) is no setting; did you mean pool_size?\n"
    )  # fmt: skip
    usage = statek("jobs", "--nope")
    assert (usage.returncode, usage.stderr) == (
        2, "statek: error[usage]: unrecognized arguments: --nope (statek --help shows how)\n"
    )  # fmt: skip
    assert not (tmp_path / "d").exists()


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    with subprocess.Popen(
        command("config"), cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_the_doctor_names_every_tier(statek: Statek) -> None:
    report = json.loads(statek("doctor", "--json").stdout)
    assert [(tier["driver"], tier["tier"]) for tier in report["tiers"]] == [
        ("docker", "container"), ("bubblewrap", "namespace"), ("process", "process")
    ]  # fmt: skip
    assert all(tier["available"] or tier["reason"] for tier in report["tiers"])
    assert report["driver_setting"] == "process"
    assert report["fsync_ms"] > 0


def test_a_quick_start_loads_nothing_heavy(tmp_path: Path) -> None:
    check = (
        "import sys; from orchestrator.cli.main import main; main(['jobs']); main(['config']);"
        "print([name for name in ('dbzero', 'docker', 'grpc', 'litellm') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", check],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.splitlines()[-1] == "[]"
