"""MD_DIALOG: prose is said to the user, Python in fenced blocks runs behind it.

A reply is read as in MARKDOWN. What stands outside of Python blocks is the prose; a reply without code and
without calls is the answer that ends the job.
"""

from __future__ import annotations

from statek.chat_style import ChatStyle
from statek.styles.markdown import parse_dialog
from statek.styles.style import CodeStyle, ParsedReply

__all__ = ["MdDialogStyle"]

_BOX = "CONSOLE"


class MdDialogStyle(CodeStyle):
    """The MD_DIALOG style."""

    @property
    def chat_style(self) -> ChatStyle:
        """Its name."""
        return ChatStyle.MD_DIALOG

    @property
    def finishes_on_text(self) -> bool:
        """An answer without code is final."""
        return True

    def parse_reply(self, text: str) -> ParsedReply:
        """Python blocks as code, the rest as comments in it and as prose."""
        return parse_dialog(text)

    def format_console(self, text: str) -> str:
        """The output in a box of its own, so that it cannot pass for what the user says."""
        return self._boxed(f"<{_BOX}>\n{text}\n</{_BOX}>" if text else "")
