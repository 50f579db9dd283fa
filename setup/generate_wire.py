"""Generates Python from ``proto/``: ``make proto``; with ``--check`` compares with what is checked in.

A proto's path is its Python path, so nothing that protoc writes is changed afterwards.
"""

from __future__ import annotations

import argparse
import difflib
import sys
import tempfile
from pathlib import Path

from grpc_tools import _proto, protoc

ROOT = Path(__file__).resolve().parents[1]


def generate(target: Path) -> list[Path]:
    """Generate everything below a folder; the files, relative to it.

    Raises:
        SystemExit: protoc refused a file.
    """
    sources = sorted((ROOT / "proto").rglob("*.proto"))
    well_known = str(Path(next(iter(_proto.__path__))))
    for source in sources:
        outputs = [f"--{kind}_out={target}" for kind in ("python", "pyi", "grpc_python")]
        if protoc.main(["protoc", f"-I{ROOT / 'proto'}", f"-I{well_known}", *outputs, str(source)]) != 0:
            raise SystemExit(f"protoc refused {source.relative_to(ROOT)}")
    return sorted(path.relative_to(target) for path in target.rglob("*.py*") if path.is_file())


def check(target: Path) -> int:
    """Compare a fresh generation with the tree; 1 and the differences when they differ."""
    stale = 0
    for name in generate(target):
        fresh = (target / name).read_text()
        kept = (ROOT / name).read_text() if (ROOT / name).is_file() else ""
        if fresh != kept:
            stale = 1
            difference = difflib.unified_diff(
                kept.splitlines(), fresh.splitlines(), str(name), "generated", lineterm=""
            )
            print("\n".join(list(difference)[:20]), file=sys.stderr)
    if stale:
        print("generated code is not fresh; run: make proto", file=sys.stderr)
    return stale


def main() -> int:
    """Generate, or check; 0 when the tree is as it should be."""
    parser = argparse.ArgumentParser(description="Generate the wire code from proto/.")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    if parser.parse_args().check:
        with tempfile.TemporaryDirectory() as name:
            return check(Path(name))
    generate(ROOT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
