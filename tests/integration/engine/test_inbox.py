"""Messages pushed into jobs: told once, at a safe moment, whatever happens in between."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestrator.engine.job_driver import JobDriver
from orchestrator.engine.service import Service
from statek import durable, inbox, tool
from statek.exceptions import InvalidRequest, LimitExceeded, NotFound
from statek.executors.views import JobView
from statek.pyenv import PyEnv
from tests.integration.embedded.model import Pad

from .conftest import Open, code, crash, steps

pytestmark = pytest.mark.timeout(60)


def said(job: JobView) -> list[str]:
    return [item.text for item in job.items if item.kind == "user"]


async def end(service: Service, id_: str) -> JobView:
    await service.wait(id_)
    return await service.job(id_)


class Gate:
    """A model's turn that lasts until it is opened."""

    def __init__(self) -> None:
        self.entered, self.open = asyncio.Event(), asyncio.Event()

        @tool(effect="none")
        async def pause(**kwargs: object) -> None:
            """Wait."""
            self.entered.set()
            await self.open.wait()

        self.tool = pause


async def test_message_to_a_running_job_is_told_before_its_next_request(open_with: Open) -> None:
    gate = Gate()
    replies = [code("pause()"), code("exit('ok')")]
    async with open_with(replies, tools=[gate.tool]) as service:
        id_ = await service.submit("helper", message="go")
        await gate.entered.wait()
        pushed = await service.push(id_, "faster")
        waiting = (await service.job(id_)).inbox
        gate.open.set()
        job = await end(service, id_)
        request = service._model.requests[1]  # type: ignore[attr-defined]
    assert pushed == inbox.Pushed(repeated=False, delivered=True)
    assert [(entry.kind, entry.text) for entry in waiting] == [("user", "faster")]
    assert [item.kind for item in job.items] == ["user", "reply", "user", "reply"]
    assert job.inbox == ()
    assert request.messages[-1] == {"role": "user", "content": "faster"}
    assert job.summary.exit_status == "ok"


async def test_message_that_comes_while_the_job_ends_makes_it_go_on(open_with: Open) -> None:
    gate = Gate()
    replies = [code("pause()\nexit('first')"), code("exit('second')")]
    async with open_with(replies, tools=[gate.tool]) as service:
        id_ = await service.submit("helper")
        await gate.entered.wait()
        await service.push(id_, "wait")
        gate.open.set()
        job = await end(service, id_)
    assert (job.summary.exit_status, job.summary.num_completions, said(job)) == ("second", 0, ["wait"])


