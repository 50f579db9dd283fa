"""The data analysis as a user starts it: real libraries in a real sandbox; only the model is recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents.blocks import ROOT

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.data
@pytest.mark.timeout(600)
@pytest.mark.parametrize("driver", ["bubblewrap", "process"])
def test_the_example_keeps_plots_and_tables(driver: str, tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("STATEK_")}
    environ = {name: value for name, value in environ.items() if not name.endswith("_API_KEY")}
    environ |= {"STATEK_DRIVER": driver, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-m", "examples.data_analysis", "--data-dir", "d"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=560,
    )
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    model = "RECORDED replies, no language model (OPENAI_API_KEY is not set for openai/gpt-5-mini)"
    assert lines[0] == f"Model: {model}"
    # The one error is the recorded mistake that the next reply repairs.
    assert [line.strip() for line in lines if "Error" in line] == [
        "AttributeError: 'DataFrame' object has no attribute 'sort'"
    ]
    assert "files that the job keeps (4):" in lines
    assert lines[-2].startswith("answer: Weekends take ")
    assert lines[-1] == "to look further: statek --data-dir d show j1"
    copied = tmp_path / "d" / "artifacts" / "j1"
    found = {path.relative_to(copied).as_posix(): path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    names = ["lost_by_country.csv", "lost_by_year.csv", "plots/lost_by_country.png", "plots/lost_by_year.png"]
    assert sorted(found) == names
    assert [found[name].startswith(PNG) for name in names] == [False, False, True, True]
    assert found["lost_by_country.csv"].startswith(b"country,lost,share,days,lost_per_year\n")
