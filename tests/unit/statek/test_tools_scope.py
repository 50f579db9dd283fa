"""LLM_TOOLS_SCOPE: its grammar, what it selects, and how a provider is told of it."""

from __future__ import annotations

import contextlib
import datetime as dt
import enum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek import tool
from statek.chat_style import ChatStyle
from statek.exceptions import InvalidRequest
from statek.system import find_system_tools
from statek.tool_specs import provider_spec
from statek.tools import ToolDef
from statek.tools_scope import ToolsScope, parse_tools_scope, select_provider_tools


@tool
def mine(**kwargs: object) -> None:
    """Mine."""


@tool
def other(**kwargs: object) -> None:
    """Other."""


@tool(hidden=True)
def secret(**kwargs: object) -> None:
    """Secret."""


@tool(target=ChatStyle.MARKDOWN)
def for_markdown(**kwargs: object) -> None:
    """For one style."""


def _plumbing(**kwargs: object) -> None:
    """Internal."""


OWN = [ToolDef.of(one) for one in (mine, other, secret, for_markdown, _plumbing)]
SYSTEM = [one for one in find_system_tools() if not one.hidden and not one.internal]
ALL = [*OWN, *find_system_tools()]


NO_CATEGORY = "is no category; use SYSTEM, APPLICATION or ALL, then +names or -names"


def names(text: str, style: ChatStyle = ChatStyle.DIRECT) -> list[str]:
    return [one.name for one in select_provider_tools(parse_tools_scope(text), ALL, style)]


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        (None, ToolsScope()),
        ("  ", ToolsScope()),
        ("SYSTEM", ToolsScope("SYSTEM")),
        (" application ", ToolsScope("APPLICATION")),
        ("ALL -panic", ToolsScope("ALL", ((False, "panic"),))),
        ("+docstr,python_cli", ToolsScope("", ((True, "docstr"), (True, "python_cli")))),
        ("SYSTEM +my_tool -brief", ToolsScope("SYSTEM", ((True, "my_tool"), (False, "brief")))),
        ("all+ a ,b -c, d", ToolsScope("ALL", ((True, "a"), (True, "b"), (False, "c"), (False, "d")))),
    ],
)
def test_the_grammar(text: str | None, scope: ToolsScope) -> None:
    assert parse_tools_scope(text) == scope


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("TOOLS", f"LLM_TOOLS_SCOPE 'TOOLS': 'TOOLS' {NO_CATEGORY}"),
        ("ALL x", f"LLM_TOOLS_SCOPE 'ALL x': 'ALL x' {NO_CATEGORY}"),
        ("ALL +", "LLM_TOOLS_SCOPE 'ALL +': '' after '+' is no tool name; write for example +docstr,python_cli"),
        ("+a,", "LLM_TOOLS_SCOPE '+a,': '' after '+' is no tool name; write for example +docstr,python_cli"),
        ("+a b", "LLM_TOOLS_SCOPE '+a b': 'a b' after '+' is no tool name; write for example +docstr,python_cli"),
        ("-1", "LLM_TOOLS_SCOPE '-1': '1' after '-' is no tool name; write for example +docstr,python_cli"),
    ],
)
def test_a_mistake_is_named(text: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_tools_scope(text)
    assert str(caught.value) == message


@given(st.text(max_size=60) | st.lists(st.sampled_from(["ALL", "+", "-", ",", "a", "class", " ", "\n"])).map("".join))
def test_any_text_is_a_scope_or_a_named_error(text: str) -> None:
    try:
        scope = parse_tools_scope(text)
    except InvalidRequest:
        return
    with contextlib.suppress(InvalidRequest):
        select_provider_tools(scope, ALL, ChatStyle.MARKDOWN)


def test_categories() -> None:
    assert names("APPLICATION") == ["mine", "other"]
    assert names("SYSTEM") == [one.name for one in SYSTEM]
    assert names("ALL") == ["mine", "other", *(one.name for one in SYSTEM)]
    assert names("") == []
    assert ("python_cli" in names("SYSTEM"), "python_cli" in names("SYSTEM", ChatStyle.MARKDOWN)) == (True, False)
    assert names("APPLICATION", ChatStyle.MARKDOWN) == ["mine", "other", "for_markdown"]


def test_changes_in_order() -> None:
    assert names("APPLICATION -mine +brief") == ["other", "brief"]
    assert names("+other,mine") == ["other", "mine"]
    assert names("+mine +mine") == ["mine"]
    assert names("+mine -mine") == []


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("+nope", "names tool 'nope', which the agent does not offer; it offers: "),
        ("+secret", "names tool 'secret', which the agent does not offer"),
        ("ALL -_plumbing", "names tool '_plumbing', which the agent does not offer"),
        ("+for_markdown", "names tool 'for_markdown', which is for MARKDOWN only, not for DIRECT"),
        ("ALL -for_markdown", "which is for MARKDOWN only, not for DIRECT"),
        ("SYSTEM -mine", "LLM_TOOLS_SCOPE takes away tool 'mine', which it has not selected"),
    ],
)
def test_what_does_not_fit_is_named(text: str, part: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        names(text)
    assert part in str(caught.value)


class Color(enum.Enum):
    RED = 1
    BLUE = 2


@tool
def everything(
    text: str,
    number: int,
    ratio: float,
    flag: bool,
    items: list[int],
    mapping: dict[str, int],
    day: dt.date,
    color: Color,
    kind: Literal["a", "b"],
    maybe: int | None = None,
    either: int | str = 1,
    untyped: Any = None,
    plain=None,
    many: list | None = None,
    _hidden: int = 0,
    *args: object,
    ctx: Any = None,
    **kwargs: object,
) -> str:
    """Do everything.

    More about it.

    Args:
        text: what is said.
        day: when.
    """
    return text


def test_a_specification() -> None:
    function = provider_spec(ToolDef.of(everything))["function"]
    assert (function["name"], function["description"]) == ("everything", "Do everything.")
    assert function["parameters"] == {
        "type": "object",
        "properties": {
            "text": {"type": "string", "description": "what is said."},
            "number": {"type": "integer"},
            "ratio": {"type": "number"},
            "flag": {"type": "boolean"},
            "items": {"type": "array", "items": {"type": "integer"}},
            "mapping": {"type": "object"},
            "day": {"type": "string", "format": "date", "description": "when."},
            "color": {"type": "string", "enum": ["RED", "BLUE"]},
            "kind": {"type": "string", "enum": ["a", "b"]},
            "maybe": {"type": "integer"},
            "either": {"type": "string"},
            "untyped": {"type": "string"},
            "plain": {"type": "string"},
            "many": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["text", "number", "ratio", "flag", "items", "mapping", "day", "color", "kind"],
    }


def test_a_tool_without_a_docstring_is_told_of_by_name() -> None:
    def bare(**kwargs: object) -> None: ...

    spec = provider_spec(ToolDef.of(bare))["function"]
    assert spec == {"name": "bare", "description": "bare", "parameters": {"type": "object", "properties": {}}}
