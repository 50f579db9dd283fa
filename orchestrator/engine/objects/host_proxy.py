"""Durable objects for tools that run off the store thread.

A proxy looks like the object (``isinstance`` included) and carries every operation to the store thread:
reads as reads, everything else as an atomic block of its own. What an operation gives is wrapped in
turn, what it is given is unwrapped there; the raw object never leaves the store thread. Changes that
belong together are made in one block with ``ctx.store(fn)``, where ``unwrap`` gives the objects.

The tool is the application's own code, so nothing is decided here: no ACL, and private names work.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterator
from typing import Any

from orchestrator.engine.objects.collections import item_operation
from orchestrator.engine.objects.kinds import Kind, is_durable_tuple, is_query, kind_of
from orchestrator.engine.objects.surface import is_method
from statek.durable import StoreDoor
from statek.exceptions import InvalidRequest

__all__ = ["CollectionProxy", "ObjectProxy", "mapped", "unwrap", "wrap"]

MAX_DEPTH = 100
"""Plain containers inside plain containers of one value."""

_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes})


class _Reference:
    """Where a proxy's object is: only read on the store thread."""

    __slots__ = ("store", "target")

    def __init__(self, target: Any, store: StoreDoor) -> None:
        self.target = target
        self.store = store

    def read(self, operation: Callable[[Any], Any]) -> Any:
        """Run an operation on the store thread; gives its wrapped result."""
        return self.store.read_sync(lambda: wrap(operation(self.target), self.store))

    def write(self, operation: Callable[[Any], Any]) -> Any:
        """Run an operation on the store thread in an atomic block; gives its wrapped result."""
        return self.store.write_sync(lambda: wrap(operation(self.target), self.store))


def _reference(proxy: object) -> _Reference:
    found: _Reference = object.__getattribute__(proxy, "_statek_reference")
    return found


class ObjectProxy:
    """Stands for one durable object off the store thread."""

    __slots__ = ("_statek_class", "_statek_reference")

    def __init__(self, target: Any, store: StoreDoor) -> None:
        object.__setattr__(self, "_statek_reference", _Reference(target, store))
        object.__setattr__(self, "_statek_class", type(target))

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """Answer ``isinstance`` with the class of the object."""
        found: type = object.__getattribute__(self, "_statek_class")
        return found

    def __getattr__(self, name: str) -> Any:
        cls = object.__getattribute__(self, "_statek_class")
        static = inspect.getattr_static(cls, name, None)
        if is_method(static):
            return _MethodProxy(self, name)
        return _reference(self).read(lambda target: getattr(target, name))

    def __setattr__(self, name: str, value: Any) -> None:
        static = inspect.getattr_static(object.__getattribute__(self, "_statek_class"), name, None)
        if isinstance(static, property):
            # dbzero's setattr would store a field beside the property instead of calling the setter.
            if static.fset is None:
                raise AttributeError(f"property {name!r} has no setter")
            setter = static.fset
            _reference(self).write(lambda target: setter(target, unwrap(value)))
        else:
            _reference(self).write(lambda target: setattr(target, name, unwrap(value)))

    def __delattr__(self, name: str) -> None:
        _reference(self).write(lambda target: delattr(target, name))

    def __eq__(self, other: object) -> bool:
        return bool(_reference(self).read(lambda target: bool(target == unwrap(other))))

    def __hash__(self) -> int:
        return int(_reference(self).read(hash))

    def __str__(self) -> str:
        return str(_reference(self).read(str))

    def __repr__(self) -> str:
        return str(_reference(self).read(repr))


class _MethodProxy:
    """A bound method of a proxied object."""

    __slots__ = ("__name__", "_owner")

    def __init__(self, owner: ObjectProxy, name: str) -> None:
        self._owner = owner
        self.__name__ = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        def call(target: Any) -> Any:
            result = getattr(target, self.__name__)(*unwrap(list(args)), **unwrap(kwargs))
            if inspect.isawaitable(result):
                close = getattr(result, "close", None)
                if close is not None:
                    close()
                raise TypeError(f"{type(target).__name__}.{self.__name__} is async; it cannot run inside the store")
            return result

        return _reference(self._owner).write(call)

    def __repr__(self) -> str:
        return f"<method {self.__name__} of {self._owner!r}>"


