"""What a chat style is: the form of what the model sends and of what it is shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from statek.chat_style import ChatStyle
from statek.model import ProviderToolCall

__all__ = ["EMPTY_REPLY_MESSAGE", "NO_CODE_MESSAGE", "CodeStyle", "ParsedReply", "Style"]

NO_CODE_MESSAGE = "Error: no code submitted."
"""Console line of a step whose reply held nothing to run; it counts as an exception."""

EMPTY_REPLY_MESSAGE = "Error: the reply was empty."
"""The same in a style where text is an answer: a reply without text, code and calls is none."""


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """A model reply taken apart.

    Attributes:
        code: Python source to run.
        stored_text: what the history shows of the reply.
        is_empty: the code is blank or holds only comments and string literals.
        prose: what is said to the user; empty in the code-first styles.
        calls: the formal tool calls of the reply.
    """

    code: str
    stored_text: str
    is_empty: bool
    prose: str = ""
    calls: tuple[ProviderToolCall, ...] = ()

    @property
    def runs_nothing(self) -> bool:
        """Whether there is neither a call nor code to run."""
        return self.is_empty and not self.calls


class Style(Protocol):
    """The behaviour of one chat style; without state, so one object may serve every job."""

    @property
    def chat_style(self) -> ChatStyle:
        """Its name."""
        ...

    @property
    def finishes_on_text(self) -> bool:
        """Whether a reply without code and without calls ends the job."""
        ...

    @property
    def runs_code_by_call(self) -> bool:
        """Whether code is run by the formal tool call ``python_cli`` alone, and shown so in the history."""
        ...

    def parse_reply(self, text: str) -> ParsedReply:
        """Take a reply's text apart; never raises, whatever the model wrote."""
        ...

    def shown_reply(self, text: str, code: str) -> str:
        """What the history shows of a reply, before ``format_assistant``; empty for nothing.

        Args:
            text: the reply as the model gave it.
            code: its code.
        """
        ...

    def format_assistant(self, stored_text: str) -> str:
        """Content of an assistant message without formal calls: of a reply, or a warmup block."""
        ...

    def format_console(self, text: str) -> str:
        """Content of the message that shows console output; empty for no output."""
        ...

    def format_result(self, text: str) -> str:
        """Content of the message that shows the output of a formal tool call; may be empty."""
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

    @property
    def runs_code_by_call(self) -> bool:
        """Code stands in the reply's text."""
        return False

    def shown_reply(self, text: str, code: str) -> str:
        """Its code."""
        return code

    def format_assistant(self, stored_text: str) -> str:
        """The code in a Python fence that is longer than any run of backticks in it."""
        longest = max((len(run) for run in re.findall(r"`{3,}", stored_text)), default=2)
        fence = "`" * (longest + 1)
        return f"{fence}python\n{stored_text}\n{fence}"

    def format_result(self, text: str) -> str:
        """Plain text, in the tag that the settings ask for."""
        return self._boxed(text)

    def _boxed(self, text: str) -> str:
        """Console output in the tag that the settings ask for; empty for no output."""
        return f"<{self._box}>\n{text}\n</{self._box}>" if self._box and text else text
