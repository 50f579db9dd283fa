"""Members of enums whose class may be out of reach.

An enum of an importable module of the sandbox is itself. One of the application is known here by its names alone: its
member is an ``EnumValue``, one object per member, which is kept, compared, shown and given to tools like the member.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

from sandbox_runner.wire.values import EnumValue, decode

__all__ = ["EnumNames", "context_enums", "enum_member"]

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


class EnumNames:
    """Stands for an enum of the application: its members by name, in order.

    Args:
        name: by which code has it.
        members: by name; names beyond the first of one member are aliases.
    """

    __slots__ = ("__members__", "__name__")

    def __init__(self, name: str, members: dict[str, Any]) -> None:
        self.__name__ = name
        self.__members__ = MappingProxyType(members)

    def __getattr__(self, name: str) -> Any:
        found = None if name.startswith("__") else self.__members__.get(name)
        if found is None:
            raise AttributeError(f"{self.__name__} has no member {name!r}; it has {', '.join(self.__members__)}")
        return found

    def __getitem__(self, name: str) -> Any:
        return self.__members__[name]

    def __call__(self, value: object) -> Any:
        """The member that was given; what values the members have is not known here.

        Raises:
            ValueError: it is no member.
        """
        if value in self:
            return value
        name = self.__name__
        raise ValueError(f"{value!r} is no member of {name}; its members are known here by name: {name}[...]")

    def __iter__(self) -> Iterator[Any]:
        return iter(dict.fromkeys(self.__members__.values()))

    def __len__(self) -> int:
        return len(set(self.__members__.values()))

    def __contains__(self, value: object) -> bool:
        return any(member is value or member == value for member in self.__members__.values())

    def __instancecheck__(self, value: object) -> bool:
        return value in self

    def __repr__(self) -> str:
        return f"<enum '{self.__name__}'>"

    def __reduce__(self) -> tuple[Any, ...]:
        return EnumNames, (self.__name__, dict(self.__members__))


def context_enums(data: bytes) -> dict[str, Any]:
    """What the enums of the agent's context are here: the class itself where the sandbox has it, else its names.

    Args:
        data: ``RunStep.enums``; of the host.
    """
    if not data:
        return {}
    given: Any = decode(data, enum_loader=enum_member)
    found: dict[str, Any] = {}
    for name, members in given.items():
        known = type(next(iter(members.values())))
        found[name] = EnumNames(name, members) if known is EnumValue else known
    return found
