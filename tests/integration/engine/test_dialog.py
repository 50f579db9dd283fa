"""Dialog agents over a real service: prose is sent once, texts end jobs, reminders make them go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from orchestrator.app import open_service
from orchestrator.engine.operator_calls import Resolution, Verdict
from orchestrator.engine.service import Service
from statek import tool
from statek.agents.dialog_agent import DialogAgent, RecurringReminder
from statek.dialog import dialog_items
from statek.model import ModelRequest
from statek.settings import StatekSettings
from statek.testing import ScriptedModel

from .conftest import code, console, crash, steps

OpenDialog = Callable[..., AbstractAsyncContextManager[Service]]


class Mailbox:
    """A sender that keeps what it is given; it can hang and it can fail."""

    def __init__(self, **options: Any) -> None:
        self.sent: list[str] = []
        self.keys: list[str] = []
        self.entered = asyncio.Event()
        self.hang_at = ""
        self.fail_at = ""

        @tool(**options)
        async def send_message(body: str, media: str | None = None, ctx: Any = None, **kwargs: object) -> None:
            """Send it."""
            self.keys.append(ctx.idempotency_key)
            if body == self.hang_at:
                self.entered.set()
                await asyncio.Event().wait()
            if body == self.fail_at:
                raise ConnectionError("no line")
            self.sent.append(body if media is None else f"{body} + {media}")

        self.tool = send_message


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def open_dialog(tmp_path: Path) -> OpenDialog:
    @asynccontextmanager
    async def opened(
        replies: Sequence[Any],
        mailbox: Mailbox,
        *,
        agent: Callable[[DialogAgent], None] = lambda _: None,
        **settings: Any,
    ) -> AsyncIterator[Service]:
        made = DialogAgent(
            mailbox.tool, role="helper", _metadata={"MODEL": "scripted/test"}, _system_prompt="Talk.", tools=[]
        )
        agent(made)
        values = {"data_dir": tmp_path / "data", "driver": "process", "pool_size": 1, **settings}
        async with open_service(StatekSettings.load(values, environ={}), [made], model=ScriptedModel(replies)) as svc:
            yield svc

    return opened


async def test_prose_is_sent_before_the_code_runs_and_a_text_ends_the_job(
    open_dialog: OpenDialog, mailbox: Mailbox
) -> None:
    replies = ["I will check.\n" + code("x = 2\nprint(x)"), "The answer is 2."]
    async with open_dialog(replies, mailbox) as service:
        id_ = await service.submit("helper", message="what is x?")
        summary = await service.wait(id_)
        job = await service.job(id_)
    assert (summary.status, summary.failure, summary.exit_status) == ("DONE", None, "")
    assert mailbox.sent == ["I will check.", "The answer is 2."]
    assert [(item.role, item.message) for item in dialog_items(job.items)] == [
        ("user", "what is x?"),
        ("assistant", "I will check."),
        ("assistant", "The answer is 2."),
    ]
    first, second = steps(job)
    assert [(call.name, call.effect, call.state) for call in first.calls] == [("_send_message", "external", "done")]
    assert (console(first), console(second)) == (["2"], [])


async def test_user_message_makes_a_finished_dialog_go_on(open_dialog: OpenDialog, mailbox: Mailbox) -> None:
    async with open_dialog(["One.", "Two."], mailbox) as service:
        id_ = await service.submit("helper", message="a")
        await service.wait(id_)
        assert (await service.push(id_, "b")).delivered
        summary = await service.wait(id_)
    assert (summary.status, summary.num_completions) == ("DONE", 1)
    assert mailbox.sent == ["One.", "Two."]


async def test_answer_sends_and_ends_with_success(open_dialog: OpenDialog, mailbox: Mailbox) -> None:
    async with open_dialog([code("answer('Done.', media='a/b.pdf')\nprint('not here')")], mailbox) as service:
        id_ = await service.submit("helper", message="go")
        summary = await service.wait(id_)
        job = await service.job(id_)
    assert (summary.status, summary.exit_status) == ("DONE", "Success")
    assert mailbox.sent == ["Done. + a/b.pdf"]
    assert console(steps(job)[0]) == ["log: answer(body='Done.', media='a/b.pdf')"]
    assert dialog_items(job.items)[-1].message == "Done."


async def test_code_cannot_reach_the_sender(open_dialog: OpenDialog, mailbox: Mailbox) -> None:
    async with open_dialog([code("_send_message('hi')"), "Bye."], mailbox) as service:
        id_ = await service.submit("helper", message="go")
        await service.wait(id_)
        first = steps(await service.job(id_))[0]
    assert console(first)[0].startswith("NameError: name '_send_message' is not defined")
    assert mailbox.sent == ["Bye."]


async def test_failed_sending_is_an_error_that_the_model_sees(open_dialog: OpenDialog, mailbox: Mailbox) -> None:
    mailbox.fail_at = "One."
    async with open_dialog(["One.", "Two."], mailbox) as service:
        id_ = await service.submit("helper", message="go")
        summary = await service.wait(id_)
        job = await service.job(id_)
    assert (summary.status, summary.turns) == ("DONE", 2)
    assert console(steps(job)[0]) == ["ConnectionError: no line"]
    assert steps(job)[0].outcome == {"outcome": "error", "type": "ConnectionError", "message": "no line"}
    assert mailbox.sent == ["Two."]
    assert [item.message for item in dialog_items(job.items)] == ["go", "Two."]


async def test_empty_reply_is_no_answer(open_dialog: OpenDialog, mailbox: Mailbox) -> None:
    async with open_dialog(["  ", "Hello."], mailbox) as service:
        id_ = await service.submit("helper", message="go")
        summary = await service.wait(id_)
    assert (summary.status, summary.turns, mailbox.sent) == ("DONE", 2, ["Hello."])


# ------------------------------------------------------------------------------------------ crashes


@pytest.mark.parametrize("reply", ["Wait for it.", "Wait for it.\n" + code("answer('Then this.')")])
async def test_message_in_flight_at_a_crash_is_in_doubt(open_dialog: OpenDialog, mailbox: Mailbox, reply: str) -> None:
    mailbox.hang_at = "Wait for it."
    async with open_dialog([reply], mailbox) as service:
        id_ = await service.submit("helper", message="go")
        await mailbox.entered.wait()
        await crash(service)
    mailbox.hang_at = ""
    async with open_dialog([reply], mailbox) as service:
        waiting = await service.wait(id_)
        [call] = await service.calls()
        assert (waiting.status, call.name, call.state) == ("SUSPENDED", "_send_message", "in doubt")
        await service.resolve(id_, call.number, Resolution(Verdict.RETRY))
        summary = await service.wait(id_)
    assert summary.status == "DONE"
    assert mailbox.sent == ["Wait for it.", *(["Then this."] if "answer" in reply else [])]


async def test_idempotent_sender_is_called_again_with_its_key(open_dialog: OpenDialog) -> None:
    mailbox = Mailbox(idempotent=True)
    mailbox.hang_at = "Hello."
    async with open_dialog(["Hello."], mailbox) as service:
        id_ = await service.submit("helper", message="go")
        await mailbox.entered.wait()
        await crash(service)
    mailbox.hang_at = ""
    async with open_dialog(["Hello."], mailbox) as service:
        summary = await service.wait(id_)
    assert (summary.status, mailbox.sent) == ("DONE", ["Hello."])
    assert (len(mailbox.keys), len(set(mailbox.keys))) == (2, 1)


async def test_what_was_sent_is_not_sent_again_when_the_code_runs_again(
    open_dialog: OpenDialog, mailbox: Mailbox
) -> None:
    mailbox.hang_at = "Last."
    reply = "First.\n" + code("answer('Last.')")
    async with open_dialog([reply], mailbox) as service:
        id_ = await service.submit("helper", message="go")
        await mailbox.entered.wait()
        await crash(service)
    mailbox.hang_at = ""
    async with open_dialog([reply], mailbox) as service:
        await service.wait(id_)
        [call] = await service.calls()
        assert call.name == "answer"
        await service.resolve(id_, call.number, Resolution(Verdict.RETRY))
        summary = await service.wait(id_)
    assert (summary.status, summary.exit_status, mailbox.sent) == ("DONE", "Success", ["First.", "Last."])


async def test_crash_between_the_text_and_the_end_of_the_job_loses_nothing(
    open_dialog: OpenDialog, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestrator.engine.job_driver import JobDriver

    reached = asyncio.Event()

    async def never(self: JobDriver, finish: object) -> bool:
        reached.set()
        await asyncio.Event().wait()
        return True

    async with open_dialog(["Bye."], mailbox) as service:
        with monkeypatch.context() as patched:
            patched.setattr(JobDriver, "_finish", never)
            id_ = await service.submit("helper", message="go")
            await reached.wait()
            await crash(service)
    async with open_dialog([], mailbox) as service:
        summary = await service.wait(id_)
    assert (summary.status, summary.turns, summary.failure, mailbox.sent) == ("DONE", 1, None, ["Bye."])


# ---------------------------------------------------------------------------------------- reminders


async def test_reminder_fires_on_a_text_that_would_finish_and_is_seen_by_the_model(
    open_dialog: OpenDialog, mailbox: Mailbox
) -> None:
    seen: list[list[tuple[str, str]]] = []

    def answer(request: ModelRequest) -> str:
        seen.append([(str(message["role"]), str(message["content"])) for message in request.messages[2:]])
        return code("answer('Final.')")

    def remind(agent: DialogAgent) -> None:
        agent.set_new_reminder("Call answer() when you are done.", min_dialog_len=4)

    async with open_dialog(["One.", "Two.", answer], mailbox, agent=remind) as service:
        id_ = await service.submit("helper", message="go")
        first = await service.wait(id_)
        await service.push(id_, "more")
        summary = await service.wait(id_)
        job = await service.job(id_)
    assert (first.status, first.turns) == ("DONE", 1)
    assert (summary.status, summary.exit_status, mailbox.sent) == ("DONE", "Success", ["One.", "Two.", "Final."])
    assert [item.kind for item in job.items] == ["user", "reply", "user", "reply", "reminder", "reply"]
    assert seen[0][-1] == ("system", "Call answer() when you are done.")


async def test_loop_of_a_reminder_is_ended_by_the_harness(open_dialog: OpenDialog, mailbox: Mailbox) -> None:
    def remind(agent: DialogAgent) -> None:
        agent.set_reminder(RecurringReminder("Go on."))

    async with open_dialog(["Again."] * 9, mailbox, agent=remind, max_turns=3) as service:
        id_ = await service.submit("helper", message="go")
        summary = await service.wait(id_)
    assert summary.failure == {"kind": "limit", "message": "limit max_turns is 3, the job has used 3"}
    assert mailbox.sent == ["Again."] * 3


async def test_reminder_is_kept_for_the_role_until_another_is_set(open_dialog: OpenDialog, mailbox: Mailbox) -> None:
    agents: list[DialogAgent] = []
    async with open_dialog([], mailbox, agent=lambda agent: agent.set_new_reminder("Kept.")):
        pass
    async with open_dialog([], mailbox, agent=agents.append):
        assert agents[-1].reminder == RecurringReminder("Kept.")
        agents[-1].set_new_reminder("Changed.", min_dialog_len=1)
    async with open_dialog([], mailbox, agent=agents.append):
        assert agents[-1].reminder == RecurringReminder("Changed.", 1)
        agents[-1].set_reminder(None)
    async with open_dialog([], mailbox, agent=agents.append):
        assert agents[-1].reminder is None
