"""Blocks that are an agent's code: they run in the sandbox, over the application's durable objects."""

from __future__ import annotations

from typing import Any

import pytest

import statek
from statek.pyenv import UnreadableValue
from tests.documents.printed import application as app
from tests.documents.printed.conftest import Application
from tests.documents.printed.plain_user import User
from tests.documents.printed.printed import block, covers

pytestmark = pytest.mark.timeout(120)
MODEL = {"MODEL": "scripted/test"}


def fenced(*names: str) -> list[str]:
    """One reply per block, and one that ends the job."""
    return [*(f"```python\n{block(name)}```" for name in names), "```python\nexit()\n```"]


def agent(*tools: Any, **metadata: str) -> statek.SupervisedAgent:
    return statek.SupervisedAgent("calendar_assistant", "Work.", _tools=list(tools), _metadata=MODEL | metadata)


@covers("core-concepts 1", "agents 1", "agents 4")
@pytest.mark.parametrize("name", ["core-concepts 1", "agents 1", "agents 4"])
def test_the_names_are_there(application: Application, name: str) -> None:
    job = application.work(agent(), fenced(name))
    console = job.py_env.console
    assert job.py_env.exceptions == {}
    names = [line for line in block(name).splitlines() if line.isidentifier()]
    assert len(console) == len(names) == (4 if name == "agents 4" else 5)
    assert ("Ari" in console[0], console[1], "2026" in console[3]) == (True, "Ari: Move the planning.", True)


@covers("core-concepts 2", "core-concepts 3", "core-concepts 4", "core-concepts 11")
def test_a_later_step_uses_the_variables_of_an_earlier_one(application: Application) -> None:
    names = ("core-concepts 2", "core-concepts 3", "core-concepts 4", "core-concepts 11")
    job = application.work(agent(), fenced(*names))
    assert job.py_env.exceptions == {}
    console = job.py_env.console
    assert console == ["[Weekly planning at 10:00,Lunch at 11:00]", "None", 'datetime("2026-03-16 11:30")']
    state = job.py_env.local_state
    assert state["empty_slot"] == app.on_the_day(11, 30)
    assert (state["meeting"].title, state["meeting"].starts_at) == ("Weekly planning", state["empty_slot"])


@covers("agents 5")
def test_a_meeting_is_moved(application: Application) -> None:
    job = application.work(agent(), fenced("agents 5"))
    assert job.py_env.exceptions == {}
    assert job.py_env.local_state["meeting"].starts_at == app.on_the_day(11, 30)


@covers("agents 2")
def test_results_that_are_durable_are_kept(application: Application) -> None:
    variables = application.variables() | {"text": "See you."}
    job = application.work(agent(app.send_message), fenced("agents 2"), variables)
    assert job.py_env.exceptions == {}
    state = job.py_env.local_state
    assert (state["meeting"].room, state["receipt_id"]) == ("A12", "Ari-1")


@covers("agents 8")
def test_python_tools_take_durable_objects(application: Application) -> None:
    replies = fenced("core-concepts 3", "agents 8")
    job = application.work(agent(app.find_empty_slot, app.move_meeting), replies)
    assert job.py_env.exceptions == {}
    assert job.py_env.local_state["meeting"].starts_at == job.py_env.local_state["slot"]
    assert [call.name for call in job.chat_log[1].calls] == ["find_empty_slot", "move_meeting"]


@covers("agents 10")
def test_warmup_prepares_the_workspace(application: Application) -> None:
    worker = statek.SupervisedAgent("calendar_assistant", "Work.", _metadata=MODEL, warmup_def=block("agents 10"))
    job = application.work(worker, ["```python\nexit(today.isoformat())\n```"], {"message": application.message})
    assert job.chat_log[0].kind == "warmup"
    assert (job.py_env.console, job.py_env.exit_status) == (["Ari: Move the planning."], "2026-03-16")
    assert job.py_env.local_state["calendar"] == application.variables()["calendar"]


@covers("chat-styles 4", "chat-styles 5", "chat-styles 11")
def test_replies_in_markdown(application: Application) -> None:
    replies = [*(block(f"chat-styles {number}") for number in (4, 5, 11)), "```python\nexit()\n```"]
    tools = (app.find_empty_slot, app.search_documents)
    variables = application.variables() | {"request_text": "planning"}
    job = application.work(agent(*tools, CHAT_STYLE="MARKDOWN"), replies, variables)
    assert job.py_env.exceptions == {}
    console = job.py_env.console
    assert console == [
        "[Weekly planning at 10:00]",
        "None",
        'Moved to: datetime("2026-03-16 11:30")',
        '["planning 0","planning 1","planning 2","planning 3","planning 4"]',
    ]


@covers("chat-styles 10")
def test_a_console_transcript(application: Application) -> None:
    code, output = block("chat-styles 10").splitlines()
    user = application.store.commit_sync(lambda: User("Ari"))
    worker = agent(CHAT_STYLE="CONSOLE")
    seen: list[str] = []

    def reply(request: Any) -> str:
        seen.extend(message["content"] for message in request.messages)
        return "exit()"

    job = application.work(worker, [code, reply], {"user": user})
    assert job.py_env.console == [output.removeprefix("> ")]
    assert seen[-2:] == [code, output]


@covers("core-concepts 7", "core-concepts 8", "core-concepts 9")
def test_jobs_are_inspected(application: Application) -> None:
    worker = agent()
    job = application.work(worker, fenced("core-concepts 3"))
    names: dict[str, Any] = {"job": job}
    values = [eval(line, names) for line in block("core-concepts 7").splitlines()]
    status, local_state, console, chat_log, error = values
    assert (status.name, console, error) == ("DONE", [], None)
    assert (local_state["today"], [item.kind for item in chat_log]) == (app.DAY, ["reply", "reply"])
    for line in block("core-concepts 9").splitlines():
        assert not isinstance(eval(line, names), UnreadableValue)

    other = application.store.commit_sync(lambda: app.Calendar([]))
    names = {"job_a": job, "job_b": application.work(worker, ["```python\nexit()\n```"], {"calendar": other})}
    lines = [line for line in block("core-concepts 8").splitlines() if not line.startswith("#")]
    first, second = [eval(line, names) for line in lines]
    assert (len(first.meetings), len(second.meetings), first == second) == (2, 0, False)


def test_globals_of_a_function_persist_in_the_one_namespace(application: Application) -> None:
    first = "def make():\n    global made\n    made = 41\nmake()"
    job = application.work(agent(), [f"```python\n{first}\n```", "```python\nexit(made + 1)\n```"])
    assert (job.py_env.exit_status, job.py_env.local_state["made"], job.py_env.global_state) == (42, 41, {})
