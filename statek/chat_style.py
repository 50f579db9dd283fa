"""The chat styles by name; what they do is in ``statek.styles``."""

from __future__ import annotations

import enum

from statek.exceptions import InvalidRequest

__all__ = ["ChatStyle"]


class ChatStyle(enum.Enum):
    """How code, console output and dialog travel between a job and its model."""

    CONSOLE = "CONSOLE"
    MARKDOWN = "MARKDOWN"
    MD_DIALOG = "MD_DIALOG"
    DIRECT = "DIRECT"

    @classmethod
    def parse(cls, text: str | ChatStyle) -> ChatStyle:
        """The style of that name, in any letter case.

        Raises:
            InvalidRequest: there is no such style.
        """
        if isinstance(text, ChatStyle):
            return text
        if not isinstance(text, str):
            raise InvalidRequest(f"a chat style is given by its name, not as {type(text).__name__}")
        try:
            return cls[text.strip().upper()]
        except KeyError:
            known = ", ".join(cls.__members__)
            raise InvalidRequest(f"chat style {text!r} is unknown; use one of {known}") from None
