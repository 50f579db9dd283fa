"""Agents that a later process finds again: what ``start_statek`` drives when it is given none."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import statek
from statek import runtime
from statek.exceptions import InvalidRequest
from statek.settings import StatekSettings
from statek.testing import ScriptedModel

pytestmark = pytest.mark.timeout(120)

SHOP = """
import statek

MODEL = {"MODEL": "scripted/test"}

@statek.tool(effect="none")
def stock(**kwargs):
    \"\"\"Count what is there.\"\"\"
    return 7

clerks = [statek.SupervisedAgent("clerk", "Work.", [stock], _metadata=MODEL, _description="Counts.")]
"""

SUBMIT = """
import statek
from shop.agents import clerks
statek.init(settings=statek.StatekSettings(data_dir="data", driver="process", pool_size=1))
statek.start_statek(clerks, model=statek.testing.ScriptedModel([]), until_idle=True)
job = statek.StatekClientAPI().submit_new_job("clerk")
print(job.id, job.status.name)
statek.close()
"""

DRIVE = """
import statek, statek.testing
statek.init(settings=statek.StatekSettings(data_dir="data", driver="process", pool_size=1))
model = statek.testing.ScriptedModel(["```python\\nexit(stock())\\n```"])
try:
    statek.start_statek(model=model, until_idle=True)
    for job in statek.runtime.embedded().access.jobs():
        print(job.id, job.status.name, job.py_env.exit_status)
except statek.exceptions.ConfigurationError as error:
    print(error)
statek.close()
"""


def run(folder: Path, source: str) -> list[str]:
    """Run a program in a process of its own; gives what it prints."""
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", "import statek.runtime, statek.testing, statek.exceptions\n" + source],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The module of an application with an agent."""
    module = tmp_path / "shop" / "agents.py"
    module.parent.mkdir()
    module.write_text(SHOP)
    return module


def test_jobs_find_their_agent_in_a_process_that_never_named_it(tmp_path: Path, shop: Path) -> None:
    assert run(tmp_path, SUBMIT) == ["j1 READY"]
    assert run(tmp_path, DRIVE) == ["j1 DONE 7"]
    shop.unlink()
    # Nobody needs it any more, but then there is nobody left.
    assert run(tmp_path, DRIVE) == ["this process has made no agent and the store knows none; give start_statek some"]


def test_an_agent_with_work_that_cannot_be_found_is_named(tmp_path: Path, shop: Path) -> None:
    assert run(tmp_path, SUBMIT) == ["j1 READY"]
    kept = shop.read_text()
    shop.write_text("import no_such_thing_at_all\n")
    [refusal] = run(tmp_path, DRIVE)
    assert refusal == (
        "agent 'clerk' of this store, a statek.agents.agent:SupervisedAgent, is to be found at shop.agents:clerks, "
        "which cannot be imported: ModuleNotFoundError: No module named 'no_such_thing_at_all'"
    )
    shop.write_text(kept)
    assert run(tmp_path, DRIVE) == ["j1 DONE 7"]


def test_agents_that_the_process_has_made_are_driven(tmp_path: Path, shop: Path) -> None:
    assert run(tmp_path, SUBMIT) == ["j1 READY"]
    own = 'clerk = statek.SupervisedAgent("clerk", "Mine.", [stock], _metadata={"MODEL": "scripted/x"})\n'
    define = "def stock(**kwargs):\n    return 8\n"
    assert run(tmp_path, "import statek\n" + define + own + DRIVE) == ["j1 DONE 8"]
    twice = own + own.replace("clerk =", "other =")
    assert run(
        tmp_path, "import statek\n" + define + twice + DRIVE.replace("ConfigurationError", "InvalidRequest")
    ) == ["two agents of this process have the role 'clerk'; give start_statek the agents that are meant"]


def test_an_agent_is_replaced_before_and_while_the_service_runs(settings: StatekSettings) -> None:
    statek.init(settings=settings)
    client = statek.StatekClientAPI()
    client.replace_agent(named("one"))
    first = client.submit_new_job("clerk")
    refused: list[str] = []

    @statek.tool(effect="none")
    async def on_the_loop(**kwargs: object) -> None:
        """Replace an agent where it must not be done."""
        try:
            client.replace_agent(named("four"))
        except InvalidRequest as error:
            refused.append(str(error))

    @statek.tool(effect="none")
    def replace(**kwargs: object) -> str:
        """Replace an agent on a thread of its own."""
        client.replace_agent(named("three"))
        return client.submit_new_job("clerk").id

    boss = statek.SupervisedAgent("boss", "Work.", [on_the_loop, replace], _metadata={"MODEL": "scripted/test"})
    job = client.submit_new_job(boss)
    client.replace_agent(named("two"))
    source = "try:\n    on_the_loop()\n    found = replace()\nexcept NameError:\n    found = word()\nexit(found)"
    model = ScriptedModel([f"```python\n{source}\n```"])
    statek.start_statek(model=model, agents=[boss, runtime.embedded()._agents["clerk"]], until_idle=True)
    made = client.job(job.py_env.exit_status)
    assert refused == ["replace an agent on another thread than the service's event loop"]
    assert [one.py_env.exit_status for one in (first, made)] == ["two", "three"]


def named(said: str) -> statek.SupervisedAgent:
    """A clerk whose tool gives a word."""

    def word(**kwargs: object) -> str:
        return said

    return statek.SupervisedAgent("clerk", "Work.", [word], _metadata={"MODEL": "scripted/test"})


@pytest.mark.parametrize(("level", "heard"), [("INFO", True), ("ERROR", False)])
def test_the_log_level_of_the_settings_acts_in_the_applications_process(
    settings: StatekSettings, caplog: pytest.LogCaptureFixture, level: str, heard: bool
) -> None:
    statek.init(settings=replace(settings, log_level=level))
    statek.start_statek(named("one"), model=ScriptedModel([]), until_idle=True)
    for name in ("statek.tools", "orchestrator.store.thread"):
        logging.getLogger(name).info("for the log")
    assert [record.name for record in caplog.records if record.message == "for the log"] == (
        ["statek.tools", "orchestrator.store.thread"] if heard else []
    )
