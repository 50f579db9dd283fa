"""docs/dependencies.md against what the project declares."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable

from tests.documents.blocks import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def names(requirements: Iterable[str]) -> list[str]:
    """The packages that requirement lines name, sorted."""
    found = [re.match(r"[A-Za-z0-9+._-]+", line.strip()) for line in requirements]
    return sorted((match.group() for match in found if match), key=str.lower)


def section(title: str) -> str:
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    [found] = [part for part in re.split(r"^## ", text, flags=re.MULTILINE) if part.startswith(f"{title}\n")]
    return found


def rows(title: str) -> list[str]:
    """The packages in a section's table; each with a reason and a licence."""
    lines = [line for line in section(title).splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row for row in cells if not (row[1] and row[2])] == []
    return sorted((row[0].strip("`") for row in cells), key=str.lower)


def test_dependencies_of_the_client() -> None:
    assert rows("Client") == names(PROJECT["project"]["dependencies"])
    assert PROJECT["project"]["optional-dependencies"]["client"] == []


def test_dependencies_of_the_service() -> None:
    assert rows("Service") == names(PROJECT["project"]["optional-dependencies"]["service"])


def test_dependencies_of_blocks_elsewhere() -> None:
    assert rows("Blocks") == names(PROJECT["project"]["optional-dependencies"]["blocks"])


def test_dependencies_of_the_example() -> None:
    assert rows("Example") == names(PROJECT["project"]["optional-dependencies"]["example"])


def test_dependencies_of_development() -> None:
    assert rows("Development") == names(PROJECT["dependency-groups"]["dev"])


def test_rivals_of_the_benchmarks() -> None:
    files = sorted((ROOT / "benchmarks" / "rivals" / "requirements").glob("*.in"))
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    assert rows("Rivals of the benchmarks") == names(line for line in lines if not line.startswith("#"))


def test_debian_packages_of_the_image() -> None:
    lines = (ROOT / "images" / "base" / "packages.txt").read_text(encoding="utf-8").splitlines()
    assert rows("In the runner's image") == names(line for line in lines if not line.startswith("#"))


def test_debian_packages_of_the_machine() -> None:
    installers = ("setup/bootstrap.py", "tests/support/run_tests.py")
    bootstrap, tests = ((ROOT / path).read_text(encoding="utf-8") for path in installers)
    installed = set(re.findall(r'install_packages\("([^"]+)"\)', bootstrap))
    for literal in re.findall(r'packages \+= (\["[^\]]*\])|^_(?:NEEDED|WANTED) = (\{.*\})$', tests, re.MULTILINE):
        installed.update(ast.literal_eval("".join(literal)))
    assert rows("Of the machine") == sorted(installed)


def wheels(flavour: str) -> list[str]:
    lines = (ROOT / "images" / flavour / "requirements.in").read_text(encoding="utf-8").splitlines()
    return names(line for line in lines if not line.startswith("#"))


def test_wheels_of_the_image() -> None:
    [listed] = re.findall(r"^Wheels: (.*),", section("In the runner's image"), re.MULTILINE)
    assert sorted(re.findall(r"`([^`]+)`", listed), key=str.lower) == wheels("base")


def test_wheels_of_the_flavour_data() -> None:
    listed = re.findall(r"`([^`]+)`\s\(", section("In the flavour `data`"))
    assert sorted([*wheels("base"), *listed], key=str.lower) == wheels("data")


def test_flavours_differ_in_their_wheels_only() -> None:
    folders = [path.parent for path in (ROOT / "images").glob("*/requirements.in")]
    assert sorted(folder.name for folder in folders) == ["base", "data"]
    for name in ("packages.txt", "seccomp.json"):
        assert len({(folder / name).read_bytes() for folder in folders}) == 1
