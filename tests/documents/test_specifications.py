"""Every promise in the documents names tests that exist."""

from __future__ import annotations

import ast
import re

import pytest

from tests.documents.blocks import ROOT, documents

_PROMISE = re.compile(r"^(?:- )?SPECIFICATION: (?P<promise>.+?) \[tests: (?P<tests>[^\]]+)\]$")


def promises(document: str) -> list[tuple[str, list[str]]]:
    """The promises of a document with their tests.

    A line that begins as a promise and is none raises, so that no promise goes unchecked.
    """
    found = []
    for line in (ROOT / document).read_text(encoding="utf-8").splitlines():
        if not line.lstrip("- ").startswith("SPECIFICATION"):
            continue
        match = _PROMISE.match(line)
        if match is None:
            raise ValueError(f"{document}: not a promise with tests: {line}")
        found.append((match["promise"], [test.strip() for test in match["tests"].split(",")]))
    return found


@pytest.mark.parametrize("document", ["SECURITY.md", "docs/limits.md"])
def test_promises_name_tests_that_exist(document: str) -> None:
    listed = promises(document)
    assert len(listed) >= 10
    missing = []
    for promise, tests in listed:
        for test in tests:
            path, _, name = test.partition("::")
            file = ROOT / path
            known = set()
            if file.is_file():
                tree = ast.parse(file.read_text(encoding="utf-8"))
                known = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
            if name not in known:
                missing.append(f"{promise}: {test}")
    assert missing == []


def test_no_promise_stands_where_nobody_checks_it() -> None:
    stray = [
        path.relative_to(ROOT).as_posix()
        for path in documents()
        if re.search(r"^(- )?SPECIFICATION", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert stray == ["SECURITY.md", "docs/limits.md"]


def test_relative_links_lead_somewhere() -> None:
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in documents()
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert broken == []


def test_every_page_is_in_the_index() -> None:
    text = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = sorted(path.name for path in (ROOT / "docs").glob("*.md") if path.name != "README.md")
    assert [page for page in pages if f"({page})" not in text] == []
