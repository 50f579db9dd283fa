"""The printed code blocks, and which test runs which."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["COVERED", "block", "blocks", "covers"]

_SECTION = re.compile(r"^## (?P<name>[a-z-]+ \d+)\n\n````\w+\n(?P<code>.*?)^````$", re.DOTALL | re.MULTILINE)
_Test = TypeVar("_Test", bound=Callable[..., Any])

COVERED: dict[str, str] = {}
"""Name of each block that a test runs, with the name of that test; filled by ``covers``."""


def blocks() -> dict[str, str]:
    """Every block by name, such as ``agents 3``."""
    text = Path(__file__).with_name("blocks.md").read_text(encoding="utf-8")
    found = {match["name"]: match["code"] for match in _SECTION.finditer(text)}
    assert len(found) == text.count("\n## ")
    return found


def block(name: str) -> str:
    """One block as printed."""
    return blocks()[name]


def covers(*names: str) -> Callable[[_Test], _Test]:
    """Say that a test runs these blocks."""

    def mark(test: _Test) -> _Test:
        COVERED.update(dict.fromkeys(names, test.__name__))
        return test

    return mark
