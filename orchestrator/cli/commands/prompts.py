"""``statek prompts check DIR``: reads every prompt definition file and says what is wrong with each."""

from __future__ import annotations

import argparse
from pathlib import Path

from orchestrator.cli import exit_codes
from orchestrator.cli.present import table
from orchestrator.cli.terminal import Terminal
from statek.exceptions import ConfigurationError
from statek.prompt_config import PromptDef, read_prompt_file

__all__ = ["check"]


def check(options: argparse.Namespace, terminal: Terminal) -> int:
    """Check a folder of ``<role>.md`` files; the exit code is 1 when one of them is broken.

    Raises:
        ConfigurationError: there is no such folder, or no such file in it.
    """
    folder = Path(options.folder)
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is no directory")
    paths = sorted(folder.glob("*.md"))
    if not paths:
        raise ConfigurationError(f"{folder} holds no <role>.md file")
    rows: list[tuple[str, str, str, str]] = []
    problems: list[str] = []
    for path in paths:
        found, mistakes = read_prompt_file(path)
        problems += mistakes
        if found is not None:
            rows.append(_row(found))
    if terminal.json:
        names = ("role", "model", "style", "sections")
        terminal.value({"prompts": [dict(zip(names, row, strict=True)) for row in rows], "problems": problems})
    elif rows:
        terminal.lines(table(("ROLE", "MODEL", "STYLE", "SECTIONS"), rows))
    for problem in problems:
        terminal.error(ConfigurationError.code, problem)
    return exit_codes.FAILED if problems else exit_codes.OK


def _row(found: PromptDef) -> tuple[str, str, str, str]:
    metadata = found.metadata
    return (
        found.role,
        metadata.get("MODEL", "-"),
        metadata.get("CHAT_STYLE", "-").upper(),
        str(len(found.system_prompt.sections)),
    )
