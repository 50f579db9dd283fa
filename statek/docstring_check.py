"""The strict reading of docstrings, for an application's own checks.

What agents are shown is read tolerantly (``statek.docstring.parse_docstring``): an undocumented tool still works. A
project that wants its tools documented asks here, in a test of its own, and gets one error that says where.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

from statek.access import Policy
from statek.doc_text import brief_text, full_text
from statek.docstring import ParsedDoc, parse_docstring, parse_variants
from statek.documented import document_callable, document_class
from statek.exceptions import InvalidFormat

__all__ = ["DocstringParseError", "format_docstring", "parse_tool_docstring"]

_HEADER = re.compile(r"(Args|Arguments|Attributes|Raises):[ \t]*")
_ANY_HEADER = re.compile(r"[A-Za-z][A-Za-z-]*:[ \t]*")
_ITEM = re.compile(r"\*{0,2}[\w.]+[ \t]*(\([^)]*\))?[ \t]*:.*")
_NOT_GIVEN = frozenset({"self", "cls", "ctx"})


class DocstringParseError(InvalidFormat):
    """A docstring that does not say what agents need.

    Attributes:
        line: line of the docstring, from 1; 0 where none is to blame.
    """

    code = "docstring"

    def __init__(self, message: str, *, line: int = 0) -> None:
        super().__init__(f"{message} (line {line} of the docstring)" if line else message)
        self.line = line


def parse_tool_docstring(function: Callable[..., Any]) -> ParsedDoc:
    """Read the docstring of a tool, and insist that it documents every parameter that the model gives.

    Left out are ``self``, ``cls``, ``ctx``, parameters that begin with an underscore, ``*args``, ``**kwargs``, and the
    ``id`` of a sub-task.

    Raises:
        DocstringParseError: there is none, a parameter is not in it, or a line cannot be understood.
    """
    name = getattr(function, "__name__", "function")
    doc = function.__doc__
    if not doc or not doc.strip():
        raise DocstringParseError(f"Function '{name}' has no docstring")
    lines = inspect.cleandoc(doc).split("\n")
    _check_sections(name, lines)
    parsed = parse_docstring(doc)
    documented = {item.name for item in parsed.args}
    variadic = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    line = next((number for number, text in enumerate(lines, 1) if text.strip() in {"Args:", "Arguments:"}), 0)
    declared = inspect.signature(inspect.unwrap(function), follow_wrapped=False).parameters
    for parameter in inspect.signature(function).parameters.values():
        given = parameter.kind not in variadic and not parameter.name.startswith("_")
        if parameter.name == "id" and "id" not in declared:
            continue  # added by @subtask
        if given and parameter.name not in _NOT_GIVEN and parameter.name not in documented:
            raise DocstringParseError(f"Function '{name}': argument '{parameter.name}' is not documented", line=line)
    return parsed


def _check_sections(name: str, lines: list[str]) -> None:
    """Find lines of an item section that are neither an item nor the rest of one, and broken variants."""
    margin: int | None = None
    inside = False
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text.startswith("VARIANTS") and text[8:9] == "/" and parse_variants(text) is None:
            raise DocstringParseError(f"Function '{name}': variants are written VARIANTS/:text/NAME:text", line=number)
        if _ANY_HEADER.fullmatch(line):
            inside, margin = _HEADER.fullmatch(line) is not None, None
            continue
        if not inside or not text:
            continue
        indentation = len(line) - len(line.lstrip())
        margin = indentation if margin is None else margin
        if indentation < margin or indentation == 0:
            raise DocstringParseError(f"Function '{name}': {text[:60]!r} stands outside of its section", line=number)
        if indentation == margin and _ITEM.fullmatch(text) is None:
            raise DocstringParseError(f"Function '{name}': {text[:60]!r} is no 'name: description'", line=number)


def format_docstring(subject: Any, *, brief: bool = False) -> str:
    """A function or class as agents read it.

    Args:
        subject: the function or class.
        brief: the brief plain form instead of the full Python form.
    """
    documented = document_class(subject, Policy()) if isinstance(subject, type) else document_callable(subject)
    return brief_text(documented) if brief else full_text(documented)
