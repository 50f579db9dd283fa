"""Reminders of dialog agents: what a model is told when its text would end the dialog.

A reminder fires on an answer that is text only and would finish the job. Its text goes into the chat log as a system
message and the job thinks again: only ``answer(...)``, ``exit(...)`` or the harness end such a job.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from statek.exceptions import InvalidRequest

__all__ = ["RecurringReminder", "RecursiveReminder", "Reminder", "make_reminder", "reminder_from_text"]

MAX_REMINDER_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class Reminder:
    """A text for the model, and when it is due. Subclass it as a frozen dataclass of JSON values, in a module.

    Attributes:
        text: what the model is told.
    """

    text: str
    kinds: ClassVar[dict[str, type[Reminder]]] = {}

    def __init_subclass__(cls) -> None:
        """Make the class known by its name, under which it is stored."""
        Reminder.kinds[cls.__name__] = cls

    def __post_init__(self) -> None:
        """Check the text.

        Raises:
            InvalidRequest: no text, or a very long one.
        """
        if not isinstance(self.text, str) or not self.text.strip():
            raise InvalidRequest(f"a reminder needs a text, not {self.text!r}")
        if len(self.text) > MAX_REMINDER_CHARS:
            raise InvalidRequest(f"a reminder may have {MAX_REMINDER_CHARS} characters, this one has {len(self.text)}")

    def is_due(self, dialog_length: int) -> bool:
        """Whether it fires.

        Args:
            dialog_length: messages of the dialog so far, of both sides.
        """
        raise NotImplementedError

    def to_text(self) -> str:
        """Its stored form.

        Raises:
            InvalidRequest: a field is no JSON value.
        """
        try:
            return json.dumps([type(self).__name__, asdict(self)], allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InvalidRequest(f"reminder {type(self).__name__} cannot be stored: {error}") from None


@dataclass(frozen=True, slots=True)
class RecurringReminder(Reminder):
    """Fires at every answer that would finish, from a length of the dialog on.

    Attributes:
        min_dialog_len: messages that the dialog must have; None for any.
    """

    min_dialog_len: int | None = None

    def __post_init__(self) -> None:
        """Check the length."""
        Reminder.__post_init__(self)
        least = self.min_dialog_len
        if least is not None and (type(least) is not int or least < 0):
            raise InvalidRequest(f"min_dialog_len is {least!r}, must be None or a whole number from 0")

    def is_due(self, dialog_length: int) -> bool:
        """Whether the dialog is long enough."""
        return self.min_dialog_len is None or dialog_length >= self.min_dialog_len


RecursiveReminder = RecurringReminder
"""Another name of ``RecurringReminder``."""

_TYPES = {"RECURRING": RecurringReminder, "RECURSIVE": RecurringReminder}


def make_reminder(text: str, type_: str = "RECURRING", **options: Any) -> Reminder:
    """A reminder of a type given by name, in any letter case.

    Raises:
        InvalidRequest: an unknown type, or an option that it does not have.
    """
    kind = _TYPES.get(str(type_).strip().upper())
    if kind is None:
        raise InvalidRequest(f"reminder type {type_!r} is unknown; use {' or '.join(_TYPES)}")
    try:
        return kind(text, **options)
    except TypeError as error:
        raise InvalidRequest(f"reminder type {type_!r}: {error}") from None


def reminder_from_text(text: str) -> Reminder:
    """The reminder of a stored form.

    Raises:
        InvalidRequest: it is none, or of a class that is not known (not imported).
    """
    try:
        name, fields = json.loads(text)
        return Reminder.kinds[name](**fields)
    except KeyError:
        raise InvalidRequest(f"reminder class {name!r} is not known; import its module") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"no stored reminder: {error}") from None
