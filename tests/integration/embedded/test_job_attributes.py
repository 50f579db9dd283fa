"""What an application learns of a job, and gives it before it begins."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

import statek
from statek import durable
from statek.exceptions import InvalidRequest, NotFound
from statek.executors.job import Job
from statek.settings import StatekSettings
from statek.testing import ScriptedModel

from .model import Note, Pad

pytestmark = pytest.mark.timeout(60)


def agent(role: str = "clerk") -> statek.SupervisedAgent:
    return statek.SupervisedAgent(role, "Work.", _metadata={"MODEL": "scripted/test"})


def make_pad() -> Pad:
    pad = Pad()
    durable.tag(pad, "desk")
    return pad


def test_job_knows_its_setup_its_agent_and_its_age(settings: StatekSettings) -> None:
    statek.init(settings=settings)
    clerk = agent()
    before = dt.datetime.now(dt.UTC)
    job = statek.StatekClientAPI().submit_new_job(clerk, {"n": 1}, "PL-PL", topic="x")
    assert (job.agent, job.agent_role, job.parent_job, job.num_turns) == (clerk, "clerk", None, 0)
    assert (job.job_def.locale, dict(job.job_def.job_params), job.job_def.shared_var_names) == (
        "PL-PL",
        {"topic": "x"},
        ("n",),
    )
    assert before - dt.timedelta(seconds=1) <= job.created_at <= dt.datetime.now(dt.UTC)


def test_variables_are_given_before_the_job_begins_and_found_by_type_and_name(settings: StatekSettings) -> None:
    service = statek.init(settings=settings)
    clerk = agent()
    pad = service.store.commit_sync(make_pad)
    job = statek.StatekClientAPI().submit_new_job(clerk, {"n": 1})
    job.add_locals(pad=pad, word="w")
    statek.start_statek(clerk, model=ScriptedModel(["```python\nnote = pad.add(word)\nexit(n)\n```"]), until_idle=True)
    assert job.py_env.exit_status == 1
    assert set(job.find_locals()) == {"n", "note", "pad", "word"}
    assert list(job.find_locals(Pad)) == ["pad"]
    assert job.find_locals(Note)["note"].text == "w"
    assert (job.find_locals(str), job.find_locals(int, "word"), job.find_locals(var_name="n")) == (
        {"word": "w"},
        {},
        {"n": 1},
    )
    with pytest.raises(InvalidRequest, match="job j1 has begun; its variables are its own"):
        job.add_locals(late=1)
    with pytest.raises(InvalidRequest, match="startup variable '_x' must be a Python name"):
        job.add_locals(_x=1)


def test_warmup_of_a_new_job_gets_the_caller_s_variables_that_it_reads(settings: StatekSettings) -> None:
    statek.init(settings=settings)
    clerk, price = agent(), 7
    job = statek.create_new_job(clerk, {"count": 3}, warmup_code="total = price * count")
    statek.start_statek(clerk, model=ScriptedModel(["```python\nexit(total)\n```"]), until_idle=True)
    assert (job.py_env.exit_status, price) == (21, 7)
    assert job.job_def.shared_var_names == ("count", "price")


def test_children_inherit_the_language_of_their_parent(settings: StatekSettings) -> None:
    statek.init(settings=settings)
    clerk = agent()
    parent = statek.StatekClientAPI().submit_new_job(clerk, None, "PL-PL")
    child = statek.create_new_job(clerk, parent_job=parent)
    other = statek.create_new_job(clerk, parent_job=parent, locale="DE-DE")
    found: list[Any] = [(job.parent_job.id, job.job_def.locale) for job in (child, other) if job.parent_job is not None]
    assert found == [("j1", "PL-PL"), ("j1", "DE-DE")]


def test_agent_that_this_process_does_not_know_is_named(settings: StatekSettings) -> None:
    service = statek.init(settings=settings)
    statek.StatekClientAPI().submit_new_job(agent())
    service._agents.clear()
    with pytest.raises(NotFound, match="agent 'clerk' is not registered here; registered: none"):
        _ = Job("j1", service.access).agent


def test_job_is_told_of_a_sub_task_that_it_did_not_give_out(settings: StatekSettings) -> None:
    statek.init(settings=settings)
    boss, worker = agent("boss"), agent("worker")
    client = statek.StatekClientAPI()
    told, works = client.submit_new_job(boss), client.submit_new_job(worker)
    handler = statek.create_sub_task(works, id="t1")
    assert (handler.job.id, handler.job.status.value, handler.job.agent_role) == (works.id, "READY", "worker")
    with pytest.raises(RuntimeError, match="sub-task id=t1 is waiting"):
        told.push_notification(handler)
    with pytest.raises(InvalidRequest, match="a notification tells of a SubTaskHandler, not of a str"):
        told.push_notification("t1")  # type: ignore[arg-type]
    model = ScriptedModel(["```python\nexit('found')\n```", "```python\nexit('told')\n```"])
    statek.start_statek([boss, worker], model=model, until_idle=True)
    assert told.find_sub_task_handler() is None
    with pytest.raises(RuntimeError, match="this job has no sub-task with id=t1"):
        told.find_sub_task_handler("t1")
    assert told.push_notification(handler) is True
    statek.start_statek([boss, worker], model=model, until_idle=True)
    assert [item.text for item in told.chat_log if item.kind == "notification"] == [
        "[Notification] sub-task id=t1 completed successfully."
    ]
    found = told.find_sub_task_handler()
    assert found is not None
    assert (found.id, found.result, told.py_env.exit_status) == ("t1", "found", "told")
    assert told.find_sub_task_handler("t1") == found
