from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.agents.dialog_agent import DialogAgent, RecurringReminder, RecursiveReminder, Reminder
from statek.chat_style import ChatStyle
from statek.exceptions import InvalidRequest, JobExit
from statek.reminders import make_reminder, reminder_from_text
from statek.system import tool
from statek.tools import ToolContext, ToolDef, tool_context

sent: list[tuple[str, Any]] = []


def send_message(body, media=None):
    """Send it."""
    sent.append((body, media))


@tool(idempotent=True, timeout=3)
async def send_later(body: str, ctx: ToolContext, **kwargs: Any) -> None:
    """Send it."""
    sent.append((body, ctx.job_id))


def agent(sender: Any = send_message, **changes: Any) -> DialogAgent:
    return DialogAgent(sender, **{"_metadata": {"MODEL": "openai/gpt-5-mini"}, **changes})


def by_name(agent: DialogAgent) -> dict[str, ToolDef]:
    return {tool.name: tool for tool in agent.tool_defs()}


def test_it_has_a_visible_answer_and_an_internal_sender() -> None:
    made = agent()
    tools = by_name(made)
    assert (made.role, made.takes_media) == ("dialog_agent", True)
    assert tools["answer"].signature_text == "(body: str, media: str | None = None)"
    assert (tools["_send_message"].internal, tools["answer"].internal) == (True, False)
    assert "answer" not in by_name(agent(add_answer_tool=False))


def test_a_tool_named_answer_of_the_application_goes_before() -> None:
    @tool
    def answer(text, **kwargs):
        """Mine."""

    assert by_name(agent(tools=[answer]))["answer"].brief == "Mine."


@pytest.mark.parametrize("sender", [send_message, lambda body: sent.append((body, None))])
def test_answer_sends_and_ends_the_job(sender: Any) -> None:
    sent.clear()
    shown: list[str] = []
    answer = by_name(agent(sender))["answer"]
    with tool_context(ToolContext("j1", show=shown.append)), pytest.raises(JobExit) as stop:
        answer.function("Done.")
    assert (stop.value.status, sent) == ("Success", [("Done.", None)])
    assert shown == ["log: answer(body='Done.', media=None)"]


async def test_answer_waits_for_an_async_sender_and_is_declared_like_it() -> None:
    sent.clear()
    made = agent(send_later)
    answer = by_name(made)["answer"]
    with tool_context(ToolContext("j7")), pytest.raises(JobExit):
        await answer.function("Done.", media="a/b.pdf")
    assert sent == [("Done.", "j7")]
    assert (answer.idempotent, answer.timeout_seconds, answer.effect) == (True, 3, "external")


def test_sender_must_be_callable_and_accept_body() -> None:
    with pytest.raises(TypeError, match="send_message must be callable, not str"):
        agent("mail")
    with pytest.raises(InvalidRequest, match=r"send_message must accept body, its signature is \(text\)"):
        agent(lambda text: None)


def test_sender_must_not_be_temporal() -> None:
    def later(body):
        """Send it."""

    later.__is_temporal__ = True  # type: ignore[attr-defined]
    with pytest.raises(InvalidRequest, match="send_message must not be temporal"):
        agent(later)


def test_chat_style_is_argument_then_metadata_then_md_dialog() -> None:
    direct = agent(_metadata={"MODEL": "x/y", "chat_style": "direct"})
    assert agent().create_job_def().chat_style is ChatStyle.MD_DIALOG
    assert direct.create_job_def().chat_style is ChatStyle.DIRECT
    assert direct.create_job_def(chat_style="MARKDOWN").chat_style is ChatStyle.MARKDOWN


# ---------------------------------------------------------------------------------------- reminders


def test_reminder_is_made_by_type_name() -> None:
    made = agent()
    assert made.reminder is None
    made.set_new_reminder("Use answer().", min_dialog_len=3)
    assert made.reminder == RecurringReminder("Use answer().", 3)
    made.set_new_reminder("Again.", type="recursive")
    assert made.reminder == RecursiveReminder("Again.")
    made.set_reminder(None)
    assert made.reminder is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: a.set_new_reminder("x", type="ONCE"), "reminder type 'ONCE' is unknown; use RECURRING or RECURSIVE"),
        (lambda a: a.set_new_reminder(" "), "a reminder needs a text, not ' '"),
        (
            lambda a: a.set_new_reminder("x", min_dialog_len=-1),
            "min_dialog_len is -1, must be None or a whole number from 0",
        ),
    ],
)
def test_broken_reminder_is_refused(call: Any, message: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        call(agent())
    assert str(error.value) == message


def test_only_a_reminder_can_be_set() -> None:
    with pytest.raises(TypeError, match="a reminder must be a Reminder, not str"):
        agent().set_reminder("text")  # type: ignore[arg-type]


def test_recurring_reminder_is_due_from_a_length_on() -> None:
    assert [RecurringReminder("x").is_due(n) for n in (0, 9)] == [True, True]
    assert [RecurringReminder("x", 2).is_due(n) for n in (1, 2, 3)] == [False, True, True]


@dataclass(frozen=True, slots=True)
class EverySecond(Reminder):
    """A reminder of the application."""

    every: int = 2

    def is_due(self, dialog_length: int) -> bool:
        return dialog_length % self.every == 0


@pytest.mark.parametrize("reminder", [RecurringReminder("ż\ud800", 4), EverySecond("x", 3)])
def test_reminder_survives_as_text(reminder: Reminder) -> None:
    assert reminder_from_text(reminder.to_text()) == reminder


def test_stored_reminder_of_an_unknown_class_is_named() -> None:
    with pytest.raises(InvalidRequest, match="reminder class 'Gone' is not known; import its module"):
        reminder_from_text('["Gone", {}]')


@given(st.text(max_size=30))
def test_any_stored_text_is_a_reminder_or_a_named_error(text: str) -> None:
    with pytest.raises(InvalidRequest):
        reminder_from_text(text)


@given(st.text(max_size=10), st.text(max_size=10))
def test_any_type_and_text_make_a_reminder_or_a_named_error(text: str, kind: str) -> None:
    try:
        made = make_reminder(text, kind)
    except InvalidRequest:
        return
    assert made == RecurringReminder(text)
