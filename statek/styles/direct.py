"""DIRECT: text is dialog, code runs through the formal tool call ``python_cli`` alone.

Nothing in a reply's text is ever executed. Python blocks in it are left out of what is said: they are
drafts of calls, not words to a person.
"""

from __future__ import annotations

from statek.chat_style import ChatStyle
from statek.styles.prose import prose_of
from statek.styles.style import CodeStyle, ParsedReply

__all__ = ["DirectStyle"]


class DirectStyle(CodeStyle):
    """The DIRECT style."""

    @property
    def chat_style(self) -> ChatStyle:
        """Its name."""
        return ChatStyle.DIRECT

    @property
    def finishes_on_text(self) -> bool:
        """An answer without calls is final."""
        return True

    @property
    def runs_code_by_call(self) -> bool:
        """By ``python_cli``."""
        return True

    def parse_reply(self, text: str) -> ParsedReply:
        """All of it is prose."""
        prose = prose_of(text)
        return ParsedReply("", prose, True, prose)

    def shown_reply(self, text: str, code: str) -> str:
        """What was said."""
        return prose_of(text)

    def format_assistant(self, stored_text: str) -> str:
        """What was said as it is: code is shown as a formal call."""
        return stored_text

    def format_console(self, text: str) -> str:
        """Plain text, in the tag that the settings ask for."""
        return self._boxed(text)
