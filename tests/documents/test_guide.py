"""The guide's program runs, and prints what the guide says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents.blocks import ROOT, code_blocks

_EXPECTED = re.compile(r"^ +print\(.*\)  # (.+)$", re.MULTILINE)
_SLOW = re.compile(r" held the store thread for [\d.]+ ms$")


@pytest.mark.timeout(120)
def test_the_guide_s_program_prints_what_it_says(tmp_path: Path) -> None:
    program = "\n\n".join(code_blocks("docs/guide.md", "python"))
    (tmp_path / "guide.py").write_text(program, encoding="utf-8")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("STATEK_")}
    environ |= {"STATEK_DRIVER": "process", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    ran = subprocess.run(
        [sys.executable, "guide.py"], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=100
    )
    # A busy machine may say that the store thread was held; everything else on standard error is a fault.
    errors = [line for line in ran.stderr.splitlines() if not _SLOW.search(line)]
    assert (ran.returncode, errors) == (0, [])
    expected = _EXPECTED.findall(program)
    assert len(expected) >= 15
    assert ran.stdout.splitlines() == expected
