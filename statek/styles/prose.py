"""The text of a reply that is said to a person."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["prose_of", "tidy_prose"]

_PYTHON_NAMES = frozenset({"python", "py", "python3", "py3", "python-3"})
"""What a fence may call Python."""

_OPENER = re.compile(r"[ \t]*(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^`]*)")
_INLINE_OPENER = re.compile(r"(?P<before>[^`]*)(?P<fence>`{3,})(?:python|py|python3)(?:[ \t](?P<rest>.*))?")


def tidy_prose(lines: Iterable[str]) -> str:
    """Lines as a text without blank lines at its ends, and with at most one between its paragraphs."""
    out: list[str] = []
    for line in lines:
        text = line.replace("\0", " ").rstrip()
        if text or (out and out[-1]):
            out.append(text)
    return "\n".join(out).strip()


def prose_of(text: str) -> str:
    """The text without its Python blocks; blocks of other languages are part of what is said.

    One pass over the lines; nothing in it is ever run.
    """
    out: list[str] = []
    fence, python = "", False
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        match = _OPENER.fullmatch(line)
        if fence:
            closes = match is not None and match["fence"].startswith(fence) and not match["info"].strip()
            if not python:
                out.append(line)
            elif not closes and fence[0] == "`" and fence in line:
                # The closing fence shares its line with code or with what is said next.
                closes, rest = True, line.partition(fence)[2].lstrip("`").strip()
                out.append(rest)
            if closes:
                fence, python = "", False
            continue
        if match is None:
            inline = _INLINE_OPENER.fullmatch(line)
            if inline is None:
                out.append(line)
                continue
            out.append(inline["before"].rstrip())
            _, closing, rest = (inline["rest"] or "").partition(inline["fence"])
            if closing:
                out[-1] = f"{out[-1]} {rest.strip()}".strip()
            else:
                fence, python = inline["fence"], True
            continue
        words = match["info"].split()
        fence, python = match["fence"], bool(words) and words[0].partition("{")[0].lower() in _PYTHON_NAMES
        if not python:
            out.append(line)
    return tidy_prose(out)
