"""Every code fence of the documents is tried by a test, or is of a kind that cannot be tried."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from statek.settings import StatekSettings
from statek.tools_scope import parse_tools_scope
from tests.documents.blocks import ROOT, code_blocks, documents
from tests.support.private_engine import engine_configuration

NOT_TRIED = "text"
"""Pictures, schemas and what a run printed once."""

SCOPES = "docs/tools.md"
"""The page whose plain block is one ``LLM_TOOLS_SCOPE`` a line."""

PAGES = [path.relative_to(ROOT).as_posix() for path in documents()]

_LANGUAGE = re.compile(r"^```([^`\n]*)\n.*?^```", re.DOTALL | re.MULTILINE)


def complaints(page: str) -> list[str]:
    """The fences of a page that no test tries, by their kind and first line."""
    languages = _LANGUAGE.findall((ROOT / page).read_text(encoding="utf-8"))
    found = [f"kind {one!r}" for one in languages if one not in ("", "python", "toml", "json", NOT_TRIED)]
    # Samples of commands are tried by tests/documents/test_commands.py, Python by tests/documents/test_programs.py.
    plain = [] if page == SCOPES else code_blocks(page, "")
    return found + [block.splitlines()[0] for block in plain if not block.startswith(("$ ", "make "))]


@pytest.mark.parametrize("page", PAGES)
def test_every_fence_is_tried_or_says_that_it_is_text(page: str) -> None:
    assert complaints(page) == []


@pytest.mark.parametrize("page", [page for page in PAGES if code_blocks(page, "toml")])
def test_every_settings_file_is_one(page: str, tmp_path: Path) -> None:
    file = tmp_path / "statek.toml"
    for block in code_blocks(page, "toml"):
        file.write_text(block, encoding="utf-8")
        StatekSettings.load(file=file, environ={})


@pytest.mark.parametrize("page", [page for page in PAGES if code_blocks(page, "json")])
def test_every_engine_configuration_is_that_of_the_tests(page: str) -> None:
    """But for the platform: the tests take the one that works on every machine."""
    [shown] = [json.loads(block) for block in code_blocks(page, "json")]
    tried = engine_configuration("/usr/bin/runsc")
    tried["runtimes"]["runsc"]["runtimeArgs"].remove("--platform=ptrace")
    assert shown == tried


def test_every_scope_is_one() -> None:
    [block] = code_blocks(SCOPES, "")
    scopes = [parse_tools_scope(line) for line in block.splitlines()]
    assert len(scopes) >= 5
    assert [scope for scope in scopes if scope.is_blank] == []
