"""The recorded replies, run one after the other against real durable objects."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dbzero as db0
import pytest

from examples.calendar_assistant.agent import ROLE, TRANSCRIPT, make_agent, startup_variables
from examples.calendar_assistant.default_data import REQUEST, default_entries
from examples.calendar_assistant.outbox import Outbox
from examples.calendar_assistant.setup import find_user, load_entries, make_message, make_user
from statek.exceptions import InvalidRequest
from statek.styles.markdown import parse_reply
from statek.testing import load_transcript
from statek.tools import ToolContext, ToolDef, bind_arguments, tool_context

WARSAW = ZoneInfo("Europe/Warsaw")
NOW = datetime(2026, 3, 16, 8, 30, tzinfo=WARSAW)


class Exited(BaseException):
    """What exit() does to the code of a step."""


def play(outbox: Path, entries: Any, now: datetime = NOW) -> tuple[dict[str, Any], list[str], list[str]]:
    """Variables, console per turn, and the errors."""
    message = make_message(make_user(entries), now)
    names: dict[str, Any] = {**startup_variables(message), "exit": leave}
    for definition in make_agent(outbox, "test/model").tool_defs():
        if not definition.system:
            names[definition.name] = called(definition)
    consoles, errors = [], []
    for turn, reply in enumerate(load_transcript(TRANSCRIPT).replies, start=1):
        console = io.StringIO()
        with contextlib.redirect_stdout(console):
            try:
                exec(parse_reply(reply).code, names)
            except Exited as exited:
                console.write(f"exit: {exited.args[0]}")
            except Exception as error:  # noqa: BLE001 - whatever the code raises is a result
                errors.append(f"{turn}: {type(error).__name__}: {error}")
        consoles.append(console.getvalue())
        db0.commit()
    return names, consoles, errors


def leave(status: object = None) -> None:
    raise Exited(status)


def called(definition: ToolDef) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        bound = bind_arguments(definition, args, kwargs)
        with tool_context(ToolContext("job", idempotency_key=f"job/{definition.name}")):
            return definition.function(*bound.args, **bound.kwargs)

    return call


ERROR = "4: TypeError: can't subtract offset-naive and offset-aware datetimes"


def test_the_default_calendar(tmp_path):
    names, consoles, errors = play(tmp_path / "outbox.jsonl", default_entries(NOW.date()))
    assert errors == [ERROR]
    assert len(consoles) == 9
    assert names["time_left"] == timedelta(hours=8, minutes=30)
    assert names["meeting"].title == "Weekly planning"
    assert names["meeting"].starts_at == datetime(2026, 3, 16, 11, tzinfo=WARSAW)
    assert list(names["calendar"].changes) == [
        "Weekly planning: Mon 2026-03-16 10:00 → Mon 2026-03-16 11:00 (Europe/Warsaw)"
    ]
    text = "Moved. Weekly planning: Mon 11:00 Europe/Warsaw, Mon 19:00 Asia/Tokyo."
    assert consoles[-1] == f"exit: {text}"
    sent = Outbox(tmp_path / "outbox.jsonl").messages()
    assert [(one.key, one.to, one.text) for one in sent] == [("job/send_message", "Ada, Jun, Grace", text)]


@pytest.mark.parametrize("now", ["2026-03-14T23:50", "2026-10-25T02:30", "2026-12-31T00:00"])
def test_the_default_calendar_on_odd_days(tmp_path, now):
    now = datetime.fromisoformat(now).replace(tzinfo=WARSAW)
    names, _, errors = play(tmp_path / "outbox.jsonl", default_entries(now.date()), now)
    assert errors == [ERROR]
    assert names["meeting"].title == "Weekly planning"
    assert len(list(names["calendar"].changes)) == 1
    assert len(Outbox(tmp_path / "outbox.jsonl").messages()) == 1


def entry(title: str, start: datetime, duration: timedelta, **more: Any) -> dict[str, Any]:
    return {"title": title, "starts_at": start, "ends_at": start + duration, **more}


DAY = datetime(2026, 3, 16, tzinfo=WARSAW)


@pytest.mark.parametrize(
    ("entries", "moved"),
    [
        pytest.param([], 0, id="empty"),
        pytest.param([entry("Weekly planning", DAY, timedelta(days=1), all_day=True)], 0, id="all-day planning"),
        pytest.param([entry("Weekly planning", DAY, timedelta(hours=10))], 0, id="long planning"),
        pytest.param([entry("Weekly planning", NOW, timedelta(0))], 1, id="no duration"),
        pytest.param([entry("dentist", NOW + timedelta(hours=2), timedelta(hours=1))], 1, id="another meeting"),
        pytest.param([entry("fair", DAY + timedelta(days=2), timedelta(days=3), all_day=True)], 0, id="only days"),
        pytest.param([entry("past", DAY - timedelta(days=9), timedelta(hours=1))], 0, id="only past"),
        pytest.param(
            [entry(f"full {n}", DAY + timedelta(days=n), timedelta(hours=23)) for n in range(-1, 100)]
            + [entry("Weekly planning", NOW, timedelta(hours=1))],
            0,
            id="no free slot",
        ),
    ],
)
def test_any_calendar(tmp_path, entries, moved):
    names, consoles, errors = play(tmp_path / "outbox.jsonl", entries)
    assert errors == [ERROR]
    assert len(list(names["calendar"].changes)) == moved
    (sent,) = Outbox(tmp_path / "outbox.jsonl").messages()
    assert consoles[-1] == f"exit: {sent.text}"
    assert sent.text.startswith("Moved. ") == bool(moved)


def test_an_imported_calendar(tmp_path):
    path = tmp_path / "in.ics"
    event = (
        "BEGIN:VEVENT\nUID:1\nSUMMARY:Weekly planning\nDTSTART:20260316T090000Z\nDTEND:20260316T093000Z\nEND:VEVENT\n"
    )
    path.write_text(f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:t\n{event}END:VCALENDAR\n", encoding="utf-8")
    names, _, errors = play(tmp_path / "outbox.jsonl", load_entries(path, NOW.date()).entries)
    assert errors == [ERROR]
    assert names["meeting"].starts_at == datetime(2026, 3, 16, 10, 30, tzinfo=WARSAW)


def test_the_user_is_found_again(tmp_path):
    assert find_user() is None
    user = make_user([])
    message = make_message(user, NOW)
    assert find_user() is user
    names = startup_variables(message)
    assert list(names) == ["user", "message", "calendar", "today", "timestamp"]
    assert (names["today"], names["timestamp"]) == (date(2026, 3, 16), NOW)
    assert message.text == REQUEST


def test_the_agent_has_its_tools_and_prompt(tmp_path):
    agent = make_agent(tmp_path / "outbox.jsonl", "openai/gpt-5-mini")
    prompt = agent.system_prompt(job_params={"shared_vars": ["user", "calendar"]})
    assert agent.role == ROLE
    assert "- Available variables: user, calendar\n" in prompt
    for name in ("current_time(", "time_zone_of(", "send_message("):
        assert name in prompt
    assert "ctx" not in prompt
    effects = {one.name: (one.effect, one.idempotent) for one in agent.tool_defs() if not one.system}
    assert effects == {
        "current_time": ("none", False),
        "time_zone_of": ("none", False),
        "send_message": ("external", True),
    }
    assert agent.create_job_def().role == ROLE
    with pytest.raises(InvalidRequest):
        make_agent(tmp_path, "").create_job_def()
