"""The dispatcher as a user starts it; only the models are recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents.blocks import ROOT

ANSWER = "Elm is yours tomorrow at 15:00."


@pytest.mark.timeout(150)
@pytest.mark.parametrize("driver", ["bubblewrap", "process"])
def test_a_message_is_fulfilled_by_two_specialists(driver: str, tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("STATEK_")}
    environ = {name: value for name, value in environ.items() if not name.endswith("_API_KEY")}
    environ |= {"STATEK_DRIVER": driver, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "examples.dispatcher", "--data-dir", "d"]
    for run in (1, 2):
        ran = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=70)
        assert ran.returncode == 0, ran.stderr
        lines = ran.stdout.splitlines()
        numbers = [3 * (run - 1) + step for step in (1, 2, 3)]
        heads = [line for line in lines if line.startswith("j")]
        assert heads == [
            f"j{numbers[0]}  dispatcher, from the queue",
            f"j{numbers[1]}  information_retriever, for j{numbers[0]}",
            f"j{numbers[2]}  schedule_assistant, for j{numbers[0]}",
        ]
        assert [line for line in lines if line.startswith("  *")] == [
            "  * [Notification] sub-task id=rooms completed successfully.",
            "  * [Notification] sub-task id=booking completed successfully.",
        ]
        assert lines[-run:] == [f"  to Ann: {ANSWER}"] * run
    model = "RECORDED replies, no language model (OPENAI_API_KEY is not set for openai/gpt-5-mini)"
    assert lines[0] == f"Model: {model}"
