"""``docstr`` and ``brief``: what the agent may know of a function, class or object, printed.

What is shown is filtered by the access decision that guards the thing itself: a member that the agent may not use is
not described.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from statek.access import AccessRequest, Policy, ResourceKind, decide
from statek.doc_text import brief_text, full_text
from statek.documented import ClassDoc, FunctionDoc, document_callable, document_class, document_sent, document_tool
from statek.exceptions import AccessDenied, InvalidRequest
from statek.system import tool
from statek.tools import ToolContext

__all__ = ["brief", "docstr"]


class _Unknown(Exception):
    """There is nothing to document; its text is what is printed."""


@tool(system=True, effect="none", subject="what")
def docstr(what: Any, method_name: Any = None, ctx: Any = None, **kwargs: Any) -> None:
    """Print the full documentation of a function, class, object or method.

    Args:
        what: the thing itself, or its name
        method_name: a method of it
    """
    _print(what, method_name, ctx, full_text)


@tool(system=True, effect="none", subject="what")
def brief(what: Any, method_name: Any = None, ctx: Any = None, **kwargs: Any) -> None:
    """Print the brief description of a function, class, object or method.

    Args:
        what: the thing itself, or its name
        method_name: a method of it
    """
    _print(what, method_name, ctx, brief_text)


def _print(what: Any, method_name: Any, ctx: ToolContext | None, text: Callable[[FunctionDoc | ClassDoc], str]) -> None:
    show = ctx.show if ctx is not None else print
    try:
        subject = _subject(what, ctx)
        method = method_name.strip() if isinstance(method_name, str) else ""
        show(text(_method(subject, method) if method else subject))
    except _Unknown as unknown:
        show(str(unknown))
    except (AccessDenied, InvalidRequest) as error:
        show(f"{type(error).__name__}: {error}")


def _method(subject: FunctionDoc | ClassDoc, name: str) -> FunctionDoc:
    """A method of a documented class."""
    if isinstance(subject, FunctionDoc):
        raise _Unknown(f"Error: {subject.name} is not a class")
    for method in subject.methods:
        if method.name == name:
            return method
    raise _Unknown(f"Error: {subject.name} has no method '{name}'")


def _subject(what: Any, ctx: ToolContext | None) -> FunctionDoc | ClassDoc:
    """What the argument stands for, as data."""
    job = ctx.job if ctx is not None else None
    policy = job.policy if job is not None else Policy()
    if job is not None:
        granted = job.class_of(what)
        if granted is not None:
            return document_class(granted[0], policy, granted[1])
        if isinstance(what, dict) and isinstance(what.get("describe"), str):
            return _sent(what, ctx, policy)
    if isinstance(what, str):
        return _named(what.strip(), ctx, policy)
    if isinstance(what, type):
        return document_class(what, policy)
    if inspect.isroutine(what):
        return document_callable(what, bound=False)
    return document_class(type(what), policy)


def _sent(description: dict[str, Any], ctx: ToolContext | None, policy: Policy) -> FunctionDoc | ClassDoc:
    """What a sandbox described: code of its own, or a name for something of the host."""
    kind = description["describe"]
    if kind == "tool":
        return _named(str(description.get("name")), ctx, policy)
    if kind not in {"method", "class_of"}:
        return document_sent(description)
    job = ctx.job if ctx is not None else None
    granted = job.class_of(description.get("of")) if job is not None else None
    if granted is None:
        raise InvalidRequest("no description of code: its object is none of this job")
    subject = document_class(granted[0], policy, granted[1])
    return _method(subject, str(description.get("name"))) if kind == "method" else subject


def _named(name: str, ctx: ToolContext | None, policy: Policy) -> FunctionDoc | ClassDoc:
    """A tool of the job, or a class or function of its agent's context, by name."""
    job = ctx.job if ctx is not None else None
    found = job.tool(name) if job is not None else None
    if found is not None:
        request = AccessRequest(ResourceKind.TOOL, found.name, hidden=found.hidden, hidden_block=found.hidden)
        decide(request, policy).require()
        return document_tool(found)
    value = job.agent.context.get(name) if job is not None and not name.startswith("_") else None
    if isinstance(value, type):
        return document_class(value, policy)
    if inspect.isroutine(value):
        return document_callable(value)
    raise _Unknown(f"NameError: name '{name[:200]}' is not defined")
