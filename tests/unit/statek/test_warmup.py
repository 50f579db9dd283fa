from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.exceptions import InvalidRequest
from statek.warmup import WarmupBlock, WarmupCall, parse_warmup

SOURCE = """
user = message.sender
if user:
    x = 1

# ----------
  # --------------------
show_example('first', limit=3)  #STATEK: as tool
docstr(calendar)  #STATEK: as tool
#STATEK: hidden = True
y = 2
"""


def test_blocks_calls_and_metadata() -> None:
    first, second = parse_warmup(SOURCE)
    assert first == WarmupBlock("user = message.sender\nif user:\n    x = 1")
    calls = (
        WarmupCall("STATEK-001", "show_example", ("first",), {"limit": 3}),
        WarmupCall("STATEK-002", "docstr", ("calendar",), {}),
    )
    assert second == WarmupBlock("y = 2", calls, {"hidden": True})
    assert [first.hidden, second.hidden] == [False, True]


def test_definitions_are_joined_and_calls_counted_over_all() -> None:
    block = parse_warmup("f() #STATEK: as tool")[0]
    blocks = parse_warmup(["a = 1", block], None, "g() #STATEK: as tool\nb = 2", ("h() #STATEK: as tool", block))
    assert [found.code for found in blocks] == ["a = 1", "", "b = 2", "", ""]
    assert [call.id for found in blocks for call in found.calls] == [
        "STATEK-001",
        "STATEK-002",
        "STATEK-003",
        "STATEK-004",
    ]


def test_nothing_is_no_block() -> None:
    assert [parse_warmup(), parse_warmup(None), parse_warmup(" \n"), parse_warmup("# -----------")] == [(), (), (), ()]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\n# ----------\ny = (", "warmup block 2, code line 1: '(' was never closed"),
        ("x = '\0'", "warmup block 1: source code string cannot contain null bytes"),
        ("x = #STATEK: as tool", "warmup block 1, line 1: 'x =' is no call expression"),
        ("a.f() #STATEK: as tool", "warmup block 1, line 1: 'a.f()' is no call of a tool by name"),
        ("f(a + 1) #STATEK: as tool", "warmup block 1, line 1: argument 'a + 1' is no literal"),
        ("f(**a) #STATEK: as tool", "warmup block 1, line 1: ** is not allowed in a framework tool call"),
        (
            "x = 1\n#STATEK: as tools",
            "warmup block 1, line 2: unknown directive '#STATEK: as tools'; use 'as tool' or 'key = literal'",
        ),
        ("#STATEK: a = b", "warmup block 1, line 1: 'b' is no literal"),
        ("#STATEK: a = [1]", "warmup block 1, line 1: a must be a str, int, float, bool or None, not list"),
        ("#STATEK: hidden = 1", "warmup block 1, line 1: hidden must be a bool, not int"),
    ],
)
def test_errors_name_block_and_line(source: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_warmup(source)
    assert str(caught.value).replace("source code cannot", "source code string cannot") == message


def test_a_block_must_be_text() -> None:
    with pytest.raises(InvalidRequest, match=r"^a warmup block must be text, not int$"):
        parse_warmup([3])  # type: ignore[list-item]


@given(st.text(alphabet="fx()#STAEK:= '\n-_1", max_size=80))
def test_any_text_parses_or_is_refused_by_one_error(text: str) -> None:
    blocks: tuple[WarmupBlock, ...] = ()
    refusals: list[str] = []
    try:
        blocks = parse_warmup(text)
    except InvalidRequest as refused:
        refusals.append(str(refused))
    assert [message for message in refusals if not message.startswith("warmup block ")] == []
    assert [block for block in blocks if not (block.code.strip() or block.calls or block.metadata)] == []


DEEP = ["-" * 100_000 + "1", "a." * 5000 + "b", "1+" * 20_000 + "1", "(" * 5000, "[" * 150 + "]" * 150]


@pytest.mark.parametrize(
    "text", [*DEEP, "{[]: 1}", "\0", "'\ud800'", "b'x'", "{1, 2}", "{(1, 2): 3}", "1j", "...", "9" * 5000]
)
@pytest.mark.parametrize("form", ["{}", "{} #STATEK: as tool", "f({}) #STATEK: as tool", "#STATEK: hidden = {}"])
def test_deep_and_odd_values_are_refused_by_name_and_what_passes_can_be_kept(text: str, form: str) -> None:
    refusals: list[str] = []
    blocks: tuple[WarmupBlock, ...] = ()
    try:
        blocks = parse_warmup(form.replace("{}", text))
    except InvalidRequest as refused:
        refusals.append(str(refused))
    assert [message for message in refusals if not message.startswith("warmup block 1")] == []
    assert [len(message) for message in refusals if len(message) > 400] == []
    assert [json.loads(json.dumps(call.args)) for block in blocks for call in block.calls] == [
        list(call.args) for block in blocks for call in block.calls
    ]


@given(
    st.recursive(
        st.text(max_size=5) | st.binary(max_size=3) | st.floats() | st.none(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text(max_size=3), inner, max_size=3)
            | st.tuples(inner, inner)
        ),
    )
)
def test_any_literal_of_a_call_is_kept_or_refused_by_name(value: object) -> None:
    source = f"f({value!r}, key={value!r})  #STATEK: as tool"
    try:
        [block] = parse_warmup(source)
    except InvalidRequest as error:
        assert str(error).startswith("warmup block 1, line 1: ")  # noqa: PT017
    else:
        json.dumps([block.calls[0].args, dict(block.calls[0].kwargs)])


@pytest.mark.parametrize("given", [3, 1.5, True])
def test_a_warmup_that_is_neither_text_nor_blocks_is_refused(given: object) -> None:
    with pytest.raises(InvalidRequest, match=rf"^a warmup must be text or blocks, not {type(given).__name__}$"):
        parse_warmup(given)  # type: ignore[arg-type]
