"""Queues and batches as an application uses them."""

from __future__ import annotations

from typing import Any

import pytest

import statek
from statek import tool
from statek.exceptions import InvalidRequest, NotFound
from statek.settings import StatekSettings
from statek.statek_push_queue import StatekPushQueue
from statek.testing import ScriptedModel

pytestmark = pytest.mark.timeout(60)


def agent(role: str = "clerk", *, warmup: str | None = None, tools: Any = ()) -> statek.SupervisedAgent:
    return statek.SupervisedAgent(
        role, "Work.", _metadata={"MODEL": "scripted/test"}, warmup_def=warmup, _tools=list(tools)
    )


def run(agents: Any, replies: Any, **options: Any) -> None:
    statek.start_statek(agents, model=ScriptedModel(replies), until_idle=True, **options)


def exits(count: int) -> list[str]:
    client = statek.StatekClientAPI()
    return [client.job(f"j{number}").py_env.exit_status for number in range(1, count + 1)]


def test_events_pushed_before_the_service_runs_become_jobs(settings: StatekSettings) -> None:
    statek.init(settings=settings)
    clerk, queue = agent(warmup="subject = event['subject']"), StatekPushQueue()
    for subject in ("a", "b"):
        queue.push_to_agent_queue(clerk, {"subject": subject})
    assert queue.has_agent_events(clerk)
    run(clerk, ["```python\nexit(subject)\n```"], push_queues=[queue])
    assert (exits(2), queue.has_agent_events(clerk)) == (["a", "b"], False)


def test_batch_is_submitted_with_its_variables(settings: StatekSettings) -> None:
    statek.init(settings=settings)
    clerk = agent()
    jobs = statek.StatekClientAPI().submit_new_jobs_batch(clerk, [{"n": number} for number in range(5)], message="go")
    run(clerk, ["```python\nexit(n * n)\n```"])
    assert [job.py_env.exit_status for job in jobs] == [0, 1, 4, 9, 16]


def test_jobs_pick_their_work_from_the_application_s_queue(settings: StatekSettings) -> None:
    statek.init(settings=settings)
    work = ["c", "b", "a"]

    @tool(hidden=True, effect="external")
    def pick(**kwargs: Any) -> str:
        """Take the next piece."""
        return work.pop()

    puller = agent(warmup="#STATEK: hidden = True\nsubject = pick()", tools=[pick])
    run(puller, ["```python\nexit(subject)\n```"], task_queue_size_funcs={puller: lambda: len(work)})
    assert (sorted(exits(3)), work) == (["a", "b", "c"], [])


def test_message_by_the_client_makes_a_done_job_go_on(settings: StatekSettings) -> None:
    statek.init(settings=settings)
    clerk, replies = agent(), ["```python\nexit(1)\n```", "```python\nexit(2)\n```"]
    client = statek.StatekClientAPI()
    job = client.submit_new_job(clerk)
    run(clerk, replies)
    assert client.push_user_message(job, "again")
    assert job.inbox == ("again",)
    run(clerk, replies)
    assert (job.py_env.exit_status, job.inbox, job.num_completions) == (2, (), 1)
    assert job.py_env.push_log == {0: "again"}


def test_existing_jobs_keep_what_their_agent_said_when_they_were_made(settings: StatekSettings) -> None:
    statek.init(settings=settings)

    @tool(effect="none")
    def old(**kwargs: Any) -> str:
        """Say old."""
        return "old"

    @tool(effect="none")
    def new(**kwargs: Any) -> str:
        """Say new."""
        return "new"

    clerk = agent(tools=[old])
    first = statek.StatekClientAPI().submit_new_job(clerk)
    clerk.update_system_prompt("Work otherwise.")
    clerk.append_tool(new)
    clerk.update_metadata({"MODEL": "scripted/other"})
    second = statek.StatekClientAPI().submit_new_job(clerk)
    source = "try:\n    found = new()\nexcept NameError:\n    found = old()\nexit(found)"
    model = ScriptedModel([f"```python\n{source}\n```"])
    statek.start_statek(clerk, model=model, until_idle=True)
    asked = {request.job_id: request for request in model.requests}
    assert [asked[job.id].model for job in (first, second)] == ["scripted/test", "scripted/other"]
    assert [asked[job.id].messages[0]["content"] for job in (first, second)] == ["Work.", "Work otherwise."]
    assert [job.py_env.exit_status for job in (first, second)] == ["old", "new"]


def test_unknown_roles_are_refused_by_name(settings: StatekSettings) -> None:
    statek.init(settings=settings)
    with pytest.raises(NotFound, match="agent 'nobody' is not registered here; registered: none"):
        statek.StatekClientAPI().submit_new_job("nobody")
    with pytest.raises(InvalidRequest, match="names agent 'nobody', which is not among those started"):
        run(agent(), [], task_queue_size_funcs={"nobody": lambda: 1})


def test_messages_that_are_no_text_are_told_as_the_agents_adapter_says(settings: StatekSettings) -> None:
    statek.init(settings=settings)
    clerk, queue, client = agent(), StatekPushQueue(), statek.StatekClientAPI()
    clerk.context["_message_adapter"] = lambda message: f"{message['from']}: {message['body']}"
    job = statek.create_new_job(clerk)
    assert job.agent is clerk  # known before any service runs
    job.push_user_message({"from": "Ann", "body": "one"})
    client.push_user_message(job, {"from": "Bob", "body": "two"})
    queue.push_to_job_console(job, {"from": "Cy", "body": "three"})
    queue.push_to_job_console(job.id, {"from": "Di", "body": "four"})
    queue.push_to_job_console("j99", ["nobody"])
    assert job.inbox == ("Ann: one", "Bob: two")
    assert queue.pop_from_job_console(9) == [(job.id, "Cy: three"), (job.id, "Di: four"), ("j99", "['nobody']")]
    with pytest.raises(KeyError):
        job.push_user_message({"from": "Ed"})
    with pytest.raises(InvalidRequest, match="'nobody' is no job id"):
        queue.push_to_job_console("nobody", 5)
    assert (len(job.inbox), queue.is_empty()) == (2, True)
