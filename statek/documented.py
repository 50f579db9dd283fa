"""What agents may read of functions, classes and objects, as data: from the application's code or from a sandbox.

Three sources, one form. A callable or class of the application is looked at here and filtered by the access decision,
the same that guards the object itself. A tool's declaration is already made. What a sandbox sends of its own code
(``sandbox_runner.executor.describing``) is text: it is read, bounded, never evaluated.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from statek.access import AccessRequest, Policy, Reach, ResourceKind, acl_of, decide
from statek.annotations import annotation_text
from statek.doc_format import SourceText
from statek.docstring import DocItem, ParsedDoc, parse_docstring
from statek.exceptions import InvalidRequest
from statek.temporal_docs import with_complement
from statek.tools import BRIEF_TYPES_ATTRIBUTE, ToolDef

__all__ = [
    "ClassDoc",
    "FunctionDoc",
    "document_callable",
    "document_class",
    "document_sent",
    "document_tool",
]

MAX_SENT_MEMBERS = 200
"""Parameters, fields and methods that are taken of a description from a sandbox."""

_KINDS = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.KEYWORD_ONLY,
    inspect.Parameter.VAR_KEYWORD,
)

_COLLECTIONS = {
    "list": "A list of the store; changes are durable.",
    "dict": "A dict of the store; changes are durable. Its order is the store's, not that of insertion.",
    "set": "A set of the store; changes are durable.",
}


@dataclass(frozen=True, slots=True)
class FunctionDoc:
    """One function or method.

    Attributes:
        name: what code calls.
        signature: the parameters that a caller gives; annotations may be texts.
        doc: its docstring, variants chosen.
        brief_types: whether its brief form shows annotations (``docs_style``).
    """

    name: str
    signature: inspect.Signature
    doc: ParsedDoc
    brief_types: bool = False


@dataclass(frozen=True, slots=True)
class ClassDoc:
    """One class.

    Attributes:
        name: of the class.
        doc: its docstring, variants chosen.
        attributes: dataclass fields, then properties, then what only the docstring names; a documented entry wins.
        methods: its public methods.
    """

    name: str
    doc: ParsedDoc
    attributes: tuple[DocItem, ...] = ()
    methods: tuple[FunctionDoc, ...] = ()


def document_tool(tool: ToolDef) -> FunctionDoc:
    """What a tool's declaration says."""
    return FunctionDoc(tool.name, tool.visible, tool.parsed, tool.brief_types)


