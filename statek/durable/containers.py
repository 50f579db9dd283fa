"""Checking methods for dbzero's list, dict and set.

A write of a value that cannot be stored raises `UnstorableValue`. A look-up of such a value does not: what
cannot be stored is simply not there (dbzero itself would crash on some).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import dbzero
import dbzero.dbzero as _core

from statek.durable._slots import replace_method
from statek.durable.gate import gate
from statek.durable.values import check_key, check_storable, register_native_type
from statek.exceptions import UnstorableValue

__all__ = [
    "DICT",
    "LIST",
    "SET",
    "TUPLE",
    "checked_items",
    "checked_members",
    "checked_pairs",
    "gated",
    "install_containers",
    "native",
]

native: Any = _core.types

LIST: type = native.List
DICT: type = native.Dict
SET: type = native.Set
TUPLE: type = native.Tuple


def install_containers() -> None:
    """Give the container types their checking methods."""
    for name in ("List", "Dict", "Set", "Tuple", "Index", "WeakSet", "ByteArray"):
        register_native_type(getattr(native, name))
    for name in ("WeakProxy", "dbzero.EmbeddedDict", "dbzero.EmbeddedSet", "dbzero.EmbeddedTuple"):
        register_native_type(getattr(native, name))
    _install_list()
    _install_dict()
    _install_set()


def _findable(key: object) -> bool:
    """Whether a key may be looked up; one that cannot be stored is simply not there."""
    if type(key) in (bool, float, bytes):
        return True
    try:
        check_key(key)
    except UnstorableValue:
        return False
    return True


def checked_members(values: Iterable[Any], path: str) -> list[Any]:
    """Set members, each checked as a key."""
    members = list(values)
    for member in members:
        check_key(member, path)
    return members


def checked_items(values: Iterable[Any], path: str) -> list[Any]:
    """List items, checked as one value."""
    items = list(values)
    check_storable(items, path)
    return items


def checked_pairs(args: tuple[Any, ...], kwargs: dict[str, Any], path: str) -> dict[Any, Any]:
    """The arguments of ``dict(...)`` as a checked plain dict."""
    if args and type(args[0]) is DICT:
        durable: Any = args[0]
        args = ({key: durable[key] for key in durable}, *args[1:])
    plain: dict[Any, Any] = dict(*args, **kwargs)
    check_storable(plain, path)
    return plain


def _install_list() -> None:
    def append(original: Any) -> Callable[..., Any]:
        def append(self: Any, value: object) -> Any:
            gate.check()
            check_storable(value, "list item")
            return original(self, value)

        return append

    def extend(original: Any) -> Callable[..., Any]:
        def extend(self: Any, values: Iterable[Any]) -> Any:
            items = checked_items(values, "list items")
            gate.check()
            return original(self, items)

        return extend

    def setitem(original: Any) -> Callable[..., Any]:
        def __setitem__(self: Any, index: Any, value: object) -> None:  # noqa: N807
            gate.check()
            check_storable(value, f"list[{index!r}]" if type(index) is int else "list item")
            _refuse_negative(index)
            original(self, index, value)

        return __setitem__

    def search(absent: Callable[[object], Any]) -> Callable[[Any], Callable[..., Any]]:
        def make(original: Any) -> Callable[..., Any]:
            def search(self: Any, value: object, *args: Any) -> Any:
                try:
                    check_storable(value)
                except UnstorableValue:
                    return absent(value)
                return original(self, value, *args)

            search.__name__ = original.__name__
            return search

        return make

    def not_there(value: object) -> Any:
        raise ValueError("the value is not in the list")

    replace_method(LIST, "append", append)
    replace_method(LIST, "extend", extend)
    replace_method(LIST, "__setitem__", setitem)
    replace_method(LIST, "index", lambda original: search(not_there)(_python_index(original)))
    replace_method(LIST, "count", search(lambda _value: 0))
    replace_method(LIST, "remove", gated(lambda _original: search(not_there)(_ordered_remove)))
    replace_method(LIST, "pop", gated(lambda _original: _ordered_pop))
    replace_method(LIST, "clear", gated(lambda original: original))
    replace_method(LIST, "__delitem__", gated(_python_delitem))
    replace_method(TUPLE, "index", search(not_there))
    replace_method(TUPLE, "count", search(lambda _value: 0))


def _refuse_negative(index: object) -> None:
    """Refuse an index that counts past the beginning.

    ``items[-1] = x`` and ``del items[-1]`` arrive here with the length added already, by the interpreter, so what is
    still negative is out of range. dbzero adds the length once more and changes another element (0.7.0).
    """
    if type(index) is int and index < 0:
        raise IndexError("list assignment index out of range")


def _python_delitem(original: Any) -> Callable[..., None]:
    """``del items[i]`` that refuses what is out of range."""

    def __delitem__(self: Any, index: Any) -> None:  # noqa: N807
        _refuse_negative(index)
        original(self, index)

    return __delitem__


def _python_index(original: Any) -> Callable[..., int]:
    """``list.index`` with Python's own error: dbzero raises RuntimeError for what is not there."""

    def index(self: Any, value: object, *args: Any) -> int:
        try:
            return int(original(self, value, *args))
        except RuntimeError as error:
            if "not in a list" not in str(error):
                raise
            raise ValueError("the value is not in the list") from None

    return index


