"""What each chat style does with replies, code and console output."""

from __future__ import annotations

from statek.chat_style import ChatStyle
from statek.exceptions import InvalidRequest
from statek.styles.console import ConsoleStyle
from statek.styles.markdown import MarkdownStyle
from statek.styles.style import NO_CODE_MESSAGE, ParsedReply, Style

__all__ = ["NO_CODE_MESSAGE", "ParsedReply", "Style", "style_for"]


def style_for(chat_style: ChatStyle, *, xml_box_console: str | None = None) -> Style:
    """The behaviour of a chat style.

    Args:
        chat_style: which.
        xml_box_console: name of a tag to put around console output, None for none.

    Raises:
        InvalidRequest: this version does not run jobs in that style.
    """
    if chat_style is ChatStyle.MARKDOWN:
        return MarkdownStyle(xml_box_console=xml_box_console)
    if chat_style is ChatStyle.CONSOLE:
        return ConsoleStyle(xml_box_console=xml_box_console)
    raise InvalidRequest(f"chat style {chat_style.name} is not supported by this version; use MARKDOWN or CONSOLE")