def document_callable(function: Callable[..., Any], name: str = "", *, bound: bool = False) -> FunctionDoc:
    """What a function says of itself; parameters that begin with an underscore are left out.

    Args:
        function: the function.
        name: shown name; its own by default.
        bound: leave the first parameter out, the object that a method is called on.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        signature = inspect.Signature()
    parameters = list(signature.parameters.values())
    if bound and parameters and parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
        del parameters[0]
    shown = signature.replace(parameters=[p for p in parameters if not p.name.startswith("_") and p.name != "ctx"])
    doc = function.__doc__ if isinstance(function.__doc__, str) else None
    brief_types = getattr(inspect.unwrap(function), BRIEF_TYPES_ATTRIBUTE, False) is True
    shown, parsed = with_complement(function, shown, parse_docstring(doc))
    return FunctionDoc(name or getattr(function, "__name__", "function"), shown, parsed, brief_types)


def document_class(cls: type, policy: Policy, reach: Reach = Reach.EXPLICIT) -> ClassDoc:
    """What an agent may read of a class: every member is asked for, one by one.

    Args:
        cls: the class.
        policy: for which agent, under which settings.
        reach: how the job came to the object; decides where the class has no STATEK-ACL.

    Raises:
        AccessDenied: the agent may not read even its docstring.
    """
    if cls.__module__ == "builtins" and cls.__name__ in _COLLECTIONS:
        return ClassDoc(cls.__name__, ParsedDoc(brief=_COLLECTIONS[cls.__name__]))
    acl = acl_of(cls)

    def allowed(kind: ResourceKind, name: str) -> bool:
        return decide(AccessRequest(kind, name, cls.__name__, acl, reach), policy).allowed

    if acl is None:
        decide(AccessRequest(ResourceKind.DOCSTRING, "", cls.__name__, acl, reach), policy).require()
    own = cls.__dict__.get("__doc__")
    doc = parse_docstring(own if isinstance(own, str) and not _is_generated(cls, own) else None)
    documented = {item.name: item for item in doc.attributes}
    listed: dict[str, DocItem] = {}
    for name, annotation, text in _fields_and_properties(cls):
        listed.setdefault(name, documented.get(name) or DocItem(name, annotation, text))
    listed |= {name: item for name, item in documented.items() if name not in listed}
    attributes = [item for name, item in listed.items() if allowed(ResourceKind.READ_ATTRIBUTE, name)]
    methods = [found for found in _methods(cls) if allowed(ResourceKind.METHOD, found.name)]
    return ClassDoc(cls.__name__, doc, tuple(attributes), tuple(methods))


def _is_generated(cls: type, doc: str) -> bool:
    """Whether a docstring is the signature that ``dataclass`` writes where there is none."""
    return dataclasses.is_dataclass(cls) and doc.startswith(f"{cls.__name__}(")


def _fields_and_properties(cls: type) -> Iterator[tuple[str, str, str]]:
    """Name, type text and description of the dataclass fields, annotated names and properties of a class."""
    seen: set[str] = set()
    own = [base for base in reversed(cls.__mro__) if base.__module__ != "builtins"]
    for base in own:
        for name, annotation in inspect.get_annotations(base).items():
            if not name.startswith("_") and name not in seen:
                seen.add(name)
                yield name, annotation_text(annotation), ""
    for base in own:
        for name, value in base.__dict__.items():
            if isinstance(value, property) and not name.startswith("_") and name not in seen:
                seen.add(name)
                doc = parse_docstring(value.__doc__)
                returns = getattr(value.fget, "__annotations__", {}).get("return")
                yield name, annotation_text(returns) if returns is not None else "", doc.brief


def _methods(cls: type) -> Iterator[FunctionDoc]:
    """The public methods of a class, bases first, in order of definition."""
    found: dict[str, FunctionDoc] = {}
    for base in reversed(cls.__mro__):
        if base.__module__ == "builtins" or base.__module__.partition(".")[0] == "dbzero":
            continue
        for name, value in base.__dict__.items():
            function = value.__func__ if isinstance(value, staticmethod | classmethod) else value
            if name.startswith("_") or not inspect.isfunction(function):
                continue
            found[name] = document_callable(function, name, bound=not isinstance(value, staticmethod))
    yield from found.values()


def document_sent(description: Mapping[str, Any]) -> FunctionDoc | ClassDoc:
    """What a sandbox says of a function or class of its own.

    Raises:
        InvalidRequest: it is no such description.
    """
    try:
        kind, name, doc = description["describe"], description["name"], description["doc"]
        if not isinstance(name, str) or not isinstance(doc, str):
            raise TypeError("name and doc must be texts")
        if kind == "function":
            return FunctionDoc(name, _sent_signature(description), parse_docstring(doc))
        if kind != "class":
            raise ValueError(f"{kind!r} is no kind of description")
        parsed = parse_docstring(doc)
        documented = {item.name: item for item in parsed.attributes}
        listed: dict[str, DocItem] = {}
        for field, annotation in description["fields"][:MAX_SENT_MEMBERS]:
            listed[str(field)] = documented.get(str(field)) or DocItem(str(field), str(annotation), "")
        listed |= {field: item for field, item in documented.items() if field not in listed}
        methods = [document_sent(member) for member in description["methods"][:MAX_SENT_MEMBERS]]
        functions = tuple(method for method in methods if isinstance(method, FunctionDoc))
        return ClassDoc(name, parsed, tuple(listed.values()), functions)
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"no description of code: {type(error).__name__}: {error}") from error


def _sent_signature(description: Mapping[str, Any]) -> inspect.Signature:
    """The parameters as texts; what makes no signature is left out as a whole."""
    empty: Any = inspect.Parameter.empty
    returns = description["returns"]
    try:
        parameters = [
            inspect.Parameter(
                name,
                _KINDS[kind],
                annotation=str(annotation) if annotation else empty,
                default=empty if default is None else SourceText(default),
            )
            for name, kind, annotation, default in description["parameters"][:MAX_SENT_MEMBERS]
        ]
        return inspect.Signature(parameters, return_annotation=str(returns) if returns else inspect.Signature.empty)
    except (LookupError, TypeError, ValueError):
        return inspect.Signature()
