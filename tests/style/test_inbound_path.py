"""Nothing from a runner is unpickled, imported or evaluated on the host: no such call is in any module of the host.

The proof is by the import graph: every module that a module of ``orchestrator`` reaches by an import within the
project, wherever in the file the import stands, is read, and every call by which data becomes code is looked for.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("orchestrator", "statek", "sandbox_runner")

MODULES = frozenset(
    {"pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "code", "codeop", "runpy", "imp"}
)
"""Importing one of these is a finding."""

BUILTINS = frozenset({"eval", "exec", "compile", "__import__", "execfile"})
ATTRIBUTES = frozenset(
    {
        "import_module",
        "spec_from_file_location",
        "exec_module",
        "load_module",
        "run_path",
        "run_module",
        "unsafe_load",
        "full_load",
    }
)
LOADERS_OF_YAML = frozenset({"load", "load_all"})

ALLOWED = {
    ("statek/__init__.py", "import_module"): "loads a public name at its first use, out of a table in that file",
    (
        "statek/agents/registry.py",
        "import_module",
    ): "start_statek() without agents imports the module that an earlier process of the application has registered",
    ("orchestrator/cli/application.py", "import_module"): "the operator names his own application on the command line",
    ("orchestrator/cli/application.py", "spec_from_file_location"): "the same, given as a file",
    ("orchestrator/cli/application.py", "exec_module"): "the same, given as a file",
}
"""Findings that are meant, each with its reason; none of them is fed by a runner."""


def path_of(module: str) -> Path | None:
    """The file of a module of the project."""
    base = ROOT.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def imports_of(tree: ast.Module, module: str, *, is_package: bool) -> set[str]:
    """Every module that a file imports, anywhere in it; names imported from a package count as modules too."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                parents = parts[: len(parts) - node.level + is_package]
                base = ".".join([*parents, *([base] if base else [])])
            found.add(base)
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def reachable() -> dict[str, Path]:
    """Every module of the project that the orchestrator reaches, itself included."""
    waiting = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((ROOT / "orchestrator").rglob("*.py"))
    ]
    found: dict[str, Path] = {}
    while waiting:
        module = waiting.pop()
        path = path_of(module)
        if path is None or module in found or not module.startswith(PACKAGES):
            continue
        found[module] = path
        tree = ast.parse(path.read_text(encoding="utf-8"))
        wanted = imports_of(tree, module, is_package=path.name == "__init__.py")
        # Importing a.b.c runs a and a.b as well.
        waiting += [".".join(name.split(".")[:depth]) for name in wanted for depth in range(1, name.count(".") + 2)]
    return found


def findings(tree: ast.AST) -> set[str]:
    """Names of what turns data into code in a syntax tree."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] in MODULES}
        elif isinstance(node, ast.ImportFrom):
            if (node.module or "").split(".")[0] in MODULES and not node.level:
                found.add(str(node.module))
            found |= {alias.name for alias in node.names if alias.name in ATTRIBUTES}
        elif isinstance(node, ast.Name) and node.id in BUILTINS:
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if node.attr in ATTRIBUTES or (owner in {"builtins", "__builtins__"} and node.attr in BUILTINS):
                found.add(node.attr)
            if owner == "yaml" and node.attr in LOADERS_OF_YAML:
                found.add(f"yaml.{node.attr}")
    return found


def test_the_graph_holds_the_inbound_path() -> None:
    modules = reachable()
    assert {
        "orchestrator.sandboxes.inbound_untrusted",
        "orchestrator.engine.objects.arguments",
        "orchestrator.engine.step_run",
        "sandbox_runner.wire.graph_decode",
        "statek.tools",
    } <= modules.keys()
    assert not [name for name in modules if name.startswith(("sandbox_runner.executor", "sandbox_runner.lockdown"))]


def test_nothing_on_the_host_turns_data_into_code() -> None:
    found = {}
    for module, path in reachable().items():
        name = str(path.relative_to(ROOT))
        for what in findings(ast.parse(path.read_text(encoding="utf-8"))):
            found[name, what] = module
    assert set(found) - set(ALLOWED) == set()
    assert set(ALLOWED) - set(found) == set(), "an exception that is not needed any more"


def test_the_search_finds_each_of_them() -> None:
    samples = {
        "import pickle": "pickle",
        "from marshal import loads": "marshal",
        "import shelve as s": "shelve",
        "eval('1')": "eval",
        "run = exec": "exec",
        "compile('', '', 'exec')": "compile",
        "__import__('os')": "__import__",
        "import builtins\nbuiltins.eval('1')": "eval",
        "import importlib\nimportlib.import_module('x')": "import_module",
        "from importlib import import_module": "import_module",
        "import yaml\nyaml.load('')": "yaml.load",
    }
    assert {source: findings(ast.parse(source)) for source in samples} == {
        source: {what} for source, what in samples.items()
    }
