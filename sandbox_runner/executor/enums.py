"""Members of enums whose class may be out of reach.

An enum of an importable module of the sandbox is itself. One of the application is known here by its names alone: its
member is an ``EnumValue``, one object per member, which is kept, compared, shown and given to tools like the member.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from sandbox_runner.wire.values import EnumValue

__all__ = ["enum_member"]

_members: dict[EnumValue, EnumValue] = {}
_absent: set[str] = set()


def enum_member(value: EnumValue) -> object:
    """Decoder hook: the member of that name, or the names where the sandbox has no such class.

    A module that could not be imported is not looked for again: a long result may hold many members of one enum. Once
    code of the job has imported it, it is found.
    """
    try:
        found: Any = sys.modules.get(value.module)
        if found is None and value.module not in _absent:
            found = importlib.import_module(value.module)  # noqa: TID251 -- in the sandbox
        for part in value.qualname.split("."):
            found = getattr(found, part)
        return found[value.name]
    except Exception:
        if value.module not in sys.modules:
            _absent.add(value.module)
        return _members.setdefault(value, value)
