"""What runs user code is the standard library, cloudpickle, one hash and the wire: a list of what may be imported.

The import contracts can only forbid by name; here every import is followed, in functions too, and then asked of a real
interpreter.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = {"cloudpickle", "xxhash"}
OWN = ("sandbox_runner.executor", "sandbox_runner.wire")
GENERATED = "sandbox_runner.wire.v1"
"""The protobuf code of the supervisor: it needs grpc and google.protobuf."""

LOADED_BY_DATA = {"sandbox_runner/executor/arrays.py": {"numpy"}}
"""Asked for only where the code of a step has loaded it itself."""


def file_of(module: str) -> Path | None:
    """The source of one of our modules; None where there is none of that name (it is a name in a module)."""
    path = ROOT.joinpath(*module.split("."))
    return next((found for found in (path.with_suffix(".py"), path / "__init__.py") if found.is_file()), None)


def imports(file: Path) -> set[str]:
    """Every module that a file imports, anywhere in it; ``from x import y`` is ``x`` and, if it is one, ``x.y``."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports are not followed here"
            assert node.module is not None
            found.add(node.module)
            found |= {name for alias in node.names if file_of(name := f"{node.module}.{alias.name}") is not None}
    return found


def foreign(module: str) -> bool:
    """Whether a module is none of those that the executor may import."""
    top = module.partition(".")[0]
    if top != "sandbox_runner":
        standard = top in sys.stdlib_module_names or top.startswith("_sysconfigdata_")  # named after the platform
        return not standard and top not in LIBRARIES
    ours = module == "sandbox_runner" or any(module == one or module.startswith(f"{one}.") for one in OWN)
    return not ours or module == GENERATED or module.startswith(f"{GENERATED}.")


def test_every_import_of_the_executor_is_one_of_the_few() -> None:
    waiting = sorted((ROOT / "sandbox_runner" / "executor").rglob("*.py"))
    seen, refused = set(waiting), set()
    assert len(waiting) > 15
    while waiting:
        file = waiting.pop()
        name = str(file.relative_to(ROOT))
        for module in imports(file):
            if foreign(module) and module.partition(".")[0] not in LOADED_BY_DATA.get(name, set()):
                refused.add(f"{name}: {module}")
            target = file_of(module) if module.startswith("sandbox_runner") else None
            if target is not None and target not in seen:
                seen.add(target)
                waiting.append(target)
    assert refused == set()


def test_nothing_else_is_loaded_when_it_is() -> None:
    names = [
        str(file.relative_to(ROOT).with_suffix("")).replace("/", ".").removesuffix(".__init__")
        for file in (ROOT / "sandbox_runner" / "executor").rglob("*.py")
    ]
    script = "import json, sys; before = set(sys.modules)\n" + "".join(f"import {name}\n" for name in names)
    script += "print(json.dumps(sorted(set(sys.modules) - before)))"
    # -I: nothing of the environment, of the user's site or of a .pth file, which loads modules of its own.
    head = f"import sys; sys.path[:0] = {[str(ROOT), *_site_packages()]!r}\n"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", head + script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [module for module in json.loads(done.stdout) if foreign(module)] == []


def _site_packages() -> list[str]:
    return [path for path in sys.path if path.endswith("site-packages")]
