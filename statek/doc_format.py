"""How tools are shown to models: brief plain form and full Python form."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING

from statek.annotations import annotation_text
from statek.docstring import ParsedDoc

if TYPE_CHECKING:
    from statek.tools import ToolDef

__all__ = ["SourceText", "format_body", "format_brief", "format_detailed", "format_signature"]

_MAX_DEFAULT_CHARACTERS = 60


class SourceText(str):
    """Source of a default value: shown as it is."""

    __slots__ = ()


def format_brief(tool: ToolDef) -> str:
    """``name(a, b="x")``, the brief and the result, each on an indented line where documented."""
    lines = [f"{tool.name}{format_signature(tool.visible, annotations=tool.brief_types)}"]
    if tool.brief:
        lines.append(f"    {tool.brief}")
    if tool.returns is not None and tool.returns.text:
        lines.append(f"    Returns: {tool.returns.text}")
    return "\n".join(lines)


def format_detailed(tool: ToolDef) -> str:
    """The tool as a Python definition with its docstring; one that is undocumented ends in ``...``."""
    head = f"def {tool.name}{tool.signature_text}:"
    if not tool.doc:
        return f"{head} ..."
    first, *rest = tool.doc.replace('"""', "'''").split("\n")
    if not rest:
        return f'{head}\n    """{first}"""'
    body = "\n".join(f"    {line}" if line else "" for line in rest)
    return f'{head}\n    """{first}\n{body}\n    """'


def format_body(doc: ParsedDoc) -> str:
    """The agent-facing docstring: description, Args, Raises, Returns, Example; never the STATEK-ACL."""
    parts = [part for part in (doc.brief, doc.extra) if part]
    for title, items in (("Args", doc.args), ("Raises", doc.raises)):
        if items:
            lines = [
                f"    {item.name}{f' ({item.type_text})' if item.type_text else ''}: {item.text}" for item in items
            ]
            parts.append("\n".join([f"{title}:", *lines]))
    if doc.returns is not None and (doc.returns.text or doc.returns.type_text):
        typed = f"{doc.returns.type_text}: " if doc.returns.type_text else ""
        parts.append(f"Returns:\n    {typed}{doc.returns.text}".rstrip())
    if doc.example:
        parts.append("\n".join(["Example:", *(f"    {line}" if line else "" for line in doc.example.split("\n"))]))
    return "\n\n".join(parts)


def format_signature(signature: inspect.Signature, *, annotations: bool = True) -> str:
    """``(a: int, *rest, b: str = "x") -> str``, without ``**kwargs`` and without what is called ``*args``."""
    kinds = inspect.Parameter
    parts: list[str] = []
    previous: inspect.Parameter | None = None
    has_star = False
    for parameter in signature.parameters.values():
        if parameter.kind is kinds.VAR_KEYWORD or (parameter.kind is kinds.VAR_POSITIONAL and parameter.name == "args"):
            continue
        if (
            previous is not None
            and previous.kind is kinds.POSITIONAL_ONLY
            and parameter.kind is not kinds.POSITIONAL_ONLY
        ):
            parts.append("/")
        if parameter.kind is kinds.KEYWORD_ONLY and not has_star:
            parts.append("*")
            has_star = True
        if parameter.kind is kinds.VAR_POSITIONAL:
            has_star = True
        parts.append(_parameter(parameter, annotations=annotations))
        previous = parameter
    if previous is not None and previous.kind is kinds.POSITIONAL_ONLY:
        parts.append("/")
    text = f"({', '.join(parts)})"
    if annotations and signature.return_annotation is not inspect.Signature.empty:
        text += f" -> {annotation_text(signature.return_annotation)}"
    return text


def _parameter(parameter: inspect.Parameter, *, annotations: bool) -> str:
    text = f"*{parameter.name}" if parameter.kind is inspect.Parameter.VAR_POSITIONAL else parameter.name
    typed = annotations and parameter.annotation is not inspect.Parameter.empty
    if typed:
        text += f": {annotation_text(parameter.annotation)}"
    if parameter.default is not inspect.Parameter.empty:
        equals = " = " if typed else "="
        text += f"{equals}{_default(parameter.default)}"
    return text


def _default(value: object) -> str:
    """A default as source; ``...`` where it has no short source form."""
    if isinstance(value, SourceText):
        text = str(value)
    elif isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
    elif value is None or isinstance(value, bool | int | float | bytes | tuple | list | dict):
        text = repr(value)
    else:
        text = str(getattr(value, "name", "...")) if hasattr(value, "value") else "..."
    return text if len(text) <= _MAX_DEFAULT_CHARACTERS else "..."
