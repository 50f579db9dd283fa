"""Pages whose Python blocks are one program: it runs, and prints what the comments behind its prints say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents.blocks import ROOT, code_blocks

_EXPECTED = re.compile(r"^ +print\(.*\)  # (.+)$", re.MULTILINE)
PAGES = ("harness",)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("page", PAGES)
def test_the_program_of_a_page_prints_what_the_page_says(tmp_path: Path, page: str) -> None:
    program = "\n\n".join(code_blocks(f"docs/{page}.md", "python"))
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("STATEK_")}
    environ |= {"STATEK_DRIVER": "process", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    ran = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=100
    )
    assert ran.returncode == 0, ran.stderr
    expected = _EXPECTED.findall(program)
    assert len(expected) >= 3
    assert ran.stdout.splitlines() == expected