def _ordered_pop(self: Any, index: int = -1) -> Any:
    """``list.pop`` that keeps the order: dbzero's own moves the last element into the gap (measured, 0.7.0)."""
    length = len(self)
    place = index + length if index < 0 else index
    if not 0 <= place < length:
        raise IndexError("pop from empty list" if not length else "pop index out of range")
    value = self[place]
    del self[place]
    return value


def _ordered_remove(self: Any, value: object) -> None:
    """``list.remove`` that keeps the order; see ``_ordered_pop``."""
    del self[self.index(value)]


def gated(make: Callable[[Any], Callable[..., Any]]) -> Callable[[Any], Callable[..., Any]]:
    """A mutator without a value to check."""

    def wrap(original: Any) -> Callable[..., Any]:
        inner = make(original)

        def mutate(self: Any, *args: Any, **kwargs: Any) -> Any:
            gate.check()
            return inner(self, *args, **kwargs)

        mutate.__name__ = getattr(original, "__name__", "mutate")
        return mutate

    return wrap


def _install_dict() -> None:
    def setitem(original: Any) -> Callable[..., Any]:
        def __setitem__(self: Any, key: object, value: object) -> None:  # noqa: N807
            gate.check()
            check_key(key, "dict key")
            check_storable(value, "dict value")
            original(self, key, value)

        return __setitem__

    def update(original: Any) -> Callable[..., Any]:
        def update(self: Any, *args: Any, **kwargs: Any) -> Any:
            plain = checked_pairs(args, kwargs, "dict")
            gate.check()
            return original(self, plain)

        return update

    def setdefault(original: Any) -> Callable[..., Any]:
        def setdefault(self: Any, key: object, default: object = None) -> Any:
            gate.check()
            check_key(key, "dict key")
            check_storable(default, "dict value")
            return original(self, key, default)

        return setdefault

    def item(original: Any) -> Callable[..., Any]:
        def __getitem__(self: Any, key: object) -> Any:  # noqa: N807
            if not _findable(key):
                raise KeyError(key)
            return original(self, key)

        return __getitem__

    def contains(original: Any) -> Callable[..., Any]:
        def __contains__(self: Any, key: object) -> bool:  # noqa: N807
            return _findable(key) and bool(original(self, key))

        return __contains__

    def get(original: Any) -> Callable[..., Any]:
        def get(self: Any, key: object, default: Any = None) -> Any:
            return original(self, key, default) if _findable(key) else default

        return get

    def pop(original: Any) -> Callable[..., Any]:
        def pop(self: Any, key: object, *default: Any) -> Any:
            gate.check()
            if _findable(key):
                return original(self, key, *default)
            if default:
                return default[0]
            raise KeyError(key)

        return pop

    def fromkeys(original: Any) -> Callable[..., Any]:
        def fromkeys(keys: Iterable[Any], value: object = None) -> Any:
            plain = dict.fromkeys(checked_members(keys, "dict key"), value)
            return dbzero.dict(plain)

        return staticmethod(fromkeys)

    for name, make in {
        "__setitem__": setitem, "update": update, "setdefault": setdefault, "__getitem__": item, "get": get,
        "__contains__": contains, "pop": pop, "fromkeys": fromkeys, "__delitem__": gated(item),
        "clear": gated(lambda original: original),
    }.items():  # fmt: skip
        replace_method(DICT, name, make)


def _install_set() -> None:
    def add(original: Any) -> Callable[..., Any]:
        def add(self: Any, member: object) -> Any:
            gate.check()
            check_key(member, "set member")
            return original(self, member)

        return add

    def update(original: Any) -> Callable[..., Any]:
        def update(self: Any, *others: Iterable[Any]) -> Any:
            checked = [checked_members(other, "set member") for other in others]
            gate.check()
            return original(self, *checked)

        return update

    def find(original: Any) -> Callable[..., Any]:
        def __contains__(self: Any, member: object) -> bool:  # noqa: N807
            return _findable(member) and bool(original(self, member))

        return __contains__

    def discard(original: Any) -> Callable[..., Any]:
        def discard(self: Any, member: object) -> None:
            gate.check()
            if _findable(member):
                original(self, member)

        return discard

    def remove(original: Any) -> Callable[..., Any]:
        def remove(self: Any, member: object) -> None:
            gate.check()
            if not _findable(member):
                raise KeyError(member)
            original(self, member)

        return remove

    def combine(original: Any) -> Callable[..., Any]:
        def combine(self: Any, *others: Any) -> Any:
            return original(
                self, *(other if type(other) is SET else set(checked_members(other, "member")) for other in others)
            )

        combine.__name__ = original.__name__
        return combine

    for name, make in {
        "add": add,
        "update": update,
        "__contains__": find,
        "discard": discard,
        "remove": remove,
    }.items():
        replace_method(SET, name, make)
    for name in ("difference", "intersection", "isdisjoint", "issubset", "issuperset", "symmetric_difference", "union"):
        replace_method(SET, name, combine)
    for name in ("__ior__", "__iand__", "__isub__", "__ixor__"):
        replace_method(SET, name, gated(combine))
    for name in ("pop", "clear"):
        replace_method(SET, name, gated(lambda original: original))
