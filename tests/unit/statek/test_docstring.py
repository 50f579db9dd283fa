from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from statek.doc_format import format_brief, format_detailed
from statek.docstring import DocItem, ParsedDoc, get_text_variant, parse_docstring, parse_variants
from statek.future import get_all, get_any
from statek.tools import ToolDef

FULL = """VARIANTS/:Move the meeting internally./TOOL:Move the meeting.

    Tells nobody
    about it.

    Args:
        slot (Slot): where to,
            and when
        force: VARIANTS/:internal/TOOL:even if it is taken

    Attributes:
        room: where it is

    Returns:
        Meeting: the moved meeting

    Raises:
        ValueError: the slot is taken

    Example:
        meeting.move_to(slot)
        if x:
            y()

    Tags:
        planning - about plans
        calendar

    Note:
        nobody reads this

    STATEK-ACL:
        +title
        -*: Auditor
    """


def test_every_section_is_read() -> None:
    expected = ParsedDoc(
        brief="Move the meeting.",
        extra="Tells nobody\nabout it.",
        args=(DocItem("slot", "Slot", "where to, and when"), DocItem("force", "", "even if it is taken")),
        attributes=(DocItem("room", "", "where it is"),),
        returns=DocItem("", "Meeting", "the moved meeting"),
        raises=(DocItem("ValueError", "", "the slot is taken"),),
        example="meeting.move_to(slot)\nif x:\n    y()",
        tags=("planning", "calendar"),
        acl="    +title\n    -*: Auditor",
    )
    assert expected == parse_docstring(FULL)
    assert parse_docstring(FULL, variant="").brief == "Move the meeting internally."


def test_an_acl_is_found_however_it_is_written() -> None:
    texts = ["STATEK-ACL:\n+a", "x\n\n  statek-acl\n  +a", "x\n    STATEK-ACL: +a", "STATEK-ACL:"]
    assert [(parse_docstring(text).acl or "").strip() for text in texts] == ["+a", "+a", "+a", ""]
    assert parse_docstring("x").acl is None


def test_undocumented_objects_give_nothing() -> None:
    assert [ParsedDoc(), ParsedDoc()] == [parse_docstring(None), parse_docstring("  \n ")]


def test_variants() -> None:
    assert parse_variants("VARIANTS/:a/TOOL:b/X1:c: d/e") == {"": "a", "tool": "b", "x1": "c: d/e"}
    assert [parse_variants("plain"), parse_variants("VARIANTS/nothing here")] == [None, None]
    texts = [
        get_text_variant("VARIANTS/TOOL:b", "x"),
        get_text_variant(" VARIANTS/:a", "x"),
        get_text_variant("a/b: c"),
    ]
    assert texts == ["", "a", "a/b: c"]


def test_a_bare_result_description() -> None:
    assert parse_docstring("x\n\nReturns:\n    whatever it is: unknown, I fear").returns == DocItem(
        "", "", "whatever it is: unknown, I fear"
    )


@given(st.lists(st.sampled_from([*FULL.split("\n"), "", "Args:", "  x: y", ":", "VARIANTS/"]), max_size=25))
def test_any_order_of_lines_is_read(lines: list[str]) -> None:
    parsed = parse_docstring("\n".join(lines))
    assert (parsed.acl is not None) == any(line.strip() == "STATEK-ACL:" for line in lines)


def find(name: str, day: dt.date | None = None, /, *rest: int, exact: bool = False, style='a"b', **kwargs) -> list[str]:
    """Find events.

    Returns:
        the events
    """
    return [name]


def undocumented(a, b=1, **kwargs):
    return a


def test_formats_of_a_documented_tool() -> None:
    tool = ToolDef.of(find)
    assert format_brief(tool) == (
        'find(name, day=None, /, *rest, exact=False, style="a\\"b")\n    Find events.\n    Returns: the events'
    )
    assert format_detailed(tool) == (
        "def find(name: str, day: dt.date | None = None, /, *rest: int, exact: bool = False, "
        'style="a\\"b") -> list[str]:\n'
        '    """Find events.\n\n    Returns:\n        the events\n    """'
    )


def test_formats_of_an_undocumented_tool() -> None:
    tool = ToolDef.of(undocumented)
    assert [format_brief(tool), format_detailed(tool)] == ["undocumented(a, b=1)", "def undocumented(a, b=1): ..."]


def test_an_acl_is_never_shown() -> None:
    def move(slot, force=False, **kwargs):
        return slot

    move.__doc__ = FULL
    tool = ToolDef.of(move)
    assert not [
        text for text in (tool.doc, format_brief(tool), format_detailed(tool)) if "ACL" in text or "+title" in text
    ]


@given(
    st.text(max_size=300)
    | st.lists(st.sampled_from([*"VARIANTS/:ab\n \t\r\0\ud800*()", "Args:\n", "STATEK-ACL:\n"])).map("".join)
)
def test_any_docstring_is_read(text: str) -> None:
    parsed = parse_docstring(text)
    for variant in ("", "TOOL", "x"):
        assert isinstance(get_text_variant(text, variant), str)
    assert parse_docstring(text) == parsed


def test_a_tool_that_takes_any_number_says_so_and_one_that_ignores_them_does_not() -> None:
    def ignores(*args, **kwargs):
        """Do it."""

    shown = [format_brief(ToolDef.of(function)).splitlines()[0] for function in (get_any, get_all, ignores)]
    assert shown == ["get_any(*futures)", "get_all(*futures)", "ignores()"]
