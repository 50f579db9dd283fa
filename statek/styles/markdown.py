"""MARKDOWN: Python in fenced blocks runs, everything else becomes comments in its place.

Lenient about fences (`` ```py ``, ``~~~``, indented, CRLF, an opening or closing fence that shares its line
with prose, a missing closing fence) and strict about prose: text outside a Python fence only ever
becomes ``# `` comment lines. A fence inside a Python string does not close the block, so code that
writes Markdown survives; when such a string never ends, the first fence line closes the block after all.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import replace

from statek.chat_style import ChatStyle
from statek.styles.prose import tidy_prose
from statek.styles.python_lexer import PythonLexer
from statek.styles.style import CodeStyle, ParsedReply

__all__ = ["MarkdownStyle", "is_empty_code", "parse_dialog", "parse_reply", "unfenced"]

_PYTHON_NAMES = frozenset({"python", "py", "python3", "py3", "python-3"})
_LINE_OPENER = re.compile(r"(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^`]*)")
_INLINE_OPENER = re.compile(r"(?P<before>[^`]*)(?P<fence>`{3,})(?P<info>python|py|python3)[ \t]*")
_RUN = re.compile(r"`{3,}(?P<after>.?)")
_MAX_UNENDED_STRINGS = 8
"""After so many blocks with a string that never ends, strings are no longer respected: bounds the time."""

_FENCE_LINE = re.compile(r"[ \t]*(?P<fence>`{3,}|~{3,})(?P<rest>.*)")


class MarkdownStyle(CodeStyle):
    """The MARKDOWN style."""

    @property
    def chat_style(self) -> ChatStyle:
        """Its name."""
        return ChatStyle.MARKDOWN

    def parse_reply(self, text: str) -> ParsedReply:
        """See the function of this name."""
        return parse_reply(text)

    def format_console(self, text: str) -> str:
        """Plain text, in the tag that the settings ask for."""
        return self._boxed(text)


def parse_reply(text: str) -> ParsedReply:
    """Take a reply apart: Python fences joined in order, prose and other fences as comments between them."""
    return replace(parse_dialog(text), prose="")


def parse_dialog(text: str) -> ParsedReply:
    """The same, with the prose as it is said to the user."""
    reader = _ReplyReader(text)
    code = "\n".join(reader.read())
    return ParsedReply(code, code, is_empty_code(code), tidy_prose(reader.prose))


def unfenced(code: str) -> str:
    """The code of a formal call without the fences that a model put around it where none belong."""
    first, _, rest = code.lstrip().partition("\n")
    opener = _LINE_OPENER.fullmatch(first.rstrip())
    if opener is None or opener["info"].strip().lower() not in _PYTHON_NAMES | {""}:
        return code
    return "\n".join(_ReplyReader(f"{opener['fence']}python\n{rest}").read())


def is_empty_code(code: str) -> bool:
    """Whether code is blank or holds only comments and string literals (f-strings are expressions)."""
    lexer = PythonLexer()
    return all(lexer.outside_strings(line).strip(" \t\f;\\") == "" for line in code.split("\n"))


class _ReplyReader:
    """One pass over the lines of a reply."""

    def __init__(self, text: str) -> None:
        # Python ends a line at \n, \r\n and \r alone; a comment must not end earlier than it does here.
        self._lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._at = 0
        self._out: list[str] = []
        self.prose: list[str] = []
        self._patience = _MAX_UNENDED_STRINGS
        self._next_run_closes = self._find_closing_runs()

    def _find_closing_runs(self) -> list[bool]:
        """Per line, whether the next run of backticks, in it or below, looks like the end of a block."""
        closes = [False] * (len(self._lines) + 1)
        for number in range(len(self._lines) - 1, -1, -1):
            run = _RUN.search(self._lines[number])
            closes[number] = closes[number + 1] if run is None else run["after"] in {"", " ", "\t"}
        return closes

    def read(self) -> list[str]:
        """The lines of the code."""
        while self._at < len(self._lines):
            line = self._lines[self._at]
            self._at += 1
            self._outside(line)
        return self._out

    def _outside(self, line: str) -> None:
        """A line of prose, or one that opens a fence."""
        opener = _LINE_OPENER.fullmatch(line)
        if opener is not None:
            info = opener["info"].strip().split(" ")[0].split("{")[0].lower()
            if info in _PYTHON_NAMES:
                self._python_block(opener["fence"], len(opener["indent"].expandtabs(4)))
            else:
                self._comment(line)
                self._other_block(opener["fence"])
            return
        inline = _INLINE_OPENER.fullmatch(line)
        # In the middle of a line it may be talk about fences: it is one only if the next fence ends a block.
        if inline is not None and self._next_run_closes[self._at]:
            self._comment(inline["before"])
            self._python_block(inline["fence"], 0)
            return
        self._comment(line)

    def _comment(self, line: str) -> None:
        self.prose.append(line)
        text = line.replace("\0", " ").strip()
        if text:
            self._out.append(f"# {text}")

    def _closes(self, line: str, fence: str) -> bool:
        """Whether a line begins with a fence that closes ``fence``."""
        found = _FENCE_LINE.fullmatch(line)
        return found is not None and found["fence"][0] == fence[0] and len(found["fence"]) >= len(fence)

    def _other_block(self, fence: str) -> None:
        """A fence of another language: comments to its end, or to a Python fence where it was left open."""
        while self._at < len(self._lines):
            line = self._lines[self._at]
            opener = _LINE_OPENER.fullmatch(line)
            if opener is not None and opener["fence"][0] == fence[0] and len(opener["fence"]) == len(fence):
                info = opener["info"].strip().lower()
                if info in _PYTHON_NAMES:
                    return
            self._at += 1
            self._comment(line)
            if self._closes(line, fence) and not line.strip().strip(fence[0]).strip():
                return

    def _python_block(self, fence: str, indent: int) -> None:
        """Take the lines of a Python block and go on after its closing fence."""
        start, end, column = self._at, *self._find_close(fence)
        block = self._lines[start:end]
        rest = ""
        if end < len(self._lines):
            line = self._lines[end]
            head, tail = line[:column], line[column:]
            if head.strip():
                block.append(head)
            rest = tail.lstrip(fence[0])
            opens_next = bool(rest) and not rest[0].isspace()
            if opens_next and not head.strip():
                # "```json" or "```python" in an open block: it was left open, and a new one begins here.
                rest = tail
        self._add_code(block, indent)
        self._at = end + 1
        if rest.strip():
            # Read again as a line of its own; putting it back instead of calling keeps the stack flat.
            self._lines[end] = rest.strip()
            self._at = end

    def _find_close(self, fence: str) -> tuple[int, int]:
        """Line and column where the block ends; the line after the last one when it is never closed."""
        lexer = PythonLexer()
        fallback: tuple[int, int] | None = None
        for number in range(self._at, len(self._lines)):
            line = self._lines[number]
            in_string = lexer.in_long_string
            closes = self._closes(line, fence)
            position = (number, len(line) - len(line.lstrip()))
            if closes and not (in_string and self._patience) and (fence[0] == "`" or not line.strip().strip("~")):
                return position
            if closes and fallback is None:
                fallback = position
            found = lexer.find_outside_strings(line, fence) if fence[0] == "`" else -1
            if found >= 0:
                return number, found
        if lexer.in_long_string and fallback is not None:
            self._patience -= 1
            return fallback
        return len(self._lines), 0

    def _add_code(self, block: list[str], indent: int) -> None:
        """Append a block without the indentation of its fence."""
        lines = [_without_indent(line, indent) for line in block]
        while lines and not lines[0].strip():
            del lines[0]
        while lines and not lines[-1].strip():
            del lines[-1]
        if lines and lines[0][:1] in {" ", "\t"}:
            lines = textwrap.dedent("\n".join(lines)).split("\n")
        self._out.extend(lines)


def _without_indent(line: str, indent: int) -> str:
    """Remove at most ``indent`` columns of leading white space."""
    column = 0
    for index, character in enumerate(line):
        if column >= indent or character not in " \t":
            return line[index:]
        column += 4 if character == "\t" else 1
    return ""
