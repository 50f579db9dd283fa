"""``get_current_job``: every kind of tool has its job as the application has it."""

from __future__ import annotations

from typing import Any

import pytest

import statek
from statek.executors.job import Job
from statek.settings import StatekSettings
from statek.testing import ScriptedModel
from statek.utils import perm_ctx_get, perm_ctx_set

pytestmark = pytest.mark.timeout(60)


def seen(word: str) -> list[Any]:
    """What a tool asks of its job, and what it says to it."""
    job = statek.get_current_job()
    assert isinstance(job, Job)
    perm_ctx_set(word, job.id)
    told = job.push_user_message(f"hello from {word}")
    return [
        job.status.value,
        len(job.chat_log),
        job.py_env.local_state["n"],
        job.find_locals(var_type=int),
        job.job_def.role,
        job.agent is statek.get_current_agent(),
        perm_ctx_get(word) == job.id,
        told,
    ]


@statek.tool(effect="store")
def in_store(**kwargs: object) -> list[Any]:
    """Ask on the store thread."""
    return seen("store")


@statek.tool(effect="none")
def without_effect(**kwargs: object) -> list[Any]:
    """Ask without an effect."""
    return seen("none")


@statek.tool
def outside(**kwargs: object) -> list[Any]:
    """Ask with an effect elsewhere."""
    return seen("external")


@statek.tool
async def waiting(**kwargs: object) -> list[Any]:
    """Ask in a coroutine."""
    return seen("async")


@pytest.mark.parametrize("tool", [in_store, without_effect, outside, waiting], ids=lambda tool: str(tool.__name__))
def test_a_tool_has_its_job(settings: StatekSettings, tool: Any) -> None:
    statek.init(settings=settings)
    clerk = statek.SupervisedAgent("clerk", "Work.", _tools=[tool], _metadata={"MODEL": "scripted/test"})
    job = statek.StatekClientAPI().submit_new_job(clerk, {"n": 1}, message="go")
    replies = [f"```python\nfound = {tool.__name__}()\n```", "```python\nexit(found)\n```"]
    statek.start_statek(clerk, model=ScriptedModel(replies), until_idle=True)
    assert job.py_env.exit_status == ["STARTED", 2, 1, {"n": 1}, "clerk", True, True, True]
    assert [item.text.partition(" from ")[0] for item in job.chat_log if item.kind == "user"] == ["go", "hello"]
    assert list(job.py_env.perm_ctx.values()) == [job.id]
