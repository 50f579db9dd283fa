"""Proxies of durable lists, dicts and sets with the usual Python protocol.

What the snapshot holds is read locally; a longer collection is read by pages. Changes are ITEM calls, whose answers
bring the new state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, MutableSequence, MutableSet
from typing import Any

from sandbox_runner.executor.calls import ITEM
from sandbox_runner.executor.errors import AccessDenied
from sandbox_runner.executor.handles import DurableObject

__all__ = ["KINDS", "DurableDict", "DurableList", "DurableSet"]

PAGE = 200
_MISSING = object()


class _Collection(DurableObject):
    """What the three have in common."""

    __slots__ = ()

    def _item(self, operation: str, *args: Any) -> Any:
        return self._ask(ITEM, operation, list(args), {})

    def _items(self) -> Any:
        state = self._state
        if state.denied is not None:
            raise AccessDenied(state.denied)
        return state.items

    def _pages(self, start: int = 0) -> Iterator[Any]:
        while True:
            page = self._item("page", start, PAGE)
            yield from page
            if len(page) < PAGE:
                return
            start += len(page)

    def _count(self) -> int:
        items = self._items()
        if items is not None:
            return len(items)
        length = self._state.length
        return sum(1 for _ in self._pages()) if length is None else length

    def __bool__(self) -> bool:
        return self._count() > 0

    def __hash__(self) -> int:
        return hash(("durable", self._number))

    def __copy__(self) -> DurableObject:
        return self


class DurableList(_Collection, MutableSequence[Any]):
    """A durable list."""

    __slots__ = ()

    @staticmethod
    def _local_items(items: list[Any]) -> list[Any]:
        return items

    def __len__(self) -> int:
        return self._count()

    def __iter__(self) -> Iterator[Any]:
        if self._items() is None:
            yield from self._pages()
            return
        index = 0
        while (items := self._items()) is not None and index < len(items):
            yield items[index]
            index += 1
        if items is None:
            yield from self._pages(index)

    def __getitem__(self, index: Any) -> Any:
        items = self._items()
        if items is not None:
            return items[index]
        if not isinstance(index, slice):
            return self._item("get", index)
        where = range(len(self))[index]
        if not where:
            return []
        low, high = min(where), max(where) + 1
        found: list[Any] = []
        while low + len(found) < high:
            page = self._item("page", low + len(found), min(PAGE, high - low - len(found)))
            if not page:
                break
            found += page
        return [found[at - low] for at in where if at - low < len(found)]

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            raise TypeError("a slice of a durable list cannot be assigned; assign its elements")
        self._item("set", index, value)

    def __delitem__(self, index: Any) -> None:
        if isinstance(index, slice):
            for at in sorted(range(len(self))[index], reverse=True):
                self._item("delete", at)
        else:
            self._item("delete", index)

    def __contains__(self, value: object) -> bool:
        items = self._items()
        return value in items if items is not None else bool(self._item("contains", value))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DurableObject):
            return self._number == other._number
        return list(self) == other if isinstance(other, list) else NotImplemented

    __hash__ = _Collection.__hash__

    def __add__(self, other: Iterable[Any]) -> list[Any]:
        return [*self, *other]

    def __radd__(self, other: Iterable[Any]) -> list[Any]:
        return [*other, *self]

    def append(self, value: Any) -> None:
        """Add a value at the end."""
        self._item("append", value)

    def extend(self, values: Iterable[Any]) -> None:
        """Add values at the end."""
        self._item("extend", list(values))

    def insert(self, index: int, value: Any) -> None:
        """Put a value before an index."""
        self._item("insert", index, value)

    def pop(self, index: int = -1) -> Any:
        """Remove and give the value at an index."""
        return self._item("pop", index)

    def remove(self, value: Any) -> None:
        """Remove the first equal value."""
        self._item("remove", value)

    def clear(self) -> None:
        """Remove everything."""
        self._item("clear")

    def copy(self) -> list[Any]:
        """An ordinary list of the same values."""
        return list(self)


class DurableDict(_Collection, MutableMapping[Any, Any]):
    """A durable dict."""

    __slots__ = ()

    @staticmethod
    def _local_items(items: list[Any]) -> dict[Any, Any]:
        return {key: value for key, value in items}  # noqa: C416 -- pairs may be lists

    def __len__(self) -> int:
        return self._count()

    def __iter__(self) -> Iterator[Any]:
        items = self._items()
        yield from list(items) if items is not None else (pair[0] for pair in self._pages())

    def __getitem__(self, key: Any) -> Any:
        items = self._items()
        return items[key] if items is not None else self._item("get", key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._item("set", key, value)

    def __delitem__(self, key: Any) -> None:
        self._item("delete", key)

    def __contains__(self, key: object) -> bool:
        items = self._items()
        return key in items if items is not None else bool(self._item("contains", key))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DurableObject):
            return self._number == other._number
        return self.copy() == other if isinstance(other, dict) else NotImplemented

    __hash__ = _Collection.__hash__

    def copy(self) -> dict[Any, Any]:
        """An ordinary dict of the same items."""
        items = self._items()
        return dict(items) if items is not None else {pair[0]: pair[1] for pair in self._pages()}

    def pop(self, key: Any, default: Any = _MISSING) -> Any:
        """Remove a key and give its value."""
        try:
            return self._item("pop", key)
        except KeyError:
            if default is _MISSING:
                raise
            return default

    def clear(self) -> None:
        """Remove everything."""
        self._item("clear")

    def update(self, other: Any = (), /, **more: Any) -> None:
        """Set several keys in one call."""
        plain = other.copy() if isinstance(other, DurableDict) else other
        self._item("update", dict(plain if isinstance(plain, Mapping) else list(plain), **more))


class DurableSet(_Collection, MutableSet[Any]):
    """A durable set."""

    __slots__ = ()

    @staticmethod
    def _local_items(items: list[Any]) -> dict[Any, None]:
        return dict.fromkeys(items)  # keeps the host's order

    @classmethod
    def _from_iterable(cls, it: Iterable[Any]) -> set[Any]:
        return set(it)

    def __len__(self) -> int:
        return self._count()

    def __iter__(self) -> Iterator[Any]:
        items = self._items()
        yield from list(items) if items is not None else self._pages()

    def __contains__(self, value: object) -> bool:
        items = self._items()
        return value in items if items is not None else bool(self._item("contains", value))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DurableObject):
            return self._number == other._number
        return set(self) == other if isinstance(other, (set, frozenset)) else NotImplemented

    __hash__ = _Collection.__hash__

    def add(self, value: Any) -> None:
        """Add a value."""
        self._item("add", value)

    def discard(self, value: Any) -> None:
        """Remove a value if it is there."""
        self._item("discard", value)

    def remove(self, value: Any) -> None:
        """Remove a value that is there."""
        self._item("remove", value)

    def clear(self) -> None:
        """Remove everything."""
        self._item("clear")


KINDS: dict[str, type[DurableObject]] = {"list": DurableList, "dict": DurableDict, "set": DurableSet}
"""Proxy classes by the ``kind`` of a type."""
