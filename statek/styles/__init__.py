"""What each chat style does with replies, code and console output."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from statek.chat_style import ChatStyle
from statek.styles.console import ConsoleStyle
from statek.styles.direct import DirectStyle
from statek.styles.markdown import MarkdownStyle, unfenced
from statek.styles.md_dialog import MdDialogStyle
from statek.styles.style import EMPTY_REPLY_MESSAGE, NO_CODE_MESSAGE, ParsedReply, Style

__all__ = ["EMPTY_REPLY_MESSAGE", "NO_CODE_MESSAGE", "ParsedReply", "Style", "style_for", "unfenced"]

_STYLES: Mapping[ChatStyle, Callable[..., Style]] = {
    ChatStyle.CONSOLE: ConsoleStyle,
    ChatStyle.DIRECT: DirectStyle,
    ChatStyle.MARKDOWN: MarkdownStyle,
    ChatStyle.MD_DIALOG: MdDialogStyle,
}


def style_for(chat_style: ChatStyle, *, xml_box_console: str | None = None) -> Style:
    """The behaviour of a chat style.

    Args:
        chat_style: which.
        xml_box_console: name of a tag to put around console output, None for none.
    """
    return _STYLES[chat_style](xml_box_console=xml_box_console)
