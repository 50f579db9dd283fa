"""Everything the command prints goes through here.

Texts of jobs are hostile: an escape sequence could rewrite the screen or the terminal's title, a carriage
return could overwrite a line, a bidirectional override could show something else than what is there. So
every line is escaped at the one place where it is written, whoever made it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from typing import Any, TextIO

__all__ = ["Terminal", "printable", "split_lines"]

# Categories Cc (without tab), Cf, Cs, Zl and Zp of Unicode 14, which Python 3.11 knows; later format characters of
# the supplementary planes are covered by the ranges. A test compares the pattern with unicodedata.
_UNSAFE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def printable(text: str) -> str:
    r"""A text on one line that a terminal cannot misunderstand: ``\n``, ``\x1b``, ``\u202e`` are spelt out."""
    return _UNSAFE.sub(_spelt, text)


def _spelt(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape", "surrogatepass").decode("ascii")


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
