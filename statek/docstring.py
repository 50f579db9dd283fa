"""Reads the docstrings that agents are shown: Google style, with variants and STATEK-ACL sections.

Tolerant by decision: whatever is not understood is text, an undocumented object gives an empty
``ParsedDoc``. Only the STATEK-ACL section is found more eagerly than the rest (any indentation, any
letter case), because a missed one would grant what its author meant to deny.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any

__all__ = ["DocItem", "ParsedDoc", "get_text_variant", "parse_docstring", "parse_variants"]

AGENT_VARIANT = "tool"
"""Name of the text variant that agents are shown."""

_SECTIONS = {
    "args": "args",
    "arguments": "args",
    "attributes": "attributes",
    "return": "returns",
    "returns": "returns",
    "yields": "returns",
    "raises": "raises",
    "example": "example",
    "examples": "example",
    "tags": "tags",
    "note": "note",
    "notes": "note",
}
_HEADER = re.compile(r"(?P<name>[A-Za-z]+):[ \t]*")
_ACL_HEADER = re.compile(r"[ \t]*STATEK-ACL[ \t]*(?::(?P<rest>.*))?", re.IGNORECASE)
_ITEM = re.compile(r"(?P<name>\*{0,2}[\w.]+)[ \t]*(?:\((?P<type>[^)]*)\))?[ \t]*:[ \t]*(?P<text>.*)")
_TYPE = re.compile(r"[\w.]+(?:\[[\w.\[\], |]*\])?(?: ?\| ?[\w.]+(?:\[[\w.\[\], |]*\])?)*")
_VARIANT = re.compile(r"/([A-Za-z0-9]{0,8}):")


@dataclass(frozen=True, slots=True)
class DocItem:
    """One documented argument, attribute, result or exception.

    Attributes:
        name: of the argument, attribute or exception type; empty for a result.
        type_text: the type as written, may be empty.
        text: description, continuation lines joined by a space.
    """

    name: str
    type_text: str
    text: str


@dataclass(frozen=True, slots=True)
class ParsedDoc:
    """A docstring taken apart; agent-facing variants are already chosen.

    Attributes:
        brief: first paragraph, as one line.
        extra: the text after it, before the first section.
        args, attributes, raises: items in the order written.
        returns: the result's type and description, or None.
        example: example code, dedented.
        tags: text before `` - `` of each line of the Tags section.
        acl: text of the STATEK-ACL section; None when there is no such section, which is not the same as an empty one.
    """

    brief: str = ""
    extra: str = ""
    args: tuple[DocItem, ...] = ()
    attributes: tuple[DocItem, ...] = ()
    returns: DocItem | None = None
    raises: tuple[DocItem, ...] = ()
    example: str = ""
    tags: tuple[str, ...] = ()
    acl: str | None = None


def parse_variants(text: str) -> dict[str, str] | None:
    """Split ``VARIANTS/:default/TOOL:for tools`` into texts by lower-case name; None for ordinary text."""
    stripped = text.strip()
    if not stripped.startswith("VARIANTS/"):
        return None
    body = stripped[len("VARIANTS") :]
    marks = list(_VARIANT.finditer(body))
    if not marks or marks[0].start() != 0:
        return None
    ends = [mark.start() for mark in marks[1:]] + [len(body)]
    return {mark[1].lower(): body[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)}


def get_text_variant(text: str, variant: str = AGENT_VARIANT) -> str:
    """The named variant of a text, else its default variant, else an empty text; ordinary text as it is."""
    variants = parse_variants(text)
    if variants is None:
        return text
    return variants.get(variant.lower(), variants.get("", ""))


def parse_docstring(docstring: str | None, *, variant: str = AGENT_VARIANT) -> ParsedDoc:
    """Take a docstring apart.

    Args:
        docstring: as written in the source; None or blank for an undocumented object.
        variant: which text variant to choose.
    """
    if not docstring or not docstring.strip():
        return ParsedDoc()
    sections = _split_sections(inspect.cleandoc(docstring).split("\n"))
    paragraphs = "\n".join(sections.get("", [])).strip().split("\n\n", 1)

    def chosen(text: str) -> str:
        return get_text_variant(text, variant)

    def items(name: str) -> tuple[DocItem, ...]:
        found = _items(sections.get(name, []))
        return tuple(DocItem(item.name, item.type_text, chosen(item.text)) for item in found)

    acl = sections.get("acl")
    return ParsedDoc(
        brief=chosen(_one_line(paragraphs[0])),
        extra=chosen(paragraphs[1].strip()) if len(paragraphs) > 1 else "",
        args=items("args"),
        attributes=items("attributes"),
        returns=_result(sections.get("returns", []), variant),
        raises=items("raises"),
        example=chosen(inspect.cleandoc("\n" + "\n".join(sections.get("example", []))).strip()),
        tags=tuple(line.strip().split(" - ")[0].strip() for line in sections.get("tags", []) if line.strip()),
        acl=None if acl is None else "\n".join(acl),
    )


def _split_sections(lines: list[str]) -> dict[str, list[str]]:
    """Lines by section name; the text before the first section under an empty name."""
    sections: dict[str, list[str]] = {}
    current = sections.setdefault("", [])
    for line in lines:
        acl = _ACL_HEADER.fullmatch(line)
        if acl is not None:
            current = sections.setdefault("acl", [])
            if acl["rest"] and acl["rest"].strip():
                current.append(acl["rest"])
            continue
        header = _HEADER.fullmatch(line)
        name = _SECTIONS.get(header["name"].lower()) if header is not None else None
        if name is None:
            current.append(line)
        else:
            current = sections.setdefault(name, [])
    return sections


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _items(lines: list[str]) -> list[DocItem]:
    """Items of a section: an item starts at the section's smallest indentation, deeper lines continue it."""
    filled = [line for line in lines if line.strip()]
    if not filled:
        return []
    margin = min(len(line) - len(line.lstrip()) for line in filled)
    found: list[DocItem] = []
    for line in filled:
        indented = len(line) - len(line.lstrip()) > margin
        match = None if indented else _ITEM.fullmatch(line.strip())
        if match is not None:
            found.append(DocItem(match["name"].lstrip("*"), (match["type"] or "").strip(), match["text"].strip()))
        elif found:
            last = found[-1]
            found[-1] = DocItem(last.name, last.type_text, f"{last.text} {line.strip()}".strip())
    return found


def _result(lines: list[str], variant: str) -> DocItem | None:
    """``type: description`` or a bare description."""
    text = _one_line(" ".join(lines))
    if not text:
        return None
    variants = parse_variants(text)
    if variants is not None:
        return DocItem("", "", get_text_variant(text, variant))
    head, colon, tail = text.partition(": ")
    if colon and _TYPE.fullmatch(head.strip()) is not None:
        return DocItem("", head.strip(), get_text_variant(tail.strip(), variant))
    return DocItem("", "", text)


def __getattr__(name: str) -> Any:
    """The names of the documents whose homes import this module: the strict reading, the ACL, the formats."""
    if name in {"DocstringParseError", "format_docstring", "parse_tool_docstring"}:
        from statek import docstring_check

        return getattr(docstring_check, name)
    if name in {"ACL_Item", "Statek_ACL", "parse_statek_acl"}:
        from statek import access

        return {"ACL_Item": access.AclRule, "Statek_ACL": access.Acl, "parse_statek_acl": access.parse_acl}[name]
    raise AttributeError(f"module 'statek.docstring' has no attribute {name!r}")
