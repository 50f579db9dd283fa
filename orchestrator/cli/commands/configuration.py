"""``statek config``: every setting, its value in force and where it comes from."""

from __future__ import annotations

from dataclasses import asdict

from orchestrator.cli import exit_codes
from orchestrator.cli.present import table
from orchestrator.cli.terminal import Terminal
from statek.settings import StatekSettings

__all__ = ["config"]


def config(settings: StatekSettings, terminal: Terminal) -> int:
    """Print the settings."""
    found = settings.describe()
    if terminal.json:
        terminal.value([asdict(setting) for setting in found])
    else:
        rows = [(setting.name, setting.value or "-", setting.source, setting.doc) for setting in found]
        terminal.lines(table(("NAME", "VALUE", "FROM", "MEANING"), rows))
    return exit_codes.OK
