"""DIRECT and MD_DIALOG: what is said, what runs, what the model sees again."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statek.chat_style import ChatStyle
from statek.model import ProviderToolCall
from statek.styles import ParsedReply, style_for, unfenced
from statek.styles.markdown import parse_reply

DIRECT = style_for(ChatStyle.DIRECT)
MD_DIALOG = style_for(ChatStyle.MD_DIALOG)


@pytest.mark.parametrize(
    ("text", "prose"),
    [
        ("Hello.", "Hello."),
        ("", ""),
        ("  \n ", ""),
        ("One.\r\n\r\n\r\nTwo.  \n", "One.\n\nTwo."),
        ("Before\n```python\nx = 1\n```\nafter", "Before\nafter"),
        ("Before\n```py title\nx = 1\n``` after", "Before\nafter"),
        ("~~~Python3\nx\n~~~\nafter", "after"),
        ("Before ```python x=1``` after", "Before after"),
        ("Before ```python x=1\ny=2``` after", "Before\nafter"),
        ("never closed\n```python\nx = 1", "never closed"),
        ("Run this:\n```bash\nls\n```\nthen tell me", "Run this:\n```bash\nls\n```\nthen tell me"),
        ("```\nbare\n```", "```\nbare\n```"),
        ("````python\n```\nx\n````\nafter", "after"),
        ("a\0b", "a b"),
    ],
)
def test_what_direct_says(text: str, prose: str) -> None:
    assert DIRECT.parse_reply(text) == ParsedReply("", prose, True, prose)
    assert DIRECT.format_assistant(DIRECT.shown_reply(text, "")) == prose


def test_a_dialog_reply_is_prose_and_code() -> None:
    parsed = MD_DIALOG.parse_reply("I will check.\n\n```python\nx = 2\nprint(x)\n```\nOne moment.")
    code = "# I will check.\nx = 2\nprint(x)\n# One moment."
    assert parsed == ParsedReply(code, code, False, "I will check.\n\nOne moment.")


def test_a_block_of_another_language_is_said() -> None:
    parsed = MD_DIALOG.parse_reply("Type this:\n```sh\nls\n```")
    assert (parsed.is_empty, parsed.prose) == (True, "Type this:\n```sh\nls\n```")


def test_a_reply_with_calls_runs_something() -> None:
    call = ProviderToolCall("c1", "add", "{}")
    assert ParsedReply("", "", True).runs_nothing
    assert not ParsedReply("", "", True, calls=(call,)).runs_nothing
    assert not ParsedReply("x", "x", False).runs_nothing


def test_console_boxes() -> None:
    assert MD_DIALOG.format_console("2") == "<CONSOLE>\n2\n</CONSOLE>"
    assert [MD_DIALOG.format_console(""), DIRECT.format_console("")] == ["", ""]
    both = style_for(ChatStyle.MD_DIALOG, xml_box_console="out")
    assert both.format_console("2") == "<out>\n<CONSOLE>\n2\n</CONSOLE>\n</out>"
    direct = style_for(ChatStyle.DIRECT, xml_box_console="out")
    assert [direct.format_console("2"), direct.format_result("3"), direct.format_result("")] == [
        "<out>\n2\n</out>",
        "<out>\n3\n</out>",
        "",
    ]


@pytest.mark.parametrize("style", list(ChatStyle))
def test_every_style_exists(style: ChatStyle) -> None:
    made = style_for(style)
    dialog = style in {ChatStyle.DIRECT, ChatStyle.MD_DIALOG}
    assert (made.chat_style, made.finishes_on_text) == (style, dialog)
    assert made.runs_code_by_call == (style is ChatStyle.DIRECT)


@pytest.mark.parametrize(
    ("code", "plain"),
    [
        ("x = 1", "x = 1"),
        ("```python\nx = 1\n```", "x = 1"),
        ("\n```\nx = 1\ny = 2\n```\n", "x = 1\ny = 2"),
        ("~~~py\r\nx\r\n~~~", "x"),
        ("s = '''\n```python\nx\n```\n'''", "s = '''\n```python\nx\n```\n'''"),
        ("```python\na\n```\n```python\nb\n```", "a\nb"),
        ("```python\ndoc = '''\n```\nx\n```\n'''\n```", "doc = '''\n```\nx\n```\n'''"),
        ("", ""),
    ],
)
def test_a_fence_around_the_code_of_a_call_is_taken_off(code: str, plain: str) -> None:
    assert unfenced(code) == plain


REPLIES = st.lists(
    st.sampled_from(["```python", "```", "~~~", "```py x", "text", "x = '''", "", "```python x```", "\0", "```js"]),
    max_size=12,
).map("\n".join) | st.text(max_size=60)


@settings(max_examples=300)
@given(REPLIES)
def test_any_text_is_taken_apart(text: str) -> None:
    for style in ChatStyle:
        parsed = style_for(style).parse_reply(text)
        style_for(style).shown_reply(text, parsed.code)
    unfenced(text)
    assert MD_DIALOG.parse_reply(text).code == parse_reply(text).code
    assert DIRECT.parse_reply(text).code == ""
