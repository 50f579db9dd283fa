from __future__ import annotations

import gc

import pytest

from statek import system
from statek.chat_style import ChatStyle
from statek.exceptions import InvalidRequest
from statek.system import create_tool, docs_style, find_tools, inject_context, select_tools, tool
from statek.tools import ToolDef


@pytest.fixture(autouse=True)
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "_system_tools", {})
    monkeypatch.setattr(system, "_declared", [])


@tool
def outside(**kwargs):
    """An application tool."""


def plain():
    """No tool at all."""


def declared():
    @tool(system=True, target=ChatStyle.DIRECT)
    def runs(**kwargs):
        """Run."""

    @tool(hidden=True)
    def find(**kwargs):
        """The hidden one."""

    second = tool(lambda_named("find"))
    return runs, find, second


def lambda_named(name):
    def found(**kwargs):
        """The visible one."""

    found.__name__ = name
    return found


def test_tools_are_found_by_scope_style_and_visibility():
    runs, hidden, find = declared()
    assert find_tools() == [runs, find]
    assert find_tools("system") == [runs]
    assert find_tools("APPLICATION") == [find]
    assert find_tools(chat_style=ChatStyle.MARKDOWN) == [find]
    assert find_tools(include_hidden=True) == [runs, hidden]


def test_forgotten_tools_are_not_found():
    kept = declared()
    found = find_tools()
    del kept, found
    gc.collect()
    assert find_tools("APPLICATION") == []


def test_tools_of_a_list_are_selected_and_undecorated_ones_are_the_applications():
    runs, _, find = declared()
    assert select_tools([plain, runs, find, plain], "APPLICATION") == [plain, find]
    assert select_tools([plain, runs], "SYSTEM", ChatStyle.CONSOLE) == []
    with pytest.raises(InvalidRequest, match=r"^scope 'ALL' is unknown; use SYSTEM, APPLICATION or None$"):
        select_tools([], "ALL")


def test_a_made_tool_takes_no_arguments_and_its_name_is_free():
    context = {}
    made = create_tool("book", lambda room, day: f"{room} {day}", "Book it.", context, "A1", day="Monday")
    assert (
        context["book"] is made,
        made(),
        made(extra=1),
        ToolDef.of(made).brief,
        ToolDef.of(made).signature_text,
    ) == (
        True,
        "A1 Monday",
        "A1 Monday",
        "Book it.",
        "() -> Any",
    )
    with pytest.raises(InvalidRequest, match=r"^the context has 'book' already; choose another name for the tool$"):
        create_tool("book", plain, "", context)
    with pytest.raises(InvalidRequest, match="'no name' is no name that code can call"):
        create_tool("no name", plain, "", context)


def test_injected_arguments_are_not_seen_and_cannot_be_given():
    def send(text, client=None, **kwargs):
        return client, text

    injected = inject_context(send, client="smtp")
    assert (ToolDef.of(injected).signature_text, injected("hi", client="mine")) == ("(text)", ("smtp", "hi"))
    with pytest.raises(InvalidRequest, match=r"^send has no parameter 'host'$"):
        inject_context(send, host=1)


def test_docs_style_shows_types_in_the_brief_form():
    from statek.doc_format import format_brief

    @tool
    @docs_style(brief_types=True)
    def find(day: str, n: int = 3, **kwargs) -> str:
        """Find."""

    assert format_brief(ToolDef.of(find)) == "find(day: str, n: int = 3) -> str\n    Find."


def test_system_tools_are_importable_by_the_names_of_the_documents(monkeypatch):
    monkeypatch.undo()
    from statek import docstr
    from statek.system import brief
    from statek.system_tools import documentation

    assert (brief is documentation.brief, docstr is documentation.docstr) == (True, True)
    with pytest.raises(AttributeError, match=r"^module 'statek.system' has no attribute 'nothing'$"):
        _ = system.nothing
