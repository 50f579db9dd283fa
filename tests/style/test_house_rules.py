"""House rules that no linter knows: sizes, public names, the environment, the texts' promises."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("statek", "orchestrator", "sandbox_runner")
GENERATED = ("sandbox_runner/wire/v1/", "orchestrator/api/v1/")
LONGEST_MODULE = 500
NO_NAMES_OF_THEIR_OWN = {"__init__.py", "__main__.py", "conftest.py"}

ENVIRONMENT_READERS = {
    "statek/settings.py": "the one module that reads settings",
    "orchestrator/models/_litellm_thread.py": "sets, before litellm is imported, what litellm reads only from there",
    "sandbox_runner/__main__.py": "the runner's own process: keeps a short list of names and drops the rest",
    "sandbox_runner/zygote.py": "the runner's own process: sets HOME and TMPDIR for the code",
}


def tracked() -> list[str]:
    """Every file of the tree as git knows it, those to be added included."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True)
    return sorted(name for name in set(done.stdout.splitlines()) if (ROOT / name).is_file())


def modules(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    """Our own modules with their syntax trees."""
    for name in tracked():
        ours = name.startswith(tuple(f"{one}/" for one in packages)) and not name.startswith(GENERATED)
        if ours and name.endswith(".py"):
            yield name, ast.parse((ROOT / name).read_text(encoding="utf-8"))


def test_modules_are_small() -> None:
    sizes = {
        name: len((ROOT / name).read_text(encoding="utf-8").splitlines())
        for name in tracked()
        if name.endswith(".py") and not name.startswith(GENERATED)
    }
    assert len(sizes) > 200
    assert {name: size for name, size in sizes.items() if size > LONGEST_MODULE} == {}


def test_modules_say_what_they_are() -> None:
    silent = [name for name, tree in modules(*PACKAGES) if tree.body and not ast.get_docstring(tree)]
    assert silent == []


def _listed(tree: ast.Module) -> list[str] | None:
    """The names in ``__all__``; None where there is none."""
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
                return list(ast.literal_eval(node.value)) if node.value is not None else []
    return None


def _isort_key(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest, as ruff sorts them."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2, name)


def test_public_names_are_listed_and_sorted() -> None:
    wrong = []
    for name, tree in modules(*PACKAGES):
        file = name.rpartition("/")[2]
        public = [
            node.name
            for node in tree.body
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
        ]
        listed = _listed(tree)
        if listed is None:
            if public and file not in NO_NAMES_OF_THEIR_OWN and not file.startswith("_"):
                wrong.append(f"{name}: no __all__ for {public}")
        elif listed != sorted(listed, key=_isort_key):
            wrong.append(f"{name}: __all__ is not sorted")
    assert wrong == []


def test_the_environment_is_read_in_one_place() -> None:
    readers = set()
    for name, tree in modules(*PACKAGES):
        for node in ast.walk(tree):
            is_attribute = isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv", "getenvb"}
            if is_attribute and isinstance(node.value, ast.Name) and node.value.id == "os":
                readers.add(name)
            if isinstance(node, ast.ImportFrom) and node.module == "os":
                readers |= {name for alias in node.names if alias.name in {"environ", "getenv"}}
    assert readers == set(ENVIRONMENT_READERS)


_SPECIFICATION = re.compile(r"SPECIFICATION: (?P<promise>.+?) \[tests: (?P<tests>[^\]]+)\]")


def _tests_of(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {node.name for node in functions if node.name.startswith("test_")}


@pytest.mark.parametrize("text", ["SECURITY.md", "docs/limits.md"])
def test_every_promise_names_tests_that_exist(text: str) -> None:
    lines = (ROOT / text).read_text(encoding="utf-8").splitlines()
    promises = [line for line in lines if line.lstrip("-* ").startswith("SPECIFICATION:")]
    assert promises
    wrong = []
    for line in promises:
        match = _SPECIFICATION.search(line)
        if match is None:
            wrong.append(f"not of the form 'SPECIFICATION: <promise> [tests: path::name, ...]': {line}")
            continue
        for test in match["tests"].split(","):
            path, _, name = test.strip().partition("::")
            file = ROOT / path
            if not file.is_file() or name.partition("[")[0] not in _tests_of(file):
                wrong.append(f"no such test: {test.strip()}")
    assert wrong == []


def test_no_path_of_a_machine_and_no_registry_is_in_the_tree() -> None:
    # Put together here, so that this file is none of its findings.
    forbidden = re.compile(
        "|".join((r"/work/" + "main", r"/work/" + "shared", "/tmp/" + "brief", r"\.\./" + "shared", "art" + "ifactory"))
    )
    found = []
    for name in tracked():
        data = (ROOT / name).read_bytes()
        if b"\0" not in data[:1024]:
            found += [f"{name}: {match.group()}" for match in forbidden.finditer(data.decode("utf-8", "replace"))]
    assert found == []


def test_lock_files_name_no_registry() -> None:
    for file in sorted((ROOT / "locks").rglob("*")):
        if file.is_file():
            lines = file.read_text(encoding="utf-8").splitlines()
            urls = [line for line in lines if re.search(r"(--index-url|--extra-index-url|https?://)", line)]
            assert urls == [], file.name


def test_the_changelog_has_a_place_for_what_comes() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    assert any(re.fullmatch(r"## \[?Unreleased\]?", line) for line in lines)


def test_commands_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(
        re.findall(r"(?:^|`)make ([a-z][a-z-]*)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert {"run", "test"} <= named
    assert named - targets == set()


def test_no_example_of_hypothesis_has_a_deadline() -> None:
    assert settings().deadline is None
    kept_alone = [
        name
        for name in tracked()
        if name.startswith("tests/") and name.endswith(".py") and name != "tests/conftest.py"
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "settings"
        if any(keyword.arg == "deadline" for keyword in node.keywords)
    ]
    assert kept_alone == []
