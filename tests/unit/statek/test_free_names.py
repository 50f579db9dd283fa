"""Names that code reads and does not bind."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.free_names import find_free_names


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("user = message.sender\ncalendar = user.calendar\nprint(message)", ("message",)),
        ("foo(x)", ("x",)),
        ("a.m(b)", ("a", "b")),
        ("x = 1\ny = x + z", ("z",)),
        ("x += 1", ("x",)),
        ("[i for i in items if i > low]", ("items", "low")),
        ("{k: v for k, v in pairs}", ("pairs",)),
        ("def f(a, *b, c=d, **e):\n    g = a\n    return g + h", ("d", "h")),
        ("lambda a: a + b", ("b",)),
        ("for i in data:\n    total = i\nprint(total)", ("data",)),
        ("import os.path\nfrom m import n as k\nos, k", ()),
        ("try:\n    pass\nexcept E as e:\n    print(e)", ("E",)),
        ("class A(B):\n    x = y\n    z = x", ("B", "y")),
        ("if (n := length):\n    print(n)", ("length",)),
        ("with open(p) as f:\n    f.read()", ("p",)),
        ("async def f():\n    await q", ("q",)),
        ("x: int = w\nmatch v:\n    case 1: pass", ("w", "v")),
        ("f'{name!r}'", ("name",)),
    ],
)
def test_free_names_in_the_order_of_their_first_use(source: str, names: tuple[str, ...]) -> None:
    assert find_free_names([source]) == names


def test_later_source_sees_what_an_earlier_one_bound() -> None:
    assert find_free_names(["a = b", "c = a"]) == ("b",)


@given(st.recursive(st.sampled_from(["x", "1", "[x for x in y]", "(lambda z: z)", "f(x)"]), lambda inner: st.builds(
    "({} + {})".format, inner, inner)))  # fmt: skip
def test_every_expression_is_walked(source: str) -> None:
    found = find_free_names([source])
    read = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    assert set(found) <= read - {"z", "f"}
