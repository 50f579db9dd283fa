from __future__ import annotations

import ast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from statek.chat_style import ChatStyle
from statek.exceptions import InvalidRequest
from statek.styles import NO_CODE_MESSAGE, ParsedReply, style_for
from statek.styles.markdown import is_empty_code, parse_reply

A1 = "Let me look ```python\nx=1\n``` and then ```python\nprint(x)\n``` done"


def test_the_worked_transcript_a1() -> None:
    parsed = parse_reply(A1)
    code = "# Let me look\nx=1\n# and then\nprint(x)\n# done"
    assert ParsedReply(code, code, is_empty=False) == parsed
    assert f"```python\n{code}\n```" == style_for(ChatStyle.MARKDOWN).format_assistant(parsed.stored_text)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("```python\nx=1\n```", "x=1"),
        ("```py\nx=1\n```", "x=1"),
        ("```Python\nx=1\n```", "x=1"),
        ("``` python \nx=1\n```", "x=1"),
        ("~~~python\nx=~y\n~~~", "x=~y"),
        ("````python\nx=1\n````", "x=1"),
        ("```python\r\nx=1\r\n```\r\nbye", "x=1\n# bye"),
        ("```python\rx=1\r```\rbye", "x=1\n# bye"),
        ("- so:\n  ```python\n  if x:\n      y()\n  ```", "# - so:\nif x:\n    y()"),
        ("```python\n    x=1\n    y=2\n```", "x=1\ny=2"),
        ("\t```python\n\tx=1\n\t```", "x=1"),
        ("```python\nx=1", "x=1"),
        ("```python\nx=1```\nbye", "x=1\n# bye"),
        ("```python\nx=1\n```python\ny=2\n```\nbye", "x=1\ny=2\n# bye"),
        ("```python\nx=1\n```json\n{}\n```\nbye", "x=1\n# ```json\n# {}\n# ```\n# bye"),
        ("```json\n{}\n```python\nx=1\n```\nbye", "# ```json\n# {}\nx=1\n# bye"),
        ("```\nx=1\n```", "# ```\n# x=1\n# ```"),
        ("```bash\nrm -rf /\n```\n", "# ```bash\n# rm -rf /\n# ```"),
        ("print('prose')", "# print('prose')"),
        ("inline ```python print(1)``` span", "# inline ```python print(1)``` span"),
        ("Start your code with ```python\nexit()", "# Start your code with ```python\n# exit()"),
        ("Begin with ```python\nlet me see\n```python\nx=1\n```", "# Begin with ```python\n# let me see\nx=1"),
        ("Look ```python\nx=1``` and ```python\ny=2``` done", "# Look\nx=1\n# and\ny=2\n# done"),
        ("```python\nx = '''\n```\nz\n```\n'''\n```\nbye", "x = '''\n```\nz\n```\n'''\n# bye"),
        ("```python\nx = 'a```b'  # ```\ny=1\n```\nbye", "x = 'a```b'  # ```\ny=1\n# bye"),
        ("```python\nx = '''\n```\nexit()", "x = '''\n# exit()"),
        ("a\0b", "# a b"),
        ("", ""),
    ],
)
def test_what_runs_of_a_reply(reply: str, code: str) -> None:
    assert code == parse_reply(reply).code


@pytest.mark.parametrize(
    ("code", "empty"),
    [
        ("", True),
        ("\n  \n", True),
        ("# only\n# comments", True),
        ("'text'", True),
        ('"""doc\nstring"""\n# and', True),
        ("rb'x'; 'y'", True),
        ("f'{exit()}'", False),
        ("rf'{exit()}'", False),
        ("x", False),
        ("'a' + 'b'", False),
        ("'''open", True),
        ("pass", False),
        ("print('x')", False),
    ],
)
def test_empty_code(code: str, empty: bool) -> None:
    assert empty == is_empty_code(code)


def test_a_reply_without_code_is_empty() -> None:
    assert parse_reply("I think we are done.\n```json\n{}\n```").is_empty
    assert NO_CODE_MESSAGE == "Error: no code submitted."


fragments = st.sampled_from(
    [
        "```",
        "```python",
        "```py\n",
        "~~~",
        "~~~python\n",
        "\n",
        "\r\n",
        "x = 1",
        "'''",
        '"""',
        "'",
        '"',
        "#",
        "\\",
        " ",
        "exit()",
        "````",
    ]
)


@given(st.lists(st.one_of(fragments, st.text(max_size=5)), max_size=30).map("".join))
@example("```python\n```python\n```")
def test_no_reply_raises(text: str) -> None:
    parsed = parse_reply(text)
    assert parsed.code == parsed.stored_text
    style_for(ChatStyle.MARKDOWN).format_assistant(parsed.stored_text)


prose_lines = st.text(st.characters(codec="utf-8", exclude_characters="`~\n\r"), max_size=30)
statements = st.sampled_from(["x = 1", "y = '''a\n```\nb'''", 'z = "```"', "w = 5  # `", "if x:\n    v = 2", "u = ~x"])
fences = st.sampled_from([("```python", "```"), ("```py", "```"), ("~~~python", "~~~"), ("````python3", "````")])
code_blocks = st.tuples(fences, st.lists(statements, min_size=1, max_size=3).map("\n".join))


@given(st.lists(st.one_of(prose_lines, code_blocks), max_size=8))
def test_prose_never_runs_and_code_always_does(parts: list[object]) -> None:
    texts: list[str] = []
    expected: list[str] = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
        else:
            (opening, closing), code = part  # type: ignore[misc]
            texts.append(f"{opening}\n{code}\n{closing}")
            expected.append(code)
    parsed = parse_reply("\n".join(texts))
    assert ast.dump(ast.parse("\n".join(expected))) == ast.dump(ast.parse(parsed.code))


@given(prose_lines)
def test_stored_text_parses_back_to_itself(prose: str) -> None:
    style = style_for(ChatStyle.MARKDOWN)
    stored = parse_reply(f"{prose}\n```python\nx = '''\n```\n'''\n```").stored_text
    assert stored == style.parse_reply(style.format_assistant(stored)).code


@pytest.mark.parametrize(
    "line", ["a ```python", "``` a ```python", "```python\n'''\n```", "```json", "~~~python\nx", "```python\nx```"]
)
def test_long_hostile_replies_take_linear_time(line: str) -> None:
    reply = "\n".join([line] * 5000)
    assert reply.count("\n") >= parse_reply(reply).code.count("\n") >= 0


def test_console_text_is_plain_or_boxed() -> None:
    assert style_for(ChatStyle.MARKDOWN).format_console("1\n2") == "1\n2"
    boxed = style_for(ChatStyle.MARKDOWN, xml_box_console="out")
    assert [boxed.format_console("1"), boxed.format_console("")] == ["<out>\n1\n</out>", ""]


def test_what_a_markdown_job_is() -> None:
    style = style_for(ChatStyle.MARKDOWN)
    assert (style.chat_style, style.finishes_on_text) == (ChatStyle.MARKDOWN, False)


def test_styles_by_name() -> None:
    assert [ChatStyle.parse("markdown"), ChatStyle.parse(" Md_Dialog ")] == [ChatStyle.MARKDOWN, ChatStyle.MD_DIALOG]
    with pytest.raises(InvalidRequest) as caught:
        ChatStyle.parse("prose")
    assert str(caught.value) == "chat style 'prose' is unknown; use one of CONSOLE, MARKDOWN, MD_DIALOG, DIRECT"
