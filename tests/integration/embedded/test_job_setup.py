"""The documented names of a job's setup: its definition, its status, its warmup, and why it failed."""

from __future__ import annotations

import pytest

import statek
from statek.chat_style import ChatStyle
from statek.difficulty import TaskDifficulty
from statek.exceptions import InvalidRequest
from statek.executors.job import Job, JobDef, JobDefError, JobStatus
from statek.settings import StatekSettings
from statek.testing import ScriptedModel
from statek.warmup import WarmupBlock

pytestmark = pytest.mark.timeout(60)


def agent(role: str = "clerk", model: str = "scripted/test", **options: str) -> statek.SupervisedAgent:
    return statek.SupervisedAgent(
        role, "Work with {shared_var_names}.\n\n--- H: HARD ---\nTake care.", _metadata={"MODEL": model, **options}
    )


def submit(clerk: statek.Agent, warmup: str | None = None) -> Job:
    if warmup is not None:
        return statek.create_new_job(clerk, {"n": 1}, warmup_code=warmup)
    return statek.StatekClientAPI().submit_new_job(clerk, {"n": 1})


def run(clerk: statek.Agent, *replies: str) -> None:
    statek.start_statek(clerk, model=ScriptedModel(replies), until_idle=True)


def test_definition_is_set_up_until_a_job_has_it(settings: StatekSettings) -> None:
    statek.init(settings=settings)
    definition: JobDef = agent(CHAT_STYLE="console").create_job_def(warmup_code="x = 1")
    assert (definition.chat_style, definition.warmup_code) == (ChatStyle.CONSOLE, (WarmupBlock("x = 1"),))
    assert [definition.set_chat_style(style) for style in ("direct", ChatStyle.DIRECT, None)] == [True, False, True]
    assert definition.chat_style is ChatStyle.CONSOLE
    assert (definition.update_warmup_code("x = 1"), definition.update_warmup_code(None)) == (False, True)
    assert definition.set_post_processing("FinalCheck(max_llm_actions=2)") is True
    assert (definition.warmup_code, definition.post_processing) == (None, "FinalCheck(max_llm_actions=2)")
    with pytest.raises(InvalidRequest, match="chat style 'loud' is unknown"):
        definition.set_chat_style("loud")
    frozen = submit(agent()).job_def
    for change in (frozen.set_chat_style, frozen.update_warmup_code, frozen.set_post_processing):
        with pytest.raises(InvalidRequest, match=r"the definition of a job is frozen; set .* of one that no job has"):
            change(None)


def test_definition_names_its_agent_and_models(settings: StatekSettings) -> None:
    statek.init(settings=settings)
    clerk = agent(model="L:openai/gpt/mini,MH:big", PROVIDER="openai")
    job = submit(clerk)
    definition = job.job_def
    assert definition.agent is clerk
    assert (definition.provider, definition.model_family) == ("openai", None)
    assert (definition.model, job.model) == ("L:openai/gpt/mini,M:openai/big,H:openai/big",) * 2
    assert (job.model_family, job.get_current_model()) == (None, "openai/big")
    assert submit(agent("other", "openrouter/deepseek/chat")).job_def.model_family == "deepseek"


def test_difficulty_is_raised_from_outside(settings: StatekSettings) -> None:
    statek.init(settings=settings)
    clerk = agent(model="LM:scripted/easy,H:scripted/hard")
    job = submit(clerk)
    assert job.system_prompt() == "Work with n."
    assert job.panic() is TaskDifficulty.HIGH
    assert (job.get_current_model(), job.system_prompt()) == (
        "scripted/hard",
        "Work with n.\n\n--- HARD ---\nTake care.",
    )
    assert job.system_prompt("low") == "Work with n."
    with pytest.raises(RuntimeError, match="Job is already at high difficulty: high"):
        job.panic()
    model = ScriptedModel(["```python\nexit(n)\n```"])
    statek.start_statek(clerk, model=model, until_idle=True)
    assert [(request.model, request.messages[0]["content"]) for request in model.requests] == [
        ("scripted/hard", job.system_prompt())
    ]