async def test_message_between_the_last_look_and_the_end_is_not_lost(
    open_with: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish, pushed = JobDriver._finish, False

    async def push_first(self: JobDriver, command: Any) -> bool:
        nonlocal pushed
        if not pushed:
            pushed = True
            await service.push("j1", "one more thing")
        return await finish(self, command)

    monkeypatch.setattr(JobDriver, "_finish", push_first)
    async with open_with([code("exit(1)"), code("exit(2)")]) as service:
        job = await end(service, await service.submit("helper"))
    assert (job.summary.exit_status, said(job)) == ("2", ["one more thing"])


async def test_done_job_goes_on_with_its_variables_and_handles(open_with: Open) -> None:
    replies = [
        code("note, notes, x = pad.add('milk'), pad.notes, 1\nexit('first')"),
        code("pad.add('tea')\nexit([x, note.text, len(pad.notes), len(notes)])"),
    ]

    def make() -> Pad:
        pad = Pad()
        durable.tag(pad, "keep")
        return pad

    async with open_with(replies) as service:
        pad = await service._store.commit(make)
        id_ = await service.submit("helper", shared_vars={"pad": pad})
        first = await end(service, id_)
        await service.push(id_, "again")
        second = await end(service, id_)
    assert (first.summary.status, first.summary.exit_status) == ("DONE", "first")
    assert (second.summary.exit_status, second.summary.num_completions) == ('[1,"milk",2,2]', 1)
    assert PyEnv(second, [], memory={}, add_locals=print).push_log == {0: "again"}


async def test_message_to_a_done_job_makes_it_go_on_after_a_restart(open_with: Open) -> None:
    async with open_with([code("exit(1)")]) as service:
        id_ = await service.submit("helper")
        await service.wait(id_)
        await service._scheduler.stop()
        await service.push(id_, "again")
    async with open_with([code("exit(1)"), code("exit(2)")]) as service:
        job = await end(service, id_)
    assert (job.summary.exit_status, said(job)) == ("2", ["again"])


async def test_crash_between_push_delivery_and_reply_tells_it_once(open_with: Open) -> None:
    replies = [code("pause()"), code("exit(2)")]
    reached = asyncio.Event()

    async def stop(*args: object) -> None:
        reached.set()
        await asyncio.Event().wait()

    for name in ("_deliver", "_complete"):
        gate, reached = Gate(), asyncio.Event()
        async with open_with(replies, tools=[gate.tool]) as service:
            id_ = await service.submit("helper")
            await gate.entered.wait()
            await service.push(id_, "faster")
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(JobDriver, name, stop)
                gate.open.set()
                await reached.wait()
                await crash(service)
        async with open_with(replies, tools=[gate.tool]) as service:
            job = await end(service, id_)
        assert (job.summary.exit_status, said(job), job.inbox) == ("2", ["faster"], ())


async def test_repeated_request_id_tells_it_once_even_after_it_was_told(open_with: Open) -> None:
    async with open_with([code("exit(1)"), code("exit(2)")]) as service:
        id_ = await service.submit("helper")
        await service.wait(id_)
        first = await service.push(id_, "again", request_id="r1")
        await service.wait(id_)
        second = await service.push(id_, "again", request_id="r1")
        job = await end(service, id_)
    assert (first.repeated, second.repeated, second.delivered) == (False, True, True)
    assert (said(job), job.summary.num_completions) == (["again"], 1)


async def test_message_to_a_suspended_job_waits_and_does_not_end_the_wait(open_with: Open) -> None:
    @tool(timeout=0.05)
    async def hang(**kwargs: object) -> None:
        """Never answer."""
        await asyncio.Event().wait()

    async with open_with([code("hang()"), code("exit(1)")], tools=[hang]) as service:
        id_ = await service.submit("helper")
        waiting = await service.wait(id_)
        pushed = await service.push(id_, "still there?")
        after = await end(service, id_)
    assert (waiting.status, after.summary.status, pushed.delivered) == ("SUSPENDED", "SUSPENDED", True)
    assert [entry.text for entry in after.inbox] == ["still there?"]


async def test_job_that_failed_for_good_keeps_the_message_and_shows_it(open_with: Open) -> None:
    async with open_with([], warmup="1 / 0") as service:
        id_ = await service.submit("helper")
        await service.wait(id_)
        pushed = await service.push(id_, "hello?")
        job = await end(service, id_)
    assert (pushed.delivered, job.summary.status) == (False, "DONE")
    assert [entry.text for entry in job.inbox] == ["hello?"]


async def test_limits_of_the_inbox_are_named(open_with: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "MAX_INBOX_MESSAGES", 2)
    async with open_with([], warmup="1 / 0") as service:
        id_ = await service.submit("helper")
        await service.wait(id_)
        with pytest.raises(LimitExceeded) as too_long:
            await service.push(id_, "x" * (300 << 10))
        await service.push(id_, "a")
        await service.push(id_, "b")
        with pytest.raises(LimitExceeded) as too_many:
            await service.push(id_, "c")
        with pytest.raises(InvalidRequest, match="the message is empty"):
            await service.push(id_, " ")
        with pytest.raises(NotFound):
            await service.push("j9", "x")
    assert (too_long.value.limit, too_many.value.limit) == ("message_bytes", "inbox_messages")


async def test_message_before_the_first_turn_follows_the_opening(open_with: Open) -> None:
    async with open_with([code("exit(1)")], max_concurrency=1) as service:
        await service._scheduler.stop()
        id_ = await service.submit("helper", message="go")
        await service.push(id_, "carefully")
    async with open_with([code("exit(1)")]) as service:
        job = await end(service, id_)
        request = service._model.requests[0]  # type: ignore[attr-defined]
    assert [message["content"] for message in request.messages[1:]] == ["go", "carefully"]
    assert (said(job), len(steps(job))) == (["go", "carefully"], 1)
