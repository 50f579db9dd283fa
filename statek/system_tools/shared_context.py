"""The tools of the shared context: bind a job to it, write to it, list it."""

from __future__ import annotations

import builtins
from typing import Any

from statek.access import DefaultAcl, Reach, acl_of
from statek.context_category import ContextCategory, ContextCategoryDict
from statek.system import tool

__all__ = ["init_shared_context", "print_locals", "shared_context_set_var"]


@tool(system=True, hidden=True, effect="store")
def init_shared_context(*specifiers: Any, read_only: bool = False, ctx: Any = None, **kwargs: Any) -> None:
    """Let the job read the shared variables of these specifiers, and write to them.

    Args:
        specifiers: texts or durable objects
        read_only: refuse to write
    """
    if ctx is not None and ctx.job is not None:
        ctx.job.bind_shared_context(specifiers, read_only=read_only)


@tool(system=True, effect="store")
def shared_context_set_var(
    category: str, key: str, value: Any, description: str = "", ctx: Any = None, **kwargs: Any
) -> None:
    """Remember a small fact for later jobs, under a name that their code can use.

    Args:
        category: PREFERENCE, ENTITY or VOCABULARY
        key: the name
        value: plain data or one object of the application
        description: what it is, for those who read it
    """
    job = ctx.job if ctx is not None else None
    shared = job.shared_context() if job is not None else None
    if job is None or shared is None:
        if ctx is not None:
            ctx.show("No shared context: nothing was remembered")
        return
    if category not in ContextCategoryDict:
        raise ValueError(f"{category!r} is no category; there are {', '.join(ContextCategory.__members__)}")
    if job.tool(key) is not None or hasattr(builtins, key):
        raise ValueError(f"{key!r} is the name of a function already; choose another name")
    if job.shared_context_is_read_only():
        raise PermissionError(f"The shared context is read-only for this job: {key} was not written.")
    _check_reach(key, value, job)
    shared.set(category, key, value, description)


def _check_reach(key: str, value: Any, job: Any) -> None:
    """Refuse an object that the job itself may not look into: what is read from a shared context is given explicitly.

    Raises:
        PermissionError: its class has no STATEK-ACL, and it was reached through another object only.
    """
    found = job.class_of(value)
    if found is None or found[1] is Reach.EXPLICIT or job.policy.default_acl is DefaultAcl.GRANT:
        return
    if acl_of(found[0]) is None:
        raise PermissionError(
            f"{key} was not written: {found[0].__name__} has no STATEK-ACL and was reached through an attribute; only "
            "what the job was given is shared."
        )


@tool(system=True, effect="store", subject="types")
def print_locals(category: str, *types: Any, ctx: Any = None, **kwargs: Any) -> None:
    """Print the shared variables of a category.

    Args:
        category: PREFERENCE, ENTITY or VOCABULARY
        types: classes or their names; only variables of these
    """
    show = ctx.show if ctx is not None else print
    chosen = ContextCategoryDict.get(category)
    if chosen is None:
        raise ValueError(f"{category!r} is no category; there are {', '.join(ContextCategory.__members__)}")
    job = ctx.job if ctx is not None else None
    names = [_type_name(kind, job) for kind in types]
    head = f"Locals from the category: {chosen.name}" + (f", type: {', '.join(names)}" if names else "")
    shared = job.shared_context() if job is not None else None
    found = shared.variables() if shared is not None else []
    lines = [
        f"{variable.key}  # {chosen.name}: {variable.description}"
        for variable in found
        if variable.category is chosen and (not names or variable.type_name in names)
    ]
    show("\n".join([head, *lines]))


def _type_name(kind: Any, job: Any) -> str:
    """The name of a class that was given as itself, as a description from a sandbox, or by name."""
    if isinstance(kind, dict):
        granted = job.class_of(kind.get("of")) if job is not None else None
        return granted[0].__name__ if granted is not None else str(kind.get("name", ""))
    return kind.__name__ if isinstance(kind, type) else str(kind)
