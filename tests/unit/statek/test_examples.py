from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.chat_style import ChatStyle
from statek.difficulty import TaskDifficulty
from statek.examples import (
    Example,
    ExampleBlock,
    example_source,
    extract_example,
    forget_examples,
    format_example,
    load_examples,
    parse_example,
)
from statek.exceptions import ConfigurationError, InvalidFormat, InvalidRequest

MARKDOWN = """# name: Moving a meeting
# seq_id: 3
# difficulty: H
```python
calendar = user.calendar
```
# ----------
```python
meeting = calendar.find("Weekly")
print(meeting)
```
Meeting("Weekly")
# note: this is output
```py
exit()
```
"""

CONSOLE = """# name: Short
x = 1

print(x)
> 1
>
> 2
exit(x)
"""


def test_markdown_is_code_and_console():
    example = parse_example(MARKDOWN)
    assert example == Example(
        "Moving a meeting",
        (
            ExampleBlock(
                'meeting = calendar.find("Weekly")\nprint(meeting)', 'Meeting("Weekly")\n# note: this is output'
            ),
            ExampleBlock("exit()"),
        ),
        (ExampleBlock("calendar = user.calendar"),),
        {"name": "Moving a meeting", "seq_id": 3, "difficulty": "H"},
    )
    assert example.difficulty is TaskDifficulty.HIGH


def test_a_transcript_without_fences_is_console():
    example = parse_example(CONSOLE, name="unused")
    assert (example.name, example.blocks, example.difficulty) == (
        "Short",
        (ExampleBlock("x = 1\n\nprint(x)", "1\n\n2"), ExampleBlock("exit(x)")),
        None,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Hello\n```python\nx\n```", "line 1: text before the first code"),
        ("> 1\nx", "line 1: text before the first code"),
        ("# name: a\n\n```python\nx", "line 3: the fence is not closed"),
        ("", "it holds no code"),
        ("# name: a", "it holds no code"),
        ("x\n# ----------\ny\n# ----------\nz", "line 5: a second separator '# ----------'"),
        ("# difficulty: X\nx", "difficulty 'X' is unknown; use L, M, H or low, medium, high"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str):
    with pytest.raises(InvalidFormat) as caught:
        parse_example(text)
    assert str(caught.value) == message


def test_examples_are_formatted_in_every_style():
    example = parse_example("# name: a\n```python\nprint(1)\n```\n1\n```python\nexit()\n```")
    assert {style.name: format_example(example, style) for style in ChatStyle} == {
        "MARKDOWN": "```python\nprint(1)\n```\n1\n```python\nexit()\n```",
        "CONSOLE": "print(1)\n> 1\nexit()",
        "DIRECT": 'python_cli(code="""\nprint(1)\n""")\n1\npython_cli(code="""\nexit()\n""")',
        "MD_DIALOG": "```python\nprint(1)\n```\n<CONSOLE>\n1\n</CONSOLE>\n```python\nexit()\n```",
    }
    assert format_example(example, ChatStyle.CONSOLE, xml_box_console="out") == "print(1)\n<out>\n> 1\n</out>\nexit()"
    assert format_example(parse_example(MARKDOWN), ChatStyle.CONSOLE, warmup=True).split("\n")[0] == (
        "calendar = user.calendar"
    )


def test_examples_of_a_role_are_in_order_and_read_once(tmp_path: Path):
    folder = tmp_path / "helper" / "more"
    folder.mkdir(parents=True)
    (folder.parent / "b.md").write_text("x")
    (folder.parent / "z.md").write_text("# seq_id: 2\n# name: second\nx")
    (folder / "a.md").write_text("# seq_id: 1\nx")
    (folder / "a.txt").write_text("no example")
    forget_examples()
    assert [example.name for example in load_examples(tmp_path, "helper")] == ["a", "second", "b"]
    (folder / "a.md").unlink()
    assert len(load_examples(tmp_path, "helper")) == 3
    forget_examples()
    assert [load_examples(tmp_path, role) for role in ("other", "..", "../helper", ".")] == [(), (), (), ()]
    (folder / "bad.md").write_text("> 1")
    with pytest.raises(ConfigurationError) as caught:
        load_examples(tmp_path, "helper")
    assert str(caught.value) == f"example {folder / 'bad.md'}: line 1: text before the first code"
    (folder / "bad.md").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match=r"bad.md is not UTF-8 \(byte 0\)$"):
        load_examples(tmp_path, "helper")
    (folder / "bad.md").unlink()
    (folder / "link.md").symlink_to(__file__)
    with pytest.raises(ConfigurationError, match=r"link\.md leads out of"):
        load_examples(tmp_path, "helper")


def test_an_example_is_made_of_a_job():
    items = [
        SimpleNamespace(kind="user", code="", console=()),
        SimpleNamespace(kind="warmup", code="x = 1", console=()),
        SimpleNamespace(kind="reply", code="print(x)", console=(("print", "1"), ("progress", "hm"))),
    ]
    example = extract_example(SimpleNamespace(items=items), "counting")
    assert example == Example(
        "counting", (ExampleBlock("print(x)", "1"),), (ExampleBlock("x = 1"),), {"name": "counting"}
    )
    with pytest.raises(InvalidRequest, match="has run no code"):
        extract_example(SimpleNamespace(items=items[:2]), "empty")


TEXT = st.text(alphabet=st.sampled_from("ab`#->: \n\"'~"), max_size=40)
BLOCKS = st.builds(
    ExampleBlock,
    TEXT.map(lambda text: text.strip()).filter(bool),
    TEXT.map(lambda text: text.strip("\n ")).filter(lambda text: "# -----" not in text),
)


@given(st.lists(BLOCKS, min_size=1, max_size=4), st.lists(BLOCKS, max_size=2))
def test_what_is_written_is_read_back(blocks: list[ExampleBlock], warmup: list[ExampleBlock]):
    example = Example("some name", tuple(blocks), tuple(warmup), {"name": "some name"})
    assert parse_example(example_source(example)) == example


@given(st.text(alphabet=st.sampled_from("ab`#->: \n\r\x00\ud800python-"), max_size=300) | st.text(max_size=200))
def test_any_text_is_an_example_or_a_named_error(text: str):
    try:
        example = parse_example(text)
    except InvalidFormat:
        return
    for style in ChatStyle:
        format_example(example, style, warmup=True)
