"""Examples: recorded stretches of work that an agent is shown, one file each.

``<examples_dir>/<role>/**/*.md``. A file begins with metadata lines ``# key: value`` (``name``, ``seq_id``,
``difficulty``), then code and console alternate: in Markdown a ```` ```python ```` fence is code and what follows it is
console; without any fence, lines that begin with ``> `` are console and the others code. A line ``# ----------``
separates what the warmup does from the example itself.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from statek.chat_style import ChatStyle
from statek.difficulty import TaskDifficulty
from statek.exceptions import ConfigurationError, InvalidFormat, InvalidRequest
from statek.text_files import find_text_files, read_text_file

__all__ = [
    "Example",
    "ExampleBlock",
    "example_source",
    "extract_example",
    "forget_examples",
    "format_example",
    "load_examples",
    "parse_example",
]

_METADATA = re.compile(r"#[ \t]*(?P<key>[A-Za-z_]\w*):[ \t]*(?P<value>\S.*?)[ \t]*")
_SEPARATOR = re.compile(r"#[ \t]*-{10,}[ \t]*")
_FENCE = re.compile(r"(?P<fence>`{3,})[ \t]*(?P<info>[A-Za-z0-9]*)[ \t]*")
_INTEGER = re.compile(r"[+-]?\d{1,9}")
_PYTHON = frozenset({"python", "py", "python3"})
_TICKS = re.compile(r"`{3,}")


@dataclass(frozen=True, slots=True)
class ExampleBlock:
    """Code and what it printed.

    Attributes:
        code: Python source.
        console: output; empty for none.
    """

    code: str
    console: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """One example.

    Attributes:
        name: shown in the list.
        blocks: the example itself.
        warmup: what the agent's warmup does before.
        metadata: every metadata line; whole numbers as int.
    """

    name: str
    blocks: tuple[ExampleBlock, ...]
    warmup: tuple[ExampleBlock, ...] = ()
    metadata: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def difficulty(self) -> TaskDifficulty | None:
        """The difficulty that its metadata names."""
        text = self.metadata.get("difficulty")
        return None if text is None else TaskDifficulty.parse(str(text))


def parse_example(text: str, *, name: str = "example") -> Example:
    """Read an example.

    Args:
        text: the file's text.
        name: used where its metadata has none.

    Raises:
        InvalidFormat: text before the first code, an unclosed fence, no code, or an unknown difficulty; names the line.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    metadata: dict[str, str | int] = {}
    at = 0
    while at < len(lines):
        match = _METADATA.fullmatch(lines[at].strip())
        if match is None and lines[at].strip():
            break
        if match is not None:
            value = match["value"]
            metadata[match["key"].lower()] = int(value) if _INTEGER.fullmatch(value) else value
        at += 1
    fence = next((found["fence"] for found in map(_FENCE.fullmatch, lines) if found and _opens(found)), None)
    read = _Reader(lines, at, fence)
    parts = read.parts()
    if len(parts) > 2:
        raise InvalidFormat(f"line {read.line}: a second separator '# ----------'")
    *warmup, blocks = parts
    if not blocks:
        raise InvalidFormat("it holds no code")
    example = Example(
        str(metadata.get("name", name)), tuple(blocks), tuple(warmup[0]) if warmup else (), dict(metadata)
    )
    try:
        _ = example.difficulty
    except InvalidRequest as error:
        raise InvalidFormat(str(error)) from None
    return example


def _opens(match: re.Match[str]) -> bool:
    return match["info"].lower() in _PYTHON


class _Reader:
    """Takes the body of an example apart, line by line.

    Args:
        lines: of the file.
        start: index of the first line of the body.
        fence: the backticks that its first Python fence has; None for a console transcript.
    """

    def __init__(self, lines: Sequence[str], start: int, fence: str | None) -> None:
        self._lines = lines
        self.line = start
        self._fence = fence
        self._parts: list[list[ExampleBlock]] = [[]]
        self._code: list[str] = []
        self._console: list[str] = []
        self._has_code = False

    def parts(self) -> list[list[ExampleBlock]]:
        """The blocks, in one list per part."""
        inside = False
        opened = 0
        for number in range(self.line + 1, len(self._lines) + 1):
            self.line, line = number, self._lines[number - 1]
            if not inside and _SEPARATOR.fullmatch(line.strip()):
                self._end_block()
                self._parts.append([])
            elif self._fence is None:
                self._transcript(line)
            elif inside:
                inside = line.strip() != self._fence
                if inside:
                    self._code.append(line)
            else:
                match = _FENCE.fullmatch(line.strip())
                if match is not None and match["fence"] == self._fence and _opens(match):
                    self._end_block()
                    inside = self._has_code = True
                    opened = self.line
                else:
                    self._output(line)
        if inside:
            raise InvalidFormat(f"line {opened}: the fence is not closed")
        self._end_block()
        return self._parts

    def _transcript(self, line: str) -> None:
        """A line of a console transcript."""
        if line == ">" or line.startswith("> "):
            self._output(line[2:])
            return
        if self._console:
            self._end_block()
        if line.strip() or self._code:
            self._has_code = True
            self._code.append(line)

    def _output(self, line: str) -> None:
        if not self._has_code:
            if line.strip() or self._fence is None:
                raise InvalidFormat(f"line {self.line}: text before the first code")
            return
        self._console.append(line)

    def _end_block(self) -> None:
        if self._has_code and (self._code or self._console):
            code = "\n".join(self._code).strip("\n").rstrip()
            console = "\n".join(self._console).strip("\n")
            self._parts[-1].append(ExampleBlock(code, console))
        self._code, self._console, self._has_code = [], [], False


