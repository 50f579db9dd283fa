"""The CONSOLE style: code as it stands, output behind ``> ``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.chat_style import ChatStyle
from statek.styles import style_for
from statek.styles.console import ConsoleStyle

STYLE = ConsoleStyle()


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("print(1)", "print(1)"),
        ("x = 1\r\nprint(x)\r\n", "x = 1\nprint(x)"),
        ("I look.\n```python\nx = 1\n```\nand\n```\nprint(x)\n```", "x = 1\nprint(x)"),
        ("~~~bash\nprint(2)\n~~~", "print(2)"),
        ("```py\nx = 1", "x = 1"),
        ("````\ntext = '''\n```\n'''\n````", "text = '''\n```\n'''"),
        ("Let me think about it.", "Let me think about it."),
    ],
)
def test_what_runs_of_a_reply(reply: str, code: str) -> None:
    assert STYLE.parse_reply(reply).code == code


@pytest.mark.parametrize("reply", ["", "\n\n", "# only a comment", "'''text'''", "```\n```"])
def test_reply_without_code_is_empty(reply: str) -> None:
    assert STYLE.parse_reply(reply).is_empty


def test_history_shows_code_unfenced_and_output_behind_a_mark() -> None:
    assert STYLE.format_assistant("print(1)") == "print(1)"
    assert STYLE.format_console("1") == "> 1"
    assert STYLE.format_console("a\n\nb") == "> a\n>\n> b"
    assert STYLE.format_console("") == ""


def test_the_tag_of_the_settings_goes_around_the_output() -> None:
    boxed = style_for(ChatStyle.CONSOLE, xml_box_console="console_output")
    assert boxed.format_console("1") == "<console_output>\n> 1\n</console_output>"


@given(st.text(alphabet="`~ python\n\rx=1#'\"", max_size=200))
def test_no_reply_raises(reply: str) -> None:
    STYLE.parse_reply(reply)


@given(st.lists(st.text(alphabet="abc =1", min_size=1, max_size=8), min_size=1, max_size=5))
def test_with_a_fence_nothing_outside_it_runs(prose: list[str]) -> None:
    reply = "\n".join([*prose, "```", "inside = 1", "```", *prose])
    assert STYLE.parse_reply(reply).code == "inside = 1"
