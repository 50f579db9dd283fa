"""Commands in the documents exist, and what exists is in the documents."""

from __future__ import annotations

import re
import shlex

import pytest

from orchestrator.cli.parser import build_parser, command_names
from tests.documents.blocks import ROOT, code_blocks, documents

_ASSIGNMENT = re.compile(r"[A-Z][A-Z_]*=\S*")


def samples(document: str) -> list[list[str]]:
    """The arguments of each ``$ statek ...`` in a document's samples."""
    lines = [line for block in code_blocks(document, "") for line in block.splitlines() if line.startswith("$ ")]
    found = []
    for line in lines:
        words = shlex.split(line[2:])
        while _ASSIGNMENT.fullmatch(words[0]):
            words.pop(0)
        if words[:2] == [".venv/bin/python", "-m"]:
            assert (ROOT / words[2].replace(".", "/") / "__main__.py").is_file(), line
            continue
        assert words[0] == "statek", line
        found.append(words[1:])
    return found


@pytest.mark.parametrize("document", [path.relative_to(ROOT).as_posix() for path in documents()])
def test_every_sample_is_a_command_line_that_the_parser_takes(document: str) -> None:
    for arguments in samples(document):
        build_parser().parse_args(arguments)


def test_the_page_of_commands_and_others_have_samples() -> None:
    assert len(samples("docs/cli.md")) >= 10
    assert len(samples("docs/recovery.md")) >= 2


def test_every_command_has_its_section_and_sample() -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## statek (.+)$", text, re.MULTILINE)
    assert sorted(sections) == sorted(command_names())
    shown = [" ".join(arguments) for arguments in samples("docs/cli.md")]
    assert [name for name in sections if not any(line.startswith(name) for line in shown)] == []


@pytest.mark.parametrize("document", [path.relative_to(ROOT).as_posix() for path in documents()])
def test_every_make_target_that_is_named_exists(document: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    text = (ROOT / document).read_text(encoding="utf-8")
    named = set(re.findall(r"`make ([a-z-]+)", text)) | set(re.findall(r"^make ([a-z-]+)", text, re.MULTILINE))
    assert named - targets == set()
