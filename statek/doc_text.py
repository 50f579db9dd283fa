"""The texts that ``brief`` and ``docstr`` print.

Brief is plain: name, parameters, one line of text, one for the result. Full is Python: ``def`` or ``class`` with a
docstring; a class shows its tags, attributes and methods, each method in brief form. What is undocumented is shown by
its signature alone (behaviour reference, section 19 and Appendix B 5).
"""

from __future__ import annotations

from statek.doc_format import format_body, format_signature
from statek.docstring import DocItem
from statek.documented import ClassDoc, FunctionDoc

__all__ = ["brief_text", "full_text"]


def brief_text(subject: FunctionDoc | ClassDoc) -> str:
    """The brief plain form of a function or class."""
    if isinstance(subject, ClassDoc):
        return "\n".join([subject.name, *([f"    {subject.doc.brief}"] if subject.doc.brief else [])])
    lines = [f"{subject.name}{format_signature(subject.signature, annotations=subject.brief_types)}"]
    if subject.doc.brief:
        lines.append(f"    {subject.doc.brief}")
    if subject.doc.returns is not None and subject.doc.returns.text:
        lines.append(f"    Returns: {subject.doc.returns.text}")
    return "\n".join(lines)


def full_text(subject: FunctionDoc | ClassDoc) -> str:
    """The full Python form of a function or class."""
    if isinstance(subject, FunctionDoc):
        return _definition(subject, format_body(subject.doc))
    doc = subject.doc
    parts = [part for part in (doc.brief, doc.extra) if part]
    if doc.tags:
        parts.append("\n".join(["Tags:", *(f"    {tag}" for tag in doc.tags)]))
    if subject.attributes:
        parts.append("\n".join(["Attributes:", *(f"    {_attribute(item)}" for item in subject.attributes)]))
    if doc.example:
        parts.append("\n".join(["Example:", *_indented(doc.example)]))
    blocks = [_quoted("\n\n".join(parts))] if parts else []
    blocks += ["\n".join(_indented(_definition(method, method.doc.brief))) for method in subject.methods]
    return "\n\n".join([f"class {subject.name}:\n{blocks[0]}", *blocks[1:]]) if blocks else f"class {subject.name}: ..."


def _definition(function: FunctionDoc, doc: str) -> str:
    """``def name(a: int) -> str:`` with a docstring."""
    head = f"def {function.name}{format_signature(function.signature)}:"
    return f"{head}\n{_quoted(doc)}" if doc else f"{head} ..."


def _quoted(doc: str) -> str:
    """A docstring in its quotes, indented once."""
    first, *rest = doc.replace('"""', "'''").split("\n")
    if not rest:
        return f'    """{first}"""'
    return "\n".join([f'    """{first}', *_indented("\n".join(rest)), '    """'])


def _attribute(item: DocItem) -> str:
    typed = f" ({item.type_text})" if item.type_text else ""
    return f"{item.name}{typed}: {item.text}" if item.text else f"{item.name}{typed}"


def _indented(text: str) -> list[str]:
    return [f"    {line}" if line else "" for line in text.split("\n")]