def test_status_is_set_where_that_is_for_the_application(settings: StatekSettings) -> None:
    statek.init(settings=settings)
    clerk = agent()
    job, other = submit(clerk), submit(clerk)
    assert (job.status, job.job_status) == (JobStatus.READY, JobStatus.READY)
    job.set_status("READY")
    with pytest.raises(InvalidRequest, match="job j1 is READY and cannot be set to SUSPENDED"):
        job.set_status(JobStatus.SUSPENDED)
    with pytest.raises(InvalidRequest, match="'LATE' is no status; there are READY, WARMING_UP"):
        job.set_status("LATE")
    job.set_status(JobStatus.DONE)
    run(clerk, "```python\nexit(n)\n```")
    assert (job.job_status, job.error, other.py_env.exit_status) == (
        JobStatus.DONE,
        JobDefError("cancelled", "the application set its status to DONE", None, "j1"),
        1,
    )
    with pytest.raises(InvalidRequest, match="job j2 is done already"):
        other.cancel()


def test_warmup_block_and_pending_code_are_told(settings: StatekSettings) -> None:
    statek.init(settings=settings)
    clerk = agent()
    warmup = "a = 1\n# ----------\nb = ask('b')\n# ----------\nc = b + 0"
    seen: list[int | None] = []

    @statek.tool
    def ask(what: str, **kwargs: object) -> statek.FutureResult:
        """Ask somebody."""
        seen.append(job.warmup_block_num)
        return statek.suspend_for(what)

    clerk.append_tool(ask)
    job = submit(clerk, warmup)
    assert (job.warmup_block_num, job.get_next_code_block(), job.last_response) == (0, "a = 1", None)
    run(clerk)
    assert (job.status, job.warmup_block_num, job.get_next_code_block()) == (JobStatus.SUSPENDED, 2, "c = b + 0")
    future = job.awaited_result
    assert future is not None
    assert job.py_env.warmup_block_num == 2
    statek.resolve_future(future.id, 7)
    run(clerk, "```python\nexit(c)\n```")
    assert (job.warmup_block_num, job.get_next_code_block(), job.py_env.exit_status, seen) == (None, None, 7, [1])
    assert job.last_response == "```python\nexit(c)\n```"
    assert submit(clerk).warmup_block_num is None


def test_failed_warmup_is_counted_on_the_definition_with_its_traceback(settings: StatekSettings) -> None:
    statek.init(settings=settings)
    clerk = agent()
    warmup = "def f():\n    return n / 0\nf()"
    failed, again, other = submit(clerk, warmup), submit(clerk, warmup), submit(clerk, "m = n")
    assert (failed.job_def.has_errors(), failed.job_def.get_errors()) == (False, [])
    run(clerk, "```python\nexit(m)\n```")
    assert other.py_env.exit_status == 1
    error = failed.error
    assert error is not None
    assert (error.kind, error.error_message, error.job) == ("warmup", "ZeroDivisionError: division by zero", "j1")
    assert error.traceback is not None
    assert [line.strip() for line in error.traceback if line.strip(" ~^")] == [
        "Traceback (most recent call last):",
        'File "<step 1>", line 3, in <module>',
        "f()",
        'File "<step 1>", line 2, in f',
        "return n / 0",
        "ZeroDivisionError: division by zero",
    ]
    definition = failed.job_def
    assert definition.error_count == 2
    assert sorted(definition.get_errors(), key=lambda one: one.job) == [error, again.error]
    assert (other.job_def.error_count, other.error) == (0, None)
    statek.close()
    statek.init(settings=settings)
    prepared = clerk.create_job_def(warmup_code=warmup, shared_vars={"n": 1})
    assert prepared == definition
    assert prepared.error_count == 2
    prepared.set_error(LookupError("not there"))
    assert (prepared.error_count, prepared.get_errors()[-1]) == (
        3,
        JobDefError("application", "LookupError: not there"),
    )
    prepared.clear_errors()
    assert (prepared.has_errors(), Job("j1", statek.StatekClientAPI().job("j1")._source).error) == (False, error)


def test_memory_and_further_variables_of_the_workspace(settings: StatekSettings) -> None:
    statek.init(settings=settings)
    clerk = agent()

    @statek.tool
    def remember(word: str, **kwargs: object) -> bool:
        """Remember a word."""
        return statek.get_current_job() is not None and perm_ctx_set_unique("word", word)

    from statek.utils import perm_ctx_set_unique

    clerk.append_tool(remember)
    job = submit(clerk)
    job.py_env.update_locals(m=2)
    run(clerk, "```python\nexit([remember('a'), remember('b'), n + m])\n```")
    assert (job.py_env.exit_status, dict(job.py_env.perm_ctx)) == ([True, False, 3], {"word": "a"})
    with pytest.raises(TypeError, match="does not support item assignment"):
        job.py_env.perm_ctx["word"] = "c"  # type: ignore[index]
    with pytest.raises(InvalidRequest, match="job j1 has begun; its variables are its own"):
        job.py_env.update_locals(late=1)
