"""The code blocks of the documents."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["ROOT", "code_blocks", "documents"]

ROOT = Path(__file__).resolve().parents[2]

_BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)


def documents() -> list[Path]:
    """Every document of the project."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def code_blocks(document: str, language: str) -> list[str]:
    """The blocks of one language in a document, in order."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return [match["code"] for match in _BLOCK.finditer(text) if match["language"] == language]
