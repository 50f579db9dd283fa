"""The dialog example as a user starts it; only the model is recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents.blocks import ROOT


@pytest.mark.timeout(120)
@pytest.mark.parametrize("driver", ["bubblewrap", "process"])
def test_the_dialog_is_as_recorded(driver: str, tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("STATEK_")}
    environ = {name: value for name, value in environ.items() if not name.endswith("_API_KEY")}
    environ |= {"STATEK_DRIVER": driver, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-m", "examples.dialog", "--data-dir", "d"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "Model: RECORDED replies, no language model (OPENAI_API_KEY is not set for openai/gpt-5-mini)",
        "you: What do you have without wheat?",
        "bakery: Let me see what we have today.",
        "bakery: Our rye bread has no wheat. A loaf is 3.90 €.",
        "you: Then two of those, and a plum cake, please.",
        "bakery: Two rye breads and one plum cake are 10.60 €. The cake is made with wheat. Shall I send the order?",
        "you: Yes, send it.",
        "bakery: Ordered: 2 x rye bread, 1 x plum cake, 10.60 €. Thank you!",
        "(7 messages; to look further: statek --data-dir d show j1)",
    ]
