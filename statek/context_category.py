"""What a shared variable is, as plain data: its category, name, value and description.

Apart from ``statek.shared_context``, which keeps them in the store, so that agents can be declared without a store.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ContextCategory", "ContextCategoryDict", "ContextVar"]


class ContextCategory(enum.Enum):
    """What kind of fact a variable is."""

    PREFERENCE = "PREFERENCE"
    """What somebody likes or wants."""
    ENTITY = "ENTITY"
    """Somebody or something that is known."""
    VOCABULARY = "VOCABULARY"
    """What a word means here."""


class _Categories:
    """The categories by name, in any letter case."""

    def get(self, name: str | ContextCategory, default: ContextCategory | None = None) -> ContextCategory | None:
        """The category of that name, else the default."""
        if isinstance(name, ContextCategory):
            return name
        wanted = name.strip().upper() if isinstance(name, str) else ""
        return ContextCategory.__members__.get(wanted, default)

    def __getitem__(self, name: str | ContextCategory) -> ContextCategory:
        found = self.get(name)
        if found is None:
            raise KeyError(f"{name!r} is no category; there are {', '.join(ContextCategory.__members__)}")
        return found

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str | ContextCategory) and self.get(name) is not None


ContextCategoryDict = _Categories()
"""The categories by name, in any letter case."""


@dataclass(frozen=True, slots=True)
class ContextVar:
    """A shared variable as it is read.

    Attributes:
        category: of the fact.
        key: the name that code uses.
        type_name: name of the value's class.
        description: for agents.
        use_count: how often code has read it.
    """

    category: ContextCategory
    key: str
    type_name: str
    description: str
    use_count: int = 0
    _load: Callable[[], Any] = field(default=lambda: None, repr=False, compare=False)

    @property
    def value(self) -> Any:
        """Plain data, or a durable object; decoded by each look at it, on the thread that looks."""
        return self._load()
