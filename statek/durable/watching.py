"""Tells whoever watches a durable object that it was written.

Memo objects tell it from their checking ``__setattr__``, at the price of one look into an empty dict while nobody
watches; the containers get telling methods when the first watch is made, and cost nothing before.
A watched object is kept in memory: as long as it is, dbzero gives the same Python object for it, so ``id`` names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from statek.durable._slots import replace_method
from statek.durable.containers import DICT, LIST, SET

__all__ = ["Watch", "fields_of", "touched", "watch", "watched"]

watched: dict[int, set[Watch]] = {}
"""The watches of each watched object, by its id; read by the writers themselves."""

_MUTATORS = (
    "__delitem__", "__iand__", "__ior__", "__isub__", "__ixor__", "__setitem__", "add", "append", "clear", "discard",
    "extend", "insert", "pop", "popitem", "remove", "setdefault", "update",
)  # fmt: skip
_installed = False


class Watch:
    """One watcher of several objects."""

    __slots__ = ("_objects", "_tell")

    def __init__(self, objects: Iterable[Any], tell: Callable[[], None]) -> None:
        self._objects = list(objects)
        self._tell = tell
        for item in self._objects:
            watched.setdefault(id(item), set()).add(self)

    def tell(self) -> None:
        """One of the objects was written."""
        self._tell()

    def end(self) -> None:
        """Watch no more."""
        for item in self._objects:
            watches = watched.get(id(item))
            if watches is not None:
                watches.discard(self)
                if not watches:
                    del watched[id(item)]
        self._objects = []


def watch(objects: Iterable[Any], tell: Callable[[], None]) -> Watch:
    """Watch durable objects and containers (store thread).

    Args:
        objects: what to watch.
        tell: called inside the atomic block of each write, which may still be undone.
    """
    global _installed
    if not _installed:
        _installed = True
        for kind in (LIST, DICT, SET):
            for name in _MUTATORS:
                if hasattr(kind, name):
                    replace_method(kind, name, _telling)
    return Watch(objects, tell)


def touched(item: object) -> None:
    """Tell the watches of an object that was written."""
    for one in list(watched.get(id(item), ())):
        one.tell()


def _telling(original: Any) -> Callable[..., Any]:
    def write(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        if watched and id(self) in watched:
            touched(self)
        return result

    return write


def fields_of(item: object) -> list[Any]:
    """The values of a memo object's fields."""
    own = set(dir(type(item)))
    return [getattr(item, name, None) for name in dir(item) if not name.startswith("__") and name not in own]
