"""Telling durable objects and collections from plain values.

dbzero's own value types are builtins without a common base; the typed door knows objects, lists, dicts
and sets, the rest is told by exact type name.
"""

from __future__ import annotations

import enum

from statek.durable import is_durable_dict, is_durable_list, is_durable_set, is_memo

__all__ = ["Kind", "enum_text", "is_durable_tuple", "is_query", "kind_of"]


class Kind(enum.Enum):
    """What a handle stands for; the value is the word of the handles document."""

    OBJECT = "object"
    LIST = "list"
    DICT = "dict"
    SET = "set"


def kind_of(value: object) -> Kind | None:
    """Tell what kind of handle a value gets; None for a plain value. Classes have no handles."""
    if isinstance(value, type):
        return None
    if is_memo(value):
        return Kind.OBJECT
    if is_durable_list(value):
        return Kind.LIST
    if is_durable_dict(value):
        return Kind.DICT
    if is_durable_set(value):
        return Kind.SET
    return None


def is_durable_tuple(value: object) -> bool:
    """Tell a tuple as dbzero gives it back: immutable, so it is sent as a plain tuple."""
    return _type_name(value) == "builtins.Tuple"


def is_query(value: object) -> bool:
    """Tell the lazy result of a dbzero query."""
    return _type_name(value) == "builtins.ObjectIterable"


def enum_text(value: object) -> str | None:
    """Give the name of a dbzero enum value, which is all that the sandbox needs of it; None for others."""
    return str(value) if _type_name(value) == "dbzero.EnumValue" else None


def _type_name(value: object) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__name__}"
