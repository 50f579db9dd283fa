"""Runs the programs that make an image, and tells of the progress."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from statek.exceptions import ConfigurationError

__all__ = ["run", "say"]


def say(text: str) -> None:
    """Show one line of progress."""
    print(text, file=sys.stderr, flush=True)


def run(argv: Sequence[str], what: str, cwd: Path | None = None) -> str:
    """Run a command to its end and return its output.

    Raises:
        ConfigurationError: it is missing or failed; the message says what was being done.
    """
    try:
        done = subprocess.run(
            argv, check=False, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except FileNotFoundError as error:
        raise ConfigurationError(f"{what} needs {argv[0]}, which is not installed here") from error
    output = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        last = " | ".join(output.strip().splitlines()[-4:])
        raise ConfigurationError(f"{what} failed (exit {done.returncode}): {last}")
    return output
