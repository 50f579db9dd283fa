"""The agent: its prompt, its tools, and what its job begins with."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

from examples.calendar_assistant.model import Message
from examples.calendar_assistant.outbox import Outbox
from examples.calendar_assistant.times import from_microseconds, to_microseconds, zone_of
from examples.calendar_assistant.tools import current_time, make_send_message, time_zone_of
from statek.agents.agent import SupervisedAgent
from statek.prompt_config import make_system_prompt

__all__ = ["ROLE", "TRANSCRIPT", "WARMUP", "WARMUP_MESSAGES", "make_agent", "startup_variables"]

ROLE = "calendar_assistant"

TRANSCRIPT = Path(__file__).with_name("transcript.md")
"""The recorded replies that are played where no model provider can be asked."""

WARMUP = "print(message)\nprint(calendar)"

WARMUP_MESSAGES = 1
"""Assistant messages that the warm-up puts before the first reply: one for its visible block."""

_PROMPT = """ROLE: Calendar assistant. You work by writing Python.

GOAL: Do what the user asks for in `message`, then say what you did with exit("...").

--- PYTHON WORKSPACE ---
- Every reply needs one ```python block; it is executed, and you get what it printed.
- Variables, functions and imports stay between replies. Reuse them.
- Available variables: {shared_var_names}
- user has name and zone; message has sender, text and created_at; today is a date; timestamp is when it was asked.
- calendar has zone, events, changes and the methods events_for(day), find_meeting(title, day=None),
  find_empty_slot(after, duration), upcoming(after, limit=10). Methods that find nothing give None or an empty list.
- A meeting has title, starts_at, ends_at, duration, day, location, attendees, room, all_day, busy
  and the method move_to(slot), which refuses to overlap another meeting.
- Times are aware datetimes. Take small steps and look at what they print. Send one message at most.

--- AVAILABLE FUNCTIONS ---
{brief_tools}
"""


def make_agent(outbox: Path, model: str) -> SupervisedAgent:
    """The calendar assistant.

    Args:
        outbox: file that messages are sent to.
        model: model string, ``provider/model``.
    """
    return SupervisedAgent(
        role=ROLE,
        _system_prompt=make_system_prompt(_PROMPT),
        _tools=[current_time, time_zone_of, make_send_message(Outbox(outbox))],
        _metadata={"MODEL": model, "CHAT_STYLE": "MARKDOWN"},
        _description="Moves meetings and explains schedule changes.",
        warmup_def=WARMUP,
    )


def startup_variables(message: Message) -> dict[str, Any]:
    """The variables that a job for this message begins with: user, message, calendar, today, timestamp."""
    user = message.sender
    timestamp: datetime = from_microseconds(to_microseconds(message.created_at), user.zone)
    today: date = timestamp.astimezone(zone_of(user.calendar.zone)).date()
    return {
        "user": user,
        "message": message,
        "calendar": user.calendar,
        "today": today,
        "timestamp": timestamp,
    }
