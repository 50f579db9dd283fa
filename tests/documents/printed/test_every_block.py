"""Every printed block is run by a test, and every line of code in the documents is in a block."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.documents.blocks import ROOT
from tests.documents.printed import (  # noqa: F401 -- importing the tests fills COVERED
    test_agents_code,
    test_applications_code,
    test_dialog_and_direct,
)
from tests.documents.printed.printed import COVERED, blocks

# What a line of code, of metadata or of an environment file looks like. In one edition of the documents the first word
# of the next paragraph is glued to the last line of a block, so only the beginning of a line is looked at.
_CODE = re.compile(
    r"@\w+|(def|class) \w+|(import|from) \w+(\.\w+)*( as| import|$)|[a-z_]\w*(\.\w+)*(\[[^\]]*\])? = |print\("
    r"|[a-z_]\w*(\.[a-z_]\w*)*\(.*\)$|# [A-Z][A-Z_]+: |STATEK_\w+=|> \w+\(|job(_[ab])?\.\w+|return "
)


def printed_documents() -> list[Path]:
    """The documents, where an edition of them lies in a folder beside the checkout."""
    return sorted(ROOT.parent.glob("*/spec/statek-*.txt"))


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def test_every_block_is_run_by_a_test() -> None:
    assert sorted(blocks()) == sorted(COVERED)
    assert len(COVERED) == 36


@pytest.mark.parametrize("document", ["core-concepts", "agents", "chat-styles"])
def test_every_line_of_code_is_in_a_block(document: str) -> None:
    held = [
        squeezed(line) for name, code in blocks().items() if name.startswith(document) for line in code.splitlines()
    ]
    for path in printed_documents():
        if path.stem != f"statek-{document}":
            continue
        text = path.read_text(encoding="utf-8")
        lines = [line.strip() for line in text.splitlines() if _CODE.match(line.strip())]
        assert len(lines) >= 10
        assert [
            line for line in lines if not any(line_held and squeezed(line).startswith(line_held) for line_held in held)
        ] == []


@pytest.mark.parametrize("document", ["core-concepts", "agents", "chat-styles"])
def test_every_block_is_in_its_document(document: str) -> None:
    for path in printed_documents():
        if path.stem == f"statek-{document}":
            text = squeezed(path.read_text(encoding="utf-8"))
            assert [
                name for name, code in blocks().items() if name.startswith(document) and squeezed(code) not in text
            ] == []