def format_example(
    example: Example, style: ChatStyle, *, xml_box_console: str | None = None, warmup: bool = False
) -> str:
    """An example as an agent of a chat style reads it.

    Args:
        example: the example.
        style: how code and console look.
        xml_box_console: tag around console output, None for none.
        warmup: show the warmup part too.
    """
    blocks = [*(example.warmup if warmup else ()), *example.blocks]
    return "\n".join(_format_block(block, style, xml_box_console) for block in blocks)


def _format_block(block: ExampleBlock, style: ChatStyle, box: str | None) -> str:
    parts: list[str] = []
    if block.code:
        if style is ChatStyle.CONSOLE:
            parts.append(block.code)
        elif style is ChatStyle.DIRECT:
            code = block.code.replace('"""', "'''")
            parts.append(f'python_cli(code="""\n{code}\n""")')
        else:
            parts.append(f"```python\n{block.code}\n```")
    if block.console:
        text = block.console
        if style is ChatStyle.CONSOLE:
            text = "\n".join(f"> {line}" if line else ">" for line in text.split("\n"))
        tag = box or ("CONSOLE" if style is ChatStyle.MD_DIALOG else None)
        parts.append(f"<{tag}>\n{text}\n</{tag}>" if tag else text)
    return "\n".join(parts)


def example_source(example: Example) -> str:
    """The text of a file that ``parse_example`` reads back equal."""
    texts = [f"{block.code}\n{block.console}" for block in (*example.warmup, *example.blocks)]
    longest = max((len(run) for text in texts for run in _TICKS.findall(text)), default=2)
    fence = "`" * (longest + 1)

    def part(blocks: Sequence[ExampleBlock]) -> str:
        return "\n".join(
            f"{fence}python\n{block.code}\n{fence}" + (f"\n{block.console}" if block.console else "")
            for block in blocks
        )

    metadata = {"name": example.name, **example.metadata}
    head = "".join(f"# {key}: {value}\n" for key, value in metadata.items())
    parts = [part(example.warmup), part(example.blocks)] if example.warmup else [part(example.blocks)]
    return f"{head}\n" + "\n# ----------\n".join(parts) + "\n"


def extract_example(job: Any, name: str) -> Example:
    """Make an example of what a job did: its visible warmup and its replies, with what they printed.

    Args:
        job: a ``Job`` or ``JobView`` (anything with chat items that have ``kind``, ``code`` and ``console``).
        name: of the example.

    Raises:
        InvalidRequest: the job ran no code yet.
    """
    warmup: list[ExampleBlock] = []
    blocks: list[ExampleBlock] = []
    for item in getattr(job, "items", None) or job.chat_log:
        if item.kind not in {"warmup", "reply"} or not item.code.strip() or getattr(item, "hidden", False):
            continue
        console = "\n".join(text for kind, text in item.console if kind != "progress")
        (warmup if item.kind == "warmup" else blocks).append(ExampleBlock(item.code.strip("\n"), console.strip("\n")))
    if not blocks:
        raise InvalidRequest("the job has run no code that an example could show")
    return Example(name, tuple(blocks), tuple(warmup), {"name": name})


def load_examples(directory: Path | str, role: str) -> tuple[Example, ...]:
    """The examples of a role, by ``seq_id`` (those without one last), then by file; read once per process.

    Raises:
        ConfigurationError: a file cannot be read or is no example; names it.
    """
    return _load(Path(directory), role)


@functools.lru_cache(maxsize=256)
def _load(directory: Path, role: str) -> tuple[Example, ...]:
    if Path(role).name != role or role in {".", ".."}:
        return ()
    found: list[tuple[float, int, Example]] = []
    for number, path in enumerate(find_text_files(directory / role, frozenset({".md"}))):
        try:
            example = parse_example(read_text_file(path, "example"), name=path.stem)
        except InvalidFormat as error:
            raise ConfigurationError(f"example {path}: {error}") from error
        place = example.metadata.get("seq_id")
        found.append((place if isinstance(place, int) else float("inf"), number, example))
    return tuple(example for _, _, example in sorted(found, key=lambda entry: entry[:2]))


def forget_examples() -> None:
    """Read the files again at the next use."""
    _load.cache_clear()
