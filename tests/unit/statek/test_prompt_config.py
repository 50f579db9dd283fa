from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.difficulty import TaskDifficulty, parse_difficulties, parse_model
from statek.exceptions import ConfigurationError, InvalidRequest
from statek.harness import HARNESS_KEYS
from statek.prompt_config import (
    PromptDef,
    PromptSection,
    PromptStyle,
    SystemPrompt,
    check_metadata,
    compare_prompts,
    format_system_prompt,
    load_prompt_files,
    make_system_prompt,
    parse_prompt_file,
)
from statek.tools import ToolDef

LOW, MEDIUM, HIGH = TaskDifficulty

PROMPT = """
You help.

--- MH: WORKSPACE ---
State is kept.
```python
## no heading
```
*** NOTES ***
be kind
## L,H: Hard things ##
<steps difficulty="L,M">
one
</steps>
two
<open>
"""


def find(day, **kwargs):
    """Find it."""


def book(room, **kwargs):
    """Book it.

    Args:
        room: which
    """


def _secret(**kwargs):
    """Never shown."""


TOOLS = [ToolDef.of(function) for function in (find, book, _secret)]


def test_sections_and_their_difficulties() -> None:
    prompt = make_system_prompt(PROMPT)
    assert prompt.intro == "You help."
    assert prompt.sections == (
        PromptSection("WORKSPACE", "State is kept.\n```python\n## no heading\n```", frozenset({MEDIUM, HIGH})),
        PromptSection("NOTES", "be kind"),
        PromptSection("Hard things", "", frozenset({LOW, HIGH})),
        PromptSection("steps", "one\ntwo\n<open>", frozenset({LOW, MEDIUM})),
    )
    assert format_system_prompt(prompt, difficulty=LOW) == (
        "You help.\n\n--- NOTES ---\nbe kind\n\n--- Hard things ---\n\n--- steps ---\none\ntwo\n<open>"
    )
    assert make_system_prompt(prompt) is prompt


def test_a_prompt_without_sections_stays_as_it_is() -> None:
    assert make_system_prompt("\n    a\n      b\n\n    c\n    ") == SystemPrompt("a\n  b\n\nc", "a\n  b\n\nc")


def test_an_invalid_label_is_part_of_the_title() -> None:
    titles = [make_system_prompt(f"## {title}").sections[0] for title in ("MM: a", "Notes: a", "X: a", "LMH:a")]
    assert [("MM: a", None), ("Notes: a", None), ("X: a", None), ("a", frozenset(TaskDifficulty))] == [
        (section.title, section.difficulties) for section in titles
    ]


def expand(text: str, **params: object) -> str:
    return format_system_prompt(
        make_system_prompt(text), tools=TOOLS, shared_var_names=("user", "calendar"), params=params
    )


def test_placeholders() -> None:
    brief = "find(day)\n    Find it.\n\nbook(room)\n    Book it."
    assert f"{brief}|{brief}|user, calendar" == expand("{brief_tools}|{tools}|{shared_var_names}")
    assert expand("{detailed_tools}") == (
        'def find(day):\n    """Find it."""\n\n'
        'def book(room):\n    """Book it.\n\n    Args:\n        room: which\n    """'
    )
    assert expand("  # {tools}") == "# find(day)\n#     Find it.\n#\n# book(room)\n#     Book it."


def test_other_braces_are_left_alone_and_values_are_not_expanded_again() -> None:
    text = expand("{day} {x} {'a': 1} {} {0} {{day}} {shared_var_names}", day="{tools}", shared_var_names="no")
    assert text == "{tools} {x} {'a': 1} {} {0} {{tools}} user, calendar"


@given(st.text(alphabet="ab-*#<>/ {}:LMH\n`", max_size=80))
def test_any_prompt_is_read_and_shown(text: str) -> None:
    prompt = make_system_prompt(text)
    assert isinstance(format_system_prompt(prompt, params={"a": "b"}), str)
    assert make_system_prompt(prompt.source) == prompt


FILE = """\ufeff# MODEL: openai/gpt-5-mini
# temperature: 0.2
# CHAT_STYLE: markdown
# DESCRIPTION: Helps users: and more
#NOKEY: x
# two words: x
# EMPTY:
text
# system prompt

You help.
# KEY: not metadata
"""


