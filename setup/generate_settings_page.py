"""Writes docs/settings.md from the settings themselves; with ``--check`` compares with what is checked in."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from statek._other_settings import OTHER_SETTINGS
from statek.settings import StatekSettings

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "settings.md"

_HEAD = """# Settings

Each setting may be given explicitly (`StatekSettings(...)`, options of the command line), in `statek.toml` of the
current directory, or by the environment variable in the table; the first of these that names it wins. `statek config`
shows the values in force and where each comes from. Sizes may be written `64M`, times are seconds; `none` takes a limit
away. No variable without the prefix `STATEK_` is read, but the keys of model providers (`OPENAI_API_KEY` ...). A name
that is no setting is refused.

This page is written by `setup/generate_settings_page.py`; a test holds it against the code.

| setting | variable | default | meaning |
|---|---|---|---|
"""

_OTHERS = """
## Names that are refused

STATEK settings that this service does not have. Each is refused by name, with the reason, wherever it is given: a
setting that says something about safety must not be taken and forgotten.

| variable | why, and what to use |
|---|---|
"""


def page() -> str:
    """The text of the page."""
    rows = [
        f"| `{line.name}` | `STATEK_{line.name.upper()}` | {f'`{line.value}`' if line.value else 'none'} "
        f"| {line.doc.replace('|', '/')} |"
        for line in StatekSettings().describe()
    ]
    others = [f"| `STATEK_{name.upper()}` | {reason} |" for name, reason in OTHER_SETTINGS.items()]
    return _HEAD + "\n".join(rows) + "\n" + _OTHERS + "\n".join(others) + "\n"


def main() -> int:
    """Write, or check; 0 when the page is as it should be."""
    parser = argparse.ArgumentParser(description="Write docs/settings.md.")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    if not parser.parse_args().check:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") != page():
        print("docs/settings.md is not fresh; run: python -m setup.generate_settings_page", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
