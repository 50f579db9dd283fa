"""Everything the command prints goes through here.

Texts of jobs are hostile: an escape sequence could rewrite the screen or the terminal's title, a carriage
return could overwrite a line, a bidirectional override could show something else than what is there. So
every line is escaped at the one place where it is written, whoever made it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any, TextIO

from orchestrator.printable import printable

__all__ = ["Terminal", "split_lines"]


def split_lines(text: str) -> list[str]:
    """The lines of a text, split at newlines only; the newline at its end makes no empty line."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return lines


class Terminal:
    """Standard output and standard error of one command.

    Attributes:
        json: whether the command was asked for JSON.
    """

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None, *, as_json: bool = False) -> None:
        """The streams default to those of the process; output that they cannot encode is spelt out."""
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self.json = as_json
        for stream in (self._out, self._err):
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                reconfigure(errors="backslashreplace")

    @property
    def err(self) -> TextIO:
        """Standard error, for progress."""
        return self._err

    def line(self, text: str = "") -> None:
        """Print one line."""
        self._out.write(printable(text) + "\n")

    def lines(self, texts: Iterable[str]) -> None:
        """Print lines."""
        for text in texts:
            self.line(text)

    def value(self, value: Any) -> None:
        """Print a value as one line of ASCII JSON."""
        text = json.dumps(value, ensure_ascii=True, allow_nan=False)
        self._out.write(text.replace("\x7f", "\\u007f") + "\n")

    def flush(self) -> None:
        """Write out what was printed."""
        self._out.flush()

    def note(self, text: str) -> None:
        """Print a remark on standard error."""
        self._err.write(f"statek: {printable(text)}\n")
        self._err.flush()

    def error(self, code: str, text: str) -> None:
        """Print an error on standard error, on one line."""
        self._err.write(f"statek: error[{code}]: {printable(text)}\n")
        self._err.flush()
