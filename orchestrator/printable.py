"""Texts of jobs as lines for people: whoever wrote them, they stay on their line and command no terminal."""

from __future__ import annotations

import re

__all__ = ["printable"]

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
