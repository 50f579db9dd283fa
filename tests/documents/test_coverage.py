"""docs/statek-coverage.md: every row names a place and a test that exist, or says that it is not built."""

from __future__ import annotations

import ast
import importlib
import re
from functools import lru_cache
from typing import Any

from statek._other_settings import OTHER_SETTINGS
from tests.documents.blocks import ROOT

NOT_BUILT = "not built"
_CODE = re.compile(r"`([^`]+)`")


DIFFERENT = "## Different on purpose"


def cells(text: str) -> list[list[str]]:
    """The cells of every row of every table in a text."""
    lines = text.splitlines()
    tables = [
        line for line in lines if line.startswith("|") and not line.startswith(("|--", "| feature |", "| name |"))
    ]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in tables]


def page() -> str:
    return (ROOT / "docs" / "statek-coverage.md").read_text(encoding="utf-8")


def rows() -> list[list[str]]:
    """The cells of every row that says what is there."""
    return cells(page().partition(DIFFERENT)[0])


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
    for row in found:
        if len(row) != 3:
            wrong.append(f"{len(row)} cells: {row}")
        elif row[2] != NOT_BUILT and not (
            _CODE.sub("", row[2]).strip(" ,") == ""
            and (references := _CODE.findall(row[2]))
            and all(is_a_test(reference) for reference in references)
        ):
            wrong.append(f"{row[0]}: {row[2]}")
    assert wrong == []


def test_every_place_is_there() -> None:
    named = [(row[0], place) for row in rows() for place in _CODE.findall(row[1])]
    assert [f"{feature}: {place}" for feature, place in named if not (ROOT / place).exists()] == []


def find(name: str) -> Any:
    """What a dotted name stands for; None for nothing."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:length]))  # noqa: TID251 - the names are the page's
        except ImportError:
            continue
        for part in parts[length:]:
            found = getattr(found, part, None)
        return found
    return None


def test_what_is_left_out_on_purpose_is_not_there_and_has_its_reason() -> None:
    found = cells(page().partition(DIFFERENT)[2])
    assert len(found) >= 10
    assert [row for row in found if len(row) != 2 or len(row[1]) < 40] == []
    names = [name for row in found for name in _CODE.findall(row[0])]
    assert [name for name in names if find(name) is not None] == []
    assert find("statek.executors.job.Job.error_handlers") is not None


def test_settings_that_are_left_out_are_refused_by_name() -> None:
    found = cells(page().partition(DIFFERENT)[2])
    named = {name for row in found for name in _CODE.findall(row[0]) if name.startswith("STATEK_")}
    without = {f"STATEK_{name.upper()}" for name in OTHER_SETTINGS if name.startswith(("python_sandbox_", "rpc_"))}
    assert named == without