class CollectionProxy:
    """Stands for one durable list, dict or set off the store thread; iteration sees one moment."""

    __slots__ = ("_statek_kind", "_statek_reference")

    def __init__(self, target: Any, store: StoreDoor, kind: Kind) -> None:
        self._statek_reference = _Reference(target, store)
        self._statek_kind = kind

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in _COLLECTION_METHODS[self._statek_kind]:
            raise AttributeError(f"a durable {self._statek_kind.value} has no attribute {name!r}")

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._statek_reference.write(lambda target: _called(target, name, args, kwargs))

        return call

    def __len__(self) -> int:
        return int(self._statek_reference.read(len))

    def __iter__(self) -> Iterator[Any]:
        return iter(self._statek_reference.read(lambda target: list(target)))

    def __contains__(self, item: object) -> bool:
        return bool(self._statek_reference.read(lambda target: unwrap(item) in target))

    def __getitem__(self, key: Any) -> Any:
        def get(target: Any) -> Any:
            if isinstance(key, slice):
                return [target[i] for i in range(*key.indices(len(target)))]
            return target[unwrap(key)]

        return self._statek_reference.read(get)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._statek_reference.write(lambda target: operator.setitem(target, unwrap(key), unwrap(value)))

    def __delitem__(self, key: Any) -> None:
        def delete(target: Any) -> None:
            if self._statek_kind is Kind.LIST:
                item_operation(Kind.LIST, "delete").run(target, 0, key)
            else:
                del target[unwrap(key)]

        self._statek_reference.write(delete)

    def __eq__(self, other: object) -> bool:
        return bool(self._statek_reference.read(lambda target: bool(target == unwrap(other))))

    __hash__ = None  # type: ignore[assignment]  # like the collections they stand for

    def __repr__(self) -> str:
        return str(self._statek_reference.read(repr))


_COLLECTION_METHODS: dict[Kind, frozenset[str]] = {
    Kind.LIST: frozenset({"append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove"}),
    Kind.DICT: frozenset({"clear", "copy", "get", "items", "keys", "pop", "setdefault", "update", "values"}),
    Kind.SET: frozenset({"add", "clear", "copy", "discard", "pop", "remove", "update"}),
}
"""What dbzero's collections have and does what Python's would (set algebra on its sets does not)."""


_ORDERED = frozenset({"insert", "pop", "remove"})
"""List methods that dbzero lacks, or that break the order of its lists."""


def _called(target: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if name in _ORDERED and kind_of(target) is Kind.LIST:
        return item_operation(Kind.LIST, name).run(target, 0, *unwrap(list(args)), **kwargs)
    result = getattr(target, name)(*unwrap(list(args)), **unwrap(kwargs))
    # Views and iterators of the store are drawn where it is safe to.
    return list(result) if name in {"items", "keys", "values"} else result


def wrap(value: Any, store: StoreDoor) -> Any:
    """Replace durable objects in a value by proxies (store thread).

    Plain lists, dicts, tuples and sets are copied when they hold a durable object; others stay as they are.

    Raises:
        InvalidRequest: nested too deeply.
    """
    return mapped(value, lambda item: _wrapped(item, store), 0, {})


def _wrapped(value: Any, store: StoreDoor) -> Any:
    kind = kind_of(value)
    if kind is Kind.OBJECT:
        return ObjectProxy(value, store)
    if kind is not None:
        return CollectionProxy(value, store, kind)
    if is_durable_tuple(value):
        return tuple(wrap(item, store) for item in value)
    if is_query(value):
        return [wrap(item, store) for item in value]
    return value


def unwrap(value: Any) -> Any:
    """Replace proxies in a value by the durable objects (store thread only).

    Raises:
        InvalidRequest: nested too deeply.
    """
    return mapped(value, _unwrapped, 0, {})


def _unwrapped(value: Any) -> Any:
    return _reference(value).target if type(value) in {ObjectProxy, CollectionProxy} else value


def mapped(value: Any, convert: Callable[[Any], Any], depth: int = 0, seen: dict[int, Any] | None = None) -> Any:
    """Copy plain containers with what ``convert`` makes of everything else in them.

    Raises:
        InvalidRequest: nested too deeply.
    """
    seen = {} if seen is None else seen
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind not in {list, dict, tuple, set, frozenset}:
        return convert(value)
    if id(value) in seen:
        return seen[id(value)]
    if depth > MAX_DEPTH:
        raise InvalidRequest(f"a value for a tool is nested more than {MAX_DEPTH} deep")
    if kind in {tuple, frozenset}:
        # Noted when it is made: fifty tuples that each hold the next one twice have more paths than time.
        seen[id(value)] = made = kind([mapped(item, convert, depth + 1, seen) for item in value])
        return made
    copy: Any = kind()
    seen[id(value)] = copy
    if kind is dict:
        for key, item in value.items():
            copy[mapped(key, convert, depth + 1, seen)] = mapped(item, convert, depth + 1, seen)
    elif kind is set:
        copy.update([mapped(item, convert, depth + 1, seen) for item in value])
    else:
        copy.extend([mapped(item, convert, depth + 1, seen) for item in value])
    return copy