def test_a_prompt_file(tmp_path: Path) -> None:
    path = tmp_path / "helper.md"
    path.write_text(FILE, encoding="utf-8", newline="\r\n")
    found = parse_prompt_file(path)
    metadata = {
        "MODEL": "openai/gpt-5-mini",
        "TEMPERATURE": "0.2",
        "CHAT_STYLE": "markdown",
        "DESCRIPTION": "Helps users: and more",
    }
    assert PromptDef("helper", make_system_prompt("You help.\n# KEY: not metadata"), metadata) == found
    assert found.description == "Helps users: and more"
    assert load_prompt_files(tmp_path) == {"helper": found}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"# MODEL: x\n", "prompt file {path} has no line '# System Prompt'"),
        (b"# System Prompt\n \n", "prompt file {path}, line 1: nothing follows '# System Prompt'"),
        (b"\xff", "prompt file {path} is not UTF-8 (byte 0)"),
        (
            b"\n# TEMPERATURE: hot\n",
            "prompt file {path}, line 2, key TEMPERATURE: TEMPERATURE 'hot' must be a number from 0 to 1",
        ),
        (
            b"# chat_style: PROSE\n",
            (
                "prompt file {path}, line 1, key CHAT_STYLE: chat style 'PROSE' is unknown; "
                "use one of CONSOLE, MARKDOWN, MD_DIALOG, DIRECT"
            ),
        ),
        (b"# MODEL: L:a\n", "prompt file {path}, line 1, key MODEL: MODEL 'L:a' names no model for difficulty M, H"),
    ],
)
def test_errors_name_file_line_and_key(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "role.md"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        parse_prompt_file(path)
    assert str(caught.value) == message.format(path=path)


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_prompt_file(tmp_path / "none.md")
    assert str(caught.value) == f"prompt file {tmp_path / 'none.md'} cannot be read: No such file or directory"
    with pytest.raises(ConfigurationError) as caught:
        load_prompt_files(tmp_path / "none")
    assert str(caught.value) == f"prompt_files_dir {tmp_path / 'none'} is no directory"


def test_models_by_difficulty() -> None:
    assert parse_model("x/y/m:free") == dict.fromkeys(TaskDifficulty, "x/y/m:free")
    assert parse_model("L:a/b:free, MH:c") == {LOW: "a/b:free", MEDIUM: "c", HIGH: "c"}
    with pytest.raises(InvalidRequest) as caught:
        parse_model("L:a,LMH:b")
    assert str(caught.value) == "MODEL 'L:a,LMH:b': 'LMH:b' is no label:model, or names a difficulty twice"
    with pytest.raises(InvalidRequest, match=r"^MODEL is empty$"):
        parse_model(" ")


def test_difficulties_by_name() -> None:
    assert [TaskDifficulty.parse(text) for text in ("l", "Medium", HIGH)] == [LOW, MEDIUM, HIGH]
    assert [frozenset({LOW, HIGH}), None, None] == [parse_difficulties(text) for text in ("L, H", "LL", "")]
    with pytest.raises(InvalidRequest, match=r"^difficulty 'x' is unknown; use L, M, H or low, medium, high$"):
        TaskDifficulty.parse("x")


KEYS = (
    "MODEL",
    "TEMPERATURE",
    "CHAT_STYLE",
    "DEFAULT_DIFFICULTY",
    "STATIC_POLICY",
    "POST_PROCESSORS",
    "LLM_TOOLS_SCOPE",
    "REASONING",
)
VALUES = st.text(max_size=40) | st.sampled_from(
    ["nan", "inf", "-1", "9" * 5000, "x/rl=" + "9" * 5000, "-" * 9999 + "1"]
)


@given(st.sampled_from([*KEYS, *HARNESS_KEYS, "AUTO_LANG_RULE", "AUTO_LANG_HINT", "OTHER"]), VALUES)
def test_any_metadata_is_understood_or_refused_by_name(key: str, value: str) -> None:
    try:
        check_metadata(key, value)
    except InvalidRequest as error:
        assert str(error)  # noqa: PT017


PIECES = [
    b"# MODEL: a/b\n",
    b"# System Prompt\n",
    b"# TEMPERATURE: ",
    b"# MAX_TURNS: 9\n",
    b"## H\n",
    b"<t>\n",
    b"\xef\xbb\xbf",
    b"\0",
    b"\r\n",
]


@given(st.binary(max_size=80) | st.lists(st.sampled_from(PIECES) | st.binary(max_size=6), max_size=9).map(b"".join))
def test_any_file_is_a_definition_or_one_error_that_names_it(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "role.md"
        path.write_bytes(data)
        try:
            found = parse_prompt_file(path)
        except ConfigurationError as error:
            assert str(error).startswith(f"prompt file {path}")  # noqa: PT017
        else:
            assert (found.role, bool(found.system_prompt.source)) == ("role", True)


def test_a_broken_scope_is_found_in_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# MODEL: x/y\n# LLM_TOOLS_SCOPE: SOME\n# System Prompt\nx")
    with pytest.raises(ConfigurationError) as caught:
        parse_prompt_file(tmp_path / "a.md")
    assert str(caught.value).startswith(f"prompt file {tmp_path}/a.md, line 2, key LLM_TOOLS_SCOPE: ")


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "line", ["## a{}#x", "## L{}M{}H{}x", "--- a{}x", "*** a{}** x", "<a{}x", "## {}", "--- {} --"]
)
def test_a_line_of_many_blanks_takes_no_longer_than_any_other(line: str) -> None:
    prompt = make_system_prompt("x\n" + line.replace("{}", " " * 30_000) + "\ny")
    assert [section.content for section in prompt.sections] in ([], ["y"])


def test_titles_are_written_in_a_style_and_mean_the_same() -> None:
    prompt = make_system_prompt("Intro.\n\n--- HOW TO WORK ---\nCarefully.\n\n## {content}\nOften.")
    shown = {style: format_system_prompt(prompt, style=style) for style in PromptStyle}
    assert shown == {
        PromptStyle.DASHED: "Intro.\n\n--- HOW TO WORK ---\nCarefully.\n\n--- {content} ---\nOften.",
        PromptStyle.ASTERISK: "Intro.\n\n*** HOW TO WORK ***\nCarefully.\n\n*** {content} ***\nOften.",
        PromptStyle.MARKDOWN: "Intro.\n\n## HOW TO WORK\nCarefully.\n\n## {content}\nOften.",
        PromptStyle.XML: ("Intro.\n\n<how_to_work>\nCarefully.\n</how_to_work>\n\n<content>\nOften.\n</content>"),
    }
    assert compare_prompts(shown[PromptStyle.MARKDOWN], shown[PromptStyle.ASTERISK])
    assert not compare_prompts(shown[PromptStyle.MARKDOWN], "Intro.")
