"""Splits variables into components: variables that reach a common mutable object belong together.

The walk follows the collector's references, and where it has none the base of an array and the elements of an object
array. It stops at what pickles by name (modules, imported classes and functions) and at values without parts. Merging
too much costs only granularity; merging too little would lose an alias.
"""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import gc
import re
import sys
import types
import uuid
import weakref
import zoneinfo
from collections.abc import Mapping
from typing import Any

from sandbox_runner.executor.calls import ToolCallable
from sandbox_runner.executor.enums import EnumNames
from sandbox_runner.executor.futures import Future, is_pending, value_of
from sandbox_runner.executor.handles import DurableObject
from sandbox_runner.wire.values import EnumValue

__all__ = ["ATOMIC", "FLAT_ELEMENTS", "Group", "split"]

ATOMIC: frozenset[type] = frozenset(
    {
        type(None),
        bool,
        int,
        float,
        complex,
        str,
        bytes,
        range,
        type(Ellipsis),
        type(NotImplemented),
        decimal.Decimal,
        fractions.Fraction,
        uuid.UUID,
        dt.date,
        dt.time,
        dt.datetime,
        dt.timedelta,
        dt.timezone,
        zoneinfo.ZoneInfo,
        re.Pattern,
        types.ModuleType,
        types.CodeType,
        types.FrameType,
        types.TracebackType,
        types.WrapperDescriptorType,
        types.MethodDescriptorType,
        types.ClassMethodDescriptorType,
        types.GetSetDescriptorType,
        types.MemberDescriptorType,
        weakref.ReferenceType,
        EnumNames,
        EnumValue,
        ToolCallable,
    }
)
"""Types whose values share nothing mutable, or nothing that a checkpoint keeps."""

FLAT_ELEMENTS: frozenset[type] = frozenset({type(None), bool, int, float, str, bytes})
"""Types that pickle without asking for anything."""


class Group:
    """Variables that travel together.

    Attributes:
        names: sorted.
        parts: objects that were visited, a lower bound for the size of the encoding in bytes.
        flat: one list or dict of values of FLAT_ELEMENTS.
    """

    __slots__ = ("flat", "names", "parts")

    def __init__(self, names: list[str], parts: int) -> None:
        self.names = names
        self.parts = parts
        self.flat = False


def split(variables: Mapping[str, Any], namespaces: frozenset[int]) -> list[Group]:
    """Give the components of these variables, in the order of their first names.

    Args:
        variables: the snapshot to split.
        namespaces: ids of the dicts that are not data (the live namespace and its builtins).
    """
    owner: dict[int, str] = {}
    parent: dict[str, str] = {}
    parts: dict[str, int] = {}
    flat: set[str] = set()
    numpy = sys.modules.get("numpy")
    array_type = getattr(numpy, "ndarray", None)
    skipped = tuple(kind for kind in (getattr(numpy, "dtype", None), getattr(numpy, "generic", None)) if kind)
    alive: list[Any] = []  # what was made during the walk must not lend its id to something else

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for name, value in variables.items():
        parent[name] = name
        parts[name] = 1
        if type(value) in ATOMIC:
            parts[name] += len(value) if type(value) in {str, bytes} else 0
            continue
        pending = [value]
        while pending:
            item = pending.pop()
            kind = type(item)
            if kind is Future:  # before any isinstance, which would wait for its value
                if not is_pending(item):
                    pending.append(value_of(item))
                continue
            if kind in ATOMIC or id(item) in namespaces or isinstance(item, DurableObject):
                continue
            known = owner.get(id(item))
            if known is not None:
                if known != name:
                    parent[root(known)] = root(name)
                continue
            if isinstance(item, type):
                if _is_importable(item):
                    continue
            elif skipped and isinstance(item, skipped):
                continue
            owner[id(item)] = name
            referents = _referents(item, kind, array_type)
            if not referents:
                continue
            parts[name] += len(referents)
            kinds = set(map(type, referents))
            if item is value and kinds <= FLAT_ELEMENTS and (kind is list or kind is dict):
                flat.add(name)
            elif not kinds <= ATOMIC:
                more = [part for part in referents if type(part) not in ATOMIC]
                if array_type is not None and isinstance(item, array_type):
                    alive.append(more)
                pending += more
    groups: dict[str, Group] = {}
    for name in variables:
        group = groups.setdefault(root(name), Group([], 0))
        group.names.append(name)
        group.parts += parts[name]
    for group in groups.values():
        group.names.sort()
        group.flat = len(group.names) == 1 and group.names[0] in flat
    return sorted(groups.values(), key=lambda group: group.names[0])


def _referents(item: Any, kind: type, array_type: Any) -> list[Any]:
    if kind is types.FunctionType:
        if _is_importable(item):
            return []
        # Not its globals: those are the namespace, or a whole module.
        found = [item.__closure__, item.__defaults__, item.__kwdefaults__, item.__annotations__, item.__dict__]
        return [part for part in found if part]
    if kind is types.BuiltinFunctionType:
        return [] if isinstance(item.__self__, types.ModuleType) else [item.__self__]
    if array_type is not None and isinstance(item, array_type):
        found = [] if item.base is None else [item.base]
        if item.dtype.hasobject:
            found += list(item.flat)
        return found + gc.get_referents(item)
    return gc.get_referents(item)


def _is_importable(item: Any) -> bool:
    """Whether a class or function pickles by name."""
    module = getattr(item, "__module__", None)
    if module == "__main__" or not isinstance(module, str):
        return False
    found: Any = sys.modules.get(module)
    for part in item.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is item
