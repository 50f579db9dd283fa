from __future__ import annotations

import contextlib
import functools
import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek import docstring
from statek.access import Acl, AclRule, parse_acl
from statek.agents.agent import SupervisedAgent
from statek.docstring import DocstringParseError, Statek_ACL, format_docstring, parse_statek_acl, parse_tool_docstring
from statek.exceptions import InvalidFormat, InvalidRequest


def documented(doc: str):
    def find(
        day: str, n: int = 1, _quiet: bool = False, ctx: object = None, *args: object, **kwargs: object
    ) -> None: ...

    find.__doc__ = doc
    return find


GOOD = """Find it.

    Args:
        day (str): when,
            exactly
        n: how many
    """


def test_a_documented_tool_is_read():
    assert [item.name for item in parse_tool_docstring(documented(GOOD)).args] == ["day", "n"]


@pytest.mark.parametrize(
    ("doc", "message", "line"),
    [
        ("", "Function 'find' has no docstring", 0),
        ("Find it.", "Function 'find': argument 'day' is not documented", 0),
        (
            "Find it.\n\nArgs:\n    day: when",
            "Function 'find': argument 'n' is not documented (line 3 of the docstring)",
            3,
        ),
        (
            "Find it.\n\nArgs:\n    day: when\n    nonsense\n",
            "Function 'find': 'nonsense' is no 'name: description' (line 5 of the docstring)",
            5,
        ),
        (
            "Find it.\n\nArgs:\n    day: when\nn: how many\n",
            "Function 'find': 'n: how many' stands outside of its section (line 5 of the docstring)",
            5,
        ),
        (
            "VARIANTS/oops",
            "Function 'find': variants are written VARIANTS/:text/NAME:text (line 1 of the docstring)",
            1,
        ),
    ],
)
def test_what_is_missing_is_named_with_its_line(doc: str, message: str, line: int):
    with pytest.raises(DocstringParseError) as caught:
        parse_tool_docstring(documented(doc))
    assert (str(caught.value), caught.value.line, isinstance(caught.value, InvalidFormat)) == (message, line, True)


def test_the_id_that_a_decorator_adds_needs_no_words():
    inner = documented(GOOD)

    @functools.wraps(inner)
    def outer(*args: object, **kwargs: object) -> None: ...

    parameters = list(inspect.signature(inner).parameters.values())
    added = inspect.Parameter("id", inspect.Parameter.KEYWORD_ONLY, default=None)
    outer.__signature__ = inspect.Signature([*parameters[:-1], added, parameters[-1]])  # type: ignore[attr-defined]
    assert parse_tool_docstring(outer).brief == "Find it."


def test_functions_and_classes_are_formatted():
    class Plain:
        """Say it."""

    assert format_docstring(documented(GOOD), brief=True) == "find(day, n=1)\n    Find it."
    assert format_docstring(Plain) == 'class Plain:\n    """Say it."""'


def test_the_acl_is_at_the_path_of_the_documents():
    acl = parse_statek_acl("+title\n-secret*\n+secret_plan: Chief, boss\nnonsense\n")
    assert (Statek_ACL, docstring.ACL_Item, parse_statek_acl) == (Acl, AclRule, parse_acl)

    class Chief(SupervisedAgent):
        pass

    asked = [
        ("title", None),
        ("other", None),
        ("secret_plan", None),
        ("secret_plan", "Chief"),
        ("secret_plan", "boss"),
        ("secret_plan", Chief("x")),
        ("secret_plan", SupervisedAgent("boss")),
        ("secret_plan", SupervisedAgent("x")),
        ("_title", None),
    ]
    assert [acl.has_access(name, agent) for name, agent in asked] == [
        True, False, False, True, True, True, True, False, False,
    ]  # fmt: skip
    with pytest.raises(AttributeError, match=r"^module 'statek.docstring' has no attribute 'nothing'$"):
        _ = docstring.nothing


TEXT = st.text(alphabet=st.sampled_from("abArgs:VINT/ \n\t*()-+Raises,"), max_size=120) | st.text(max_size=120)


@given(TEXT)
def test_any_docstring_is_read_or_refused_by_name(text: str):
    with contextlib.suppress(DocstringParseError):
        parse_tool_docstring(documented(text))


@given(TEXT, st.text(max_size=20))
def test_any_acl_answers(text: str, name: str):
    assert parse_statek_acl(text).has_access(name) in {True, False}


@given(
    st.recursive(
        st.none() | st.integers(-2, 9) | st.text(max_size=8) | st.sampled_from(["function", "class", "tool"]),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["describe", "name", "doc", "parameters", "returns", "fields", "methods"]),
                inner,
                max_size=7,
            )
        ),
        max_leaves=30,
    )
)
def test_any_description_from_a_sandbox_is_read_or_refused_by_name(sent: object):
    from statek.doc_text import brief_text, full_text
    from statek.documented import document_sent

    given_ = (
        sent
        if isinstance(sent, dict)
        else {"describe": "function", "name": "f", "doc": "d", "parameters": sent, "returns": ""}
    )
    try:
        found = document_sent(given_)
    except InvalidRequest:
        return
    brief_text(found)
    full_text(found)
