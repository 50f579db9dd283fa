"""Reads the text files that applications write for agents (examples, documents), within bounds.

Files are found in sorted order, so that their numbers are the same at every start. Links that lead out of the
folder are refused: a folder that many people write must not hand out the rest of the machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from statek.exceptions import ConfigurationError

__all__ = ["MAX_FILES", "MAX_FILE_BYTES", "find_text_files", "read_text_file"]

MAX_FILE_BYTES = 1 << 20
"""Longest file."""

MAX_FILES = 10_000
"""Files of one folder and those below it."""


def find_text_files(directory: Path, suffixes: frozenset[str]) -> Iterator[Path]:
    """Every file with one of the suffixes in a folder and below it, in sorted order; none without the folder.

    Args:
        directory: where to look.
        suffixes: in lower case, with the dot.

    Raises:
        ConfigurationError: too many files, or one that lies elsewhere (a link).
    """
    if not directory.is_dir():
        return
    root = directory.resolve()
    found = 0
    for path in sorted(directory.rglob("*")):
        if path.suffix.lower() not in suffixes or not path.is_file():
            continue
        found += 1
        if found > MAX_FILES:
            raise ConfigurationError(f"{directory} holds more than {MAX_FILES} files")
        if not path.resolve().is_relative_to(root):
            raise ConfigurationError(f"{path} leads out of {directory}")
        yield path


def read_text_file(path: Path, what: str) -> str:
    """The text of a file, with plain line ends.

    Args:
        path: the file.
        what: what it is, for the error (``example``).

    Raises:
        ConfigurationError: unreadable, too long or not UTF-8; names the file.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ConfigurationError(f"{what} {path} has more than {MAX_FILE_BYTES} bytes")
        return path.read_text(encoding="utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        raise ConfigurationError(f"{what} {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{what} {path} is not UTF-8 (byte {error.start})") from error
