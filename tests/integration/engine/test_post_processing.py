"""Post-processors over a real service: suppressed drafts are neither run nor sent, and the model is told why."""

from __future__ import annotations

from typing import Any

import pytest

from statek.executors.job import Job
from statek.model import ModelRequest
from statek.post_processors import LLM_StepData, PostProcessor
from statek.task_door import NewJob

from .conftest import Open, code, console, steps
from .test_dialog import Mailbox, OpenDialog, mailbox, open_dialog

__all__ = ["mailbox", "open_dialog"]


class NoSecrets(PostProcessor):
    """Holds back code that names a secret, and tells the model so; shouts at prose."""

    def process(self, llm_step: LLM_StepData, job: Job) -> Any:
        if "secret" in llm_step.text:
            return ("Do not name the secret.", "Turns so far: " + str(job.num_turns))
        if "shout" in llm_step.text:
            return (LLM_StepData(llm_step.text.replace("shout", "SHOUT")), "Made louder.")
        return llm_step


class Broken(PostProcessor):
    """Raises."""

    def process(self, llm_step: LLM_StepData, job: Job) -> Any:
        raise LookupError("no such word")


async def test_suppressed_draft_is_not_run_and_counts(open_with: Open) -> None:
    seen: list[list[tuple[str, str]]] = []

    def second(request: ModelRequest) -> str:
        seen.append([(str(m["role"]), str(m["content"])) for m in request.messages[2:]])
        return code("print('shout')")

    script = [code("secret = 1"), second, code("exit('x')")]
    async with open_with(script, metadata={"POST_PROCESSORS": "NoSecrets()"}) as service:
        id_ = await service.submit("helper")
        summary = await service.wait(id_)
        job = await service.job(id_)
    assert (summary.status, summary.turns, summary.steps) == ("DONE", 3, 2)
    assert seen == [[("system", "Do not name the secret."), ("system", "Turns so far: 0")]]
    assert [item.kind for item in job.items] == ["post_processed", "post_processed", "post_processed", "reply", "reply"]
    # The reply and what it took stand with the last thing that was said of it, once.
    assert [item.usage.get("draft") for item in job.items[:3]] == [None, code("secret = 1"), None]
    assert summary.input_tokens == sum(
        item.usage["model"]["input_tokens"] for item in job.items if "model" in item.usage
    )
    assert console(steps(job)[0]) == ["SHOUT"]


async def test_final_check_holds_an_early_answer_back_once(open_dialog: OpenDialog, mailbox: Mailbox) -> None:
    async with open_dialog(["Draft.", "Revised."], mailbox) as service:
        id_ = await service.submit("helper", message="go", post_processing="FinalCheck(max_llm_actions=2)")
        summary = await service.wait(id_)
        kinds = [item.kind for item in (await service.job(id_)).items]
    assert (summary.status, summary.turns, mailbox.sent) == ("DONE", 2, ["Revised."])
    assert kinds == ["user", "post_processed", "reply"]


async def test_what_a_post_processor_raises_ends_its_job_only(open_with: Open) -> None:
    async with open_with([code("exit('x')")]) as service:
        id_ = await service.submit("helper", post_processing=Broken())
        fine = await service.submit("helper")
        summary, other = await service.wait(id_), await service.wait(fine)
    assert summary.failure == {"kind": "post_processor", "message": "LookupError: no such word"}
    assert (other.exit_status, other.failure) == ("x", None)


async def test_class_that_is_gone_ends_the_job_with_its_name(open_with: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_with([code("exit('x')")]) as service:
        with monkeypatch.context() as patched:
            create = service._factory.prepare(service._agents["helper"], NewJob(post_processing=NoSecrets()))
            patched.delitem(PostProcessor.kinds, "NoSecrets")
            number = await service._durability.commit(create)
            service.notice(number, "default")
            summary = await service.wait(f"j{number}")
    assert summary.failure is not None
    assert summary.failure["message"].startswith(
        "its definition cannot be used any more: POST_PROCESSORS 'NoSecrets()': NoSecrets is not known; known are "
    )
