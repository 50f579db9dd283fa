"""What a chat style is: the form of what the model sends and of what it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from statek.chat_style import ChatStyle

__all__ = ["NO_CODE_MESSAGE", "CodeStyle", "ParsedReply", "Style"]

NO_CODE_MESSAGE = "Error: no code submitted."
"""Console line of a step whose reply held nothing to run; it counts as an exception."""


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """A model reply taken apart.

    Attributes:
        code: Python source to run.
        stored_text: what the chat log keeps, and the history shows, of the reply.
        is_empty: the code is blank or holds only comments and string literals.
        prose: what is said to the user; empty in the code-first styles.
    """

    code: str
    stored_text: str
    is_empty: bool
    prose: str = ""


class Style(Protocol):
    """The behaviour of one chat style; without state, so one object may serve every job."""

    @property
    def chat_style(self) -> ChatStyle:
        """Its name."""
        ...

    @property
    def finishes_on_text(self) -> bool:
        """Whether a reply without code ends the job."""
        ...

    def parse_reply(self, text: str) -> ParsedReply:
        """Take a reply apart; never raises, whatever the model wrote."""
        ...

    def format_assistant(self, stored_text: str) -> str:
        """Content of the assistant message that shows a stored reply or warmup block."""
        ...

    def format_console(self, text: str) -> str:
        """Content of the message that shows console output; empty for no output."""
        ...


class CodeStyle:
    """What the styles of code-first jobs share: they end by ``exit(...)`` only, and box console output.

    Args:
        xml_box_console: name of a tag to put around console output, None for none.
    """

    def __init__(self, *, xml_box_console: str | None = None) -> None:
        self._box = xml_box_console

    @property
    def finishes_on_text(self) -> bool:
        """A job in such a style ends by ``exit(...)`` only."""
        return False

    def _boxed(self, text: str) -> str:
        """Console output in the tag that the settings ask for; empty for no output."""
        return f"<{self._box}>\n{text}\n</{self._box}>" if self._box and text else text
