"""Pages whose Python blocks are one program: it runs, and prints what the comments behind its prints say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents.blocks import ROOT, code_blocks, documents

_EXPECTED = re.compile(r"^ *print\(.*\)  # (.+)$", re.MULTILINE)
_SLOW = re.compile(r" held the store thread for [\d.]+ ms$")

OTHER_RUNNERS = {"docs/static-policy.md": "tests/documents/test_static_policy.py"}
"""Pages with another form of block, and the test that runs them."""

PAGES = [
    page
    for page in (path.relative_to(ROOT).as_posix() for path in documents())
    if code_blocks(page, "python") and page not in OTHER_RUNNERS
]
"""Every other page with Python in it: there is none that nobody runs."""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("page", PAGES)
def test_the_program_of_a_page_prints_what_the_page_says(tmp_path: Path, page: str) -> None:
    program = "\n\n".join(code_blocks(page, "python"))
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("STATEK_")}
    environ |= {"STATEK_DRIVER": "process", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    ran = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=100
    )
    # Standard error may tell of jobs that end by failure, which pages show on purpose.
    assert (ran.returncode, "Traceback" in ran.stderr) == (0, False), ran.stderr
    expected = _EXPECTED.findall(program)
    assert len(expected) >= 3
    assert ran.stdout.splitlines() == expected


def test_other_runners_exist() -> None:
    assert [
        page for page, test in OTHER_RUNNERS.items() if not (code_blocks(page, "python") and (ROOT / test).is_file())
    ] == []


def test_the_guide_has_nothing_to_complain_of(tmp_path: Path) -> None:
    """Its program is what a newcomer types first: not even a warning."""
    (tmp_path / "guide.py").write_text("\n\n".join(code_blocks("docs/guide.md", "python")), encoding="utf-8")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("STATEK_")}
    environ |= {"STATEK_DRIVER": "process", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    ran = subprocess.run(
        [sys.executable, "guide.py"], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=100
    )
    # A busy machine may say that the store thread was held.
    assert [line for line in ran.stderr.splitlines() if not _SLOW.search(line)] == []
