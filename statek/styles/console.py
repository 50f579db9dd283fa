"""CONSOLE: the whole reply is code, output comes back behind ``> ``.

The style of plain console transcripts. A reply that uses fences all the same (models do) runs what is in
the fences, of whatever language they say they are; nothing else of it runs then. A reply without a fence
is code as it stands: prose in it is a syntax error that the model sees.
"""

from __future__ import annotations

import re

from statek.chat_style import ChatStyle
from statek.styles.markdown import is_empty_code
from statek.styles.style import CodeStyle, ParsedReply

__all__ = ["ConsoleStyle"]

_FENCE = re.compile(r"[ \t]*(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)")


class ConsoleStyle(CodeStyle):
    """The CONSOLE style."""

    @property
    def chat_style(self) -> ChatStyle:
        """Its name."""
        return ChatStyle.CONSOLE

    def parse_reply(self, text: str) -> ParsedReply:
        """All fences joined in order, or the whole reply when it has none."""
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        fenced = _fenced_lines(lines)
        code = "\n".join(lines if fenced is None else fenced).strip("\n")
        return ParsedReply(code, code, is_empty_code(code))

    def format_assistant(self, stored_text: str) -> str:
        """The code as it is, without a fence (the document on chat styles)."""
        return stored_text

    def format_console(self, text: str) -> str:
        """Every line behind ``> ``, in the tag that the settings ask for."""
        marked = "\n".join(f"> {line}" if line else ">" for line in text.split("\n"))
        return self._boxed(marked if text else "")


def _fenced_lines(lines: list[str]) -> list[str] | None:
    """The lines inside fences; None when there is no fence at all. An unclosed one runs to the end."""
    found: list[str] | None = None
    fence = ""
    for line in lines:
        match = _FENCE.fullmatch(line)
        if not fence:
            if match is not None:
                fence = match["fence"]
                found = found if found is not None else []
        elif match is not None and match["fence"].startswith(fence) and not match["info"].strip():
            fence = ""
        elif found is not None:
            found.append(line)
    return found
