"""``statek prompts check``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.cli.main import main

GOOD = "# MODEL: openai/gpt-5-mini\n# CHAT_STYLE: direct\n# System Prompt\nROLE: x\n--- A ---\nhello\n"
BAD = "# TEMPERATURE: hot\n# CHAT_STYLE: loud\n# System Prompt\nx\n"


def test_every_file_is_read_and_every_problem_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "good.md").write_text(GOOD)
    (tmp_path / "bad.md").write_text(BAD)
    (tmp_path / "worse.md").write_text("nothing\n")
    assert main(["prompts", "check", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert printed.out == "ROLE  MODEL              STYLE   SECTIONS\ngood  openai/gpt-5-mini  DIRECT  1\n"
    assert printed.err.splitlines() == [
        (
            f"statek: error[configuration]: prompt file {tmp_path}/bad.md, line 1, key TEMPERATURE: "
            "TEMPERATURE 'hot' must be a number from 0 to 1"
        ),
        (
            f"statek: error[configuration]: prompt file {tmp_path}/bad.md, line 2, key CHAT_STYLE: "
            "chat style 'loud' is unknown; use one of CONSOLE, MARKDOWN, MD_DIALOG, DIRECT"
        ),
        f"statek: error[configuration]: prompt file {tmp_path}/worse.md has no line '# System Prompt'",
    ]


def test_sound_folder_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "good.md").write_text(GOOD)
    assert main(["prompts", "check", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {
        "prompts": [{"role": "good", "model": "openai/gpt-5-mini", "style": "DIRECT", "sections": "1"}],
        "problems": [],
    }


@pytest.mark.parametrize("name", ["missing", "."])
def test_folder_without_prompts_is_an_error(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / name
    assert main(["prompts", "check", str(folder)]) == 2
    reason = "is no directory" if name == "missing" else "holds no <role>.md file"
    assert capsys.readouterr().err == f"statek: error[configuration]: {folder} {reason}\n"
