"""docs/statek-coverage.md: every row names a place and a test that exist, or says that it is not built."""

from __future__ import annotations

import ast
import re
from functools import lru_cache

from tests.documents.blocks import ROOT

NOT_BUILT = "not built"
_CODE = re.compile(r"`([^`]+)`")


def rows() -> list[list[str]]:
    """The cells of every row of every table."""
    lines = (ROOT / "docs" / "statek-coverage.md").read_text(encoding="utf-8").splitlines()
    tables = [line for line in lines if line.startswith("|") and not line.startswith(("|--", "| feature |"))]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in tables]


@lru_cache
def known_tests(path: str) -> frozenset[str]:
    """The names of the tests in a file; none where there is no such file."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def is_a_test(reference: str) -> bool:
    path, colons, name = reference.partition("::")
    return name in known_tests(path) if colons else bool(known_tests(path))


def test_every_row_names_tests_that_exist() -> None:
    found = rows()
    assert len(found) >= 60
    wrong = []
    for cells in found:
        if len(cells) != 3:
            wrong.append(f"{len(cells)} cells: {cells}")
        elif cells[2] != NOT_BUILT and not (
            _CODE.sub("", cells[2]).strip(" ,") == ""
            and (references := _CODE.findall(cells[2]))
            and all(is_a_test(reference) for reference in references)
        ):
            wrong.append(f"{cells[0]}: {cells[2]}")
    assert wrong == []


def test_every_place_is_there() -> None:
    named = [(cells[0], place) for cells in rows() for place in _CODE.findall(cells[1])]
    assert [f"{feature}: {place}" for feature, place in named if not (ROOT / place).exists()] == []
