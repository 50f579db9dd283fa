"""Just enough of Python's lexer to tell strings and comments from the rest, line by line.

Replies are hostile text of any size: this never builds a syntax tree and keeps one word of state.
"""

from __future__ import annotations

__all__ = ["PythonLexer"]

_PREFIX_LETTERS = frozenset("rRbBuUfF")


class PythonLexer:
    """Feeds on lines without their ends; remembers an open string from line to line."""

    def __init__(self) -> None:
        self._open = ""
        self._raw_continues = False

    @property
    def in_long_string(self) -> bool:
        """Whether the next line begins inside a triple-quoted string."""
        return len(self._open) == 3

    def find_outside_strings(self, line: str, needle: str) -> int:
        """Column of the first ``needle`` outside strings and comments, or -1; takes the line."""
        return self._take(line, needle)[0]

    def outside_strings(self, line: str) -> str:
        """The line without its comment and without plain string literals; takes the line."""
        return self._take(line, None)[1]

    def _take(self, line: str, needle: str | None) -> tuple[int, str]:
        kept: list[str] = []
        index, length = 0, len(line)
        while index < length:
            if self._open:
                index = self._skip_string(line, index)
                continue
            character = line[index]
            if needle is not None and line.startswith(needle, index):
                return index, "".join(kept)
            if character == "#":
                break
            if character in "\"'":
                self._open = character * 3 if line.startswith(character * 3, index) else character
                index += len(self._open)
                _drop_prefix(kept)
                continue
            kept.append(character)
            index += 1
        if len(self._open) == 1 and not self._raw_continues:
            self._open = ""  # an unfinished short string is an error of that line, not of the next
        self._raw_continues = False
        return -1, "".join(kept)

    def _skip_string(self, line: str, index: int) -> int:
        """Index after the end of the open string, or the end of the line."""
        while index < len(line):
            if line[index] == "\\":
                if index + 1 == len(line):
                    self._raw_continues = True
                index += 2
            elif line.startswith(self._open, index):
                index += len(self._open)
                self._open = ""
                return index
            else:
                index += 1
        return len(line)


def _drop_prefix(kept: list[str]) -> None:
    """Forget the letters before a quote that make a string literal; keep those that make it an expression."""
    letters = 0
    while letters < len(kept) and letters < 3 and (kept[-1 - letters].isalnum() or kept[-1 - letters] == "_"):
        letters += 1
    word = kept[len(kept) - letters :]
    if 1 <= len(word) <= 2 and all(letter in _PREFIX_LETTERS for letter in word) and not {"f", "F"} & set(word):
        del kept[len(kept) - letters :]
