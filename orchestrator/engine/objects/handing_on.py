"""What a job may put where it becomes more than it was: into a collection, or into the hands of its parent.

Elements of a collection that was given explicitly are given explicitly, and so is what a parent gets. An object without
a STATEK-ACL that a job only reached through an attribute must not become that by the job's own doing.

Preconditions:
    everything here runs on the store thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.engine.objects.kinds import Kind, kind_of
from statek.access import AccessRequest, Policy, Reach, ResourceKind, acl_of, decide
from statek.exceptions import LimitExceeded

__all__ = ["require_handing_on"]

_MAX_ELEMENTS = 1_000
"""Elements of collections that one question looks at: about a millisecond."""


def require_handing_on(value: Any, is_explicit: Callable[[Any], bool], policy: Policy) -> None:
    """Return when a job may hand on a value.

    Of a collection that was reached through an attribute every element counts as reached so, too.

    Args:
        value: plain data and durable objects.
        is_explicit: whether the job was given a durable object or collection explicitly, or never had it.
        policy: for the job's agent.

    Raises:
        AccessDenied: it holds an object that the job may not hand on.
        LimitExceeded: its collections are too long to look through.
    """
    seen: set[int] = set()
    kept: list[Any] = []  # an element is made anew by each look at it, and ids of what is gone are used again
    waiting = [(value, True)]
    looked = 0
    while waiting:
        item, free = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        kept.append(item)
        kind = kind_of(item)
        if kind is Kind.OBJECT:
            _require(type(item), Reach.EXPLICIT if free and is_explicit(item) else Reach.ATTRIBUTE, policy)
        elif kind is not None and not (free and is_explicit(item)):
            looked += len(item)
            if looked > _MAX_ELEMENTS:
                advice = "hand on a copy of what is wanted of it"
                raise LimitExceeded("handed_on_elements", _MAX_ELEMENTS, looked, advice)
            waiting += [(part, False) for part in _parts(item, kind is Kind.DICT)]
        elif isinstance(item, dict):
            waiting += [(part, free) for part in _parts(item, True)]
        elif isinstance(item, list | tuple | set | frozenset):
            waiting += [(part, free) for part in item]


def _parts(item: Any, is_dict: bool) -> list[Any]:
    return [part for pair in item.items() for part in pair] if is_dict else list(item)


def _require(cls: type, reach: Reach, policy: Policy) -> None:
    request = AccessRequest(ResourceKind.HAND_ON, "", type_name=cls.__name__, acl=acl_of(cls), reach=reach)
    decide(request, policy).require()
