"""Warmup: the blocks of code that prepare a workspace before the model starts.

A definition is one text or several. A full comment line of ten or more dashes splits a text into
blocks; a line with ``#STATEK: as tool`` is a call that the framework makes before the block's code; a line
``#STATEK: key = literal`` is metadata of the block (``hidden = True`` keeps it out of the model's history).
Everything is checked when it is parsed, so a broken definition never becomes a job.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from statek.exceptions import InvalidRequest

__all__ = ["WarmupBlock", "WarmupCall", "WarmupSource", "parse_warmup"]

_SEPARATOR = re.compile(r"^[ \t]*#[ \t]*-{10,}[ \t]*$", re.MULTILINE)
_CALL_MARK = re.compile(r"#STATEK: as tool\b")
_DIRECTIVE = re.compile(r"[ \t]*#STATEK:(?P<text>.*)")
_METADATA = re.compile(r"[ \t]*(?P<key>[A-Za-z_]\w*)[ \t]*=[ \t]*(?P<value>.+)")
_KNOWN_METADATA = {"hidden": bool}
_MAX_SHOWN_CHARS = 200
"""Length of what an error shows of the text."""

_UNREADABLE = (SyntaxError, ValueError, TypeError, MemoryError, RecursionError)
"""What Python's own parser raises, the last two for a text that is nested too deeply."""


@dataclass(frozen=True, slots=True)
class WarmupCall:
    """A call that the framework makes before a block's code.

    Attributes:
        id: ``STATEK-001`` and so on, counted over all blocks.
        name: of the tool.
        args, kwargs: literals; a bare name is kept as a string.
    """

    id: str
    name: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WarmupBlock:
    """One block.

    Attributes:
        code: Python source; may be blank when there are only calls.
        calls: framework tool calls, in order.
        metadata: what its metadata lines say.
    """

    code: str
    calls: tuple[WarmupCall, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def hidden(self) -> bool:
        """Whether it is kept out of the model's history, and may call hidden tools."""
        return self.metadata.get("hidden") is True


WarmupSource = str | WarmupBlock | Sequence[str | WarmupBlock] | None
"""What may be given as a warmup definition."""


def parse_warmup(*definitions: WarmupSource) -> tuple[WarmupBlock, ...]:
    """Parse warmup definitions into blocks, in the order given (a job's own before its agent's).

    Raises:
        InvalidRequest: a syntax error, a tool line that is no call with literal arguments, an unknown directive; names
            the block (from 1) and the line in it.
    """
    blocks: list[WarmupBlock] = []
    calls = 0
    for definition in definitions:
        if definition is not None and not isinstance(definition, str | WarmupBlock | Iterable):
            raise InvalidRequest(f"a warmup must be text or blocks, not {type(definition).__name__}")
        parts = [definition] if isinstance(definition, str | WarmupBlock) else list(definition or ())
        for part in parts:
            if isinstance(part, WarmupBlock):
                renumbered = tuple(
                    WarmupCall(f"STATEK-{calls + index:03d}", call.name, call.args, call.kwargs)
                    for index, call in enumerate(part.calls, start=1)
                )
                blocks.append(WarmupBlock(part.code, renumbered, dict(part.metadata)))
                calls += len(renumbered)
                continue
            if not isinstance(part, str):
                raise InvalidRequest(f"a warmup block must be text, not {type(part).__name__}")
            for text in _SEPARATOR.split(part.replace("\r\n", "\n")):
                if text.strip():
                    block = _parse_block(text.strip("\n").rstrip(), len(blocks) + 1, calls)
                    blocks.append(block)
                    calls += len(block.calls)
    return tuple(blocks)


def _parse_block(text: str, number: int, calls_before: int) -> WarmupBlock:
    calls: list[WarmupCall] = []
    metadata: dict[str, Any] = {}
    code: list[str] = []
    for line_number, line in enumerate(text.split("\n"), start=1):
        where = f"warmup block {number}, line {line_number}"
        mark = _CALL_MARK.search(line)
        if mark is not None:
            source = line[: mark.start()].strip()
            calls.append(_parse_call(source, f"STATEK-{calls_before + len(calls) + 1:03d}", where))
            continue
        directive = _DIRECTIVE.fullmatch(line)
        if directive is None:
            code.append(line)
            continue
        key, value = _parse_metadata(directive["text"], where)
        metadata[key] = value
    source = "\n".join(code).strip("\n").rstrip()
    _check_syntax(source, number)
    return WarmupBlock(source, tuple(calls), metadata)


def _check_syntax(source: str, number: int) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(source)
    except SyntaxError as error:
        where = f", code line {error.lineno}" if error.lineno is not None else ""
        raise InvalidRequest(f"warmup block {number}{where}: {error.msg}") from error
    except ValueError as error:
        raise InvalidRequest(f"warmup block {number}: {error}") from error
    except (MemoryError, RecursionError):
        raise InvalidRequest(f"warmup block {number}: nested too deeply") from None


def _parse_call(source: str, call_id: str, where: str) -> WarmupCall:
    try:
        tree = ast.parse(source, mode="eval").body
    except _UNREADABLE as error:
        raise InvalidRequest(f"{where}: {source[:_MAX_SHOWN_CHARS]!r} is no call expression") from error
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
        raise InvalidRequest(f"{where}: {source[:_MAX_SHOWN_CHARS]!r} is no call of a tool by name")
    args = tuple(_literal(argument, source, where) for argument in tree.args)
    kwargs: dict[str, Any] = {}
    for keyword in tree.keywords:
        if keyword.arg is None:
            raise InvalidRequest(f"{where}: ** is not allowed in a framework tool call")
        kwargs[keyword.arg] = _literal(keyword.value, source, where)
    return WarmupCall(call_id, tree.func.id, args, kwargs)


def _literal(node: ast.expr, source: str, where: str) -> Any:
    if isinstance(node, ast.Name):
        return node.id
    shown = (ast.get_source_segment(source, node) or source)[:_MAX_SHOWN_CHARS]
    try:
        value = ast.literal_eval(node)
    except _UNREADABLE as error:
        raise InvalidRequest(f"{where}: argument {shown!r} is no literal") from error
    try:
        json.dumps(value)  # what a job keeps of its warmup
    except _UNREADABLE as error:
        raise InvalidRequest(
            f"{where}: argument {shown!r} must be of texts, numbers, lists and dictionaries"
        ) from error
    return value


def _parse_metadata(text: str, where: str) -> tuple[str, Any]:
    match = _METADATA.fullmatch(text)
    if match is None:
        shown = text[:_MAX_SHOWN_CHARS]
        raise InvalidRequest(f"{where}: unknown directive '#STATEK:{shown}'; use 'as tool' or 'key = literal'")
    key, source = match["key"], match["value"].rstrip(" \t")
    try:
        value = ast.literal_eval(source)
    except _UNREADABLE as error:
        raise InvalidRequest(f"{where}: {source[:_MAX_SHOWN_CHARS]!r} is no literal") from error
    if value is not None and type(value) not in {str, int, float, bool}:
        raise InvalidRequest(f"{where}: {key} must be a str, int, float, bool or None, not {type(value).__name__}")
    expected = _KNOWN_METADATA.get(key)
    if expected is not None and type(value) is not expected:
        raise InvalidRequest(f"{where}: {key} must be a {expected.__name__}, not {type(value).__name__}")
    return key, value
