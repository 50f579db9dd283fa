"""Makes the durable objects that the assistant works on. Run these on the store's thread, in one atomic block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import dbzero as db0

from examples.calendar_assistant.calendar import Calendar
from examples.calendar_assistant.default_data import HOME_ZONE, REQUEST, USER_NAME, default_entries
from examples.calendar_assistant.ics import IcsImport, read_ics
from examples.calendar_assistant.model import Message, User
from examples.calendar_assistant.times import zone_of

__all__ = ["find_user", "load_entries", "make_message", "make_user", "now_at_home", "today_at_home"]

_TAG = "calendar_assistant"


def now_at_home() -> datetime:
    """The current time in the user's zone, in whole seconds."""
    return datetime.now(zone_of(HOME_ZONE)).replace(microsecond=0)


def today_at_home() -> date:
    """Today in the user's zone."""
    return now_at_home().date()


def load_entries(ics: Path | None, today: date) -> IcsImport:
    """What the calendar is filled with; touches no store and may take seconds, so run it elsewhere.

    Raises:
        IcsError: the file cannot be imported.
    """
    return IcsImport(tuple(default_entries(today)), ()) if ics is None else read_ics(ics, HOME_ZONE, today)


def find_user() -> User | None:
    """The user of an earlier run."""
    return next(iter(db0.find(User, _TAG)), None)


def make_user(entries: Iterable[Mapping[str, Any]]) -> User:
    """A user with a calendar of these entries, found again by ``find_user``."""
    calendar = Calendar(HOME_ZONE)
    calendar.add_all(entries)
    user = User(USER_NAME, HOME_ZONE, calendar)
    db0.tags(user).add(_TAG)
    return user


def make_message(user: User, created_at: datetime, text: str = REQUEST) -> Message:
    """A request of the user, kept in the store."""
    message = Message(user, text, created_at)
    db0.tags(message).add(_TAG)
    return message
