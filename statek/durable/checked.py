"""Make every write to dbzero a checked write, whoever makes it.

Application code uses plain ``@dbzero.memo`` classes and dbzero's containers. On import of ``statek.durable``
memo classes (those that exist and those to come) and the container types get checking methods, so a
value that dbzero would crash on or change raises `UnstorableValue` before dbzero sees it. While a store is
open, writes are also refused outside its atomic blocks, and dbzero's own commit, close, init and the like
are refused to everybody but the store (`control`).

What cannot be intercepted: ``object.__setattr__`` called by name on a memo object.
"""

from __future__ import annotations

import datetime
import decimal
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

import dbzero
import dbzero.dbzero as _core

from statek.durable._slots import raw_setattr, replace_method
from statek.durable.values import check_key, check_storable, register_native_type
from statek.exceptions import StoreError, UnstorableValue

native: Any = _core.types

__all__ = ["DICT", "LIST", "SET", "TUPLE", "control", "gate", "install"]

LIST: type = native.List
DICT: type = native.Dict
SET: type = native.Set
TUPLE: type = native.Tuple

#: Calls of dbzero that belong to the store while it is open.
_RESERVED = (
    "begin_locked", "clear_cache", "close", "commit", "copy_prefix", "drop", "init", "locked", "migrate", "open",
    "refresh", "rename_field", "set_cache_size", "set_prefix", "set_restricted",
)  # fmt: skip


class _Gate:
    """Who may write: nobody (0), one thread (its id), or anybody (None, no store is open)."""

    __slots__ = ("writer",)

    def __init__(self) -> None:
        self.writer: int | None = None

    def open_for_this_thread(self) -> None:
        """Let the calling thread write, nobody else."""
        self.writer = threading.get_ident()

    def check(self) -> None:
        """Refuse a write outside an atomic block of the open store."""
        if self.writer is not None and self.writer != threading.get_ident():
            raise StoreError(
                "durable objects change only inside a write of the store: pass a function to store.write or "
                "store.commit (in a tool: ctx.store), or declare the tool effect='store'"
            )


gate = _Gate()


class _Control:
    """dbzero's own functions, for the store alone."""

    def __init__(self) -> None:
        self._originals: dict[str, Callable[..., Any]] = {}
        self.owned = False

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call dbzero's original function of that name."""
        return self._originals[name](*args, **kwargs)

    def reserve(self, name: str) -> None:
        """Put a refusing function in the place of dbzero's, wherever it was imported to."""
        original = getattr(dbzero, name)
        self._originals[name] = original

        def reserved(*args: Any, **kwargs: Any) -> Any:
            if self.owned:
                raise StoreError(
                    f"dbzero.{name} is reserved while the service has the store open; "
                    "the service flushes after each write, use store.flush to wait for it"
                )
            return original(*args, **kwargs)

        reserved.__name__ = reserved.__qualname__ = name
        reserved.__doc__ = original.__doc__
        _replace_everywhere(original, reserved)


control = _Control()


def _replace_everywhere(original: object, replacement: object) -> None:
    for module in list(sys.modules.values()):
        namespace = getattr(module, "__dict__", None)
        if not isinstance(namespace, dict):
            continue
        for name, value in list(namespace.items()):
            if value is original:
                namespace[name] = replacement


_installed = False


def install() -> None:
    """Make writes checked in this process. Calling it again does nothing."""
    global _installed  # noqa: PLW0603 - once per process, as the types are
    if _installed:
        return
    _installed = True
    for name in ("List", "Dict", "Set", "Tuple", "Index", "WeakSet", "ByteArray"):
        register_native_type(getattr(native, name))
    for name in ("WeakProxy", "dbzero.EmbeddedDict", "dbzero.EmbeddedSet", "dbzero.EmbeddedTuple"):
        register_native_type(getattr(native, name))
    _install_list()
    _install_dict()
    _install_set()
    _install_others()
    _install_memo()
    for name in _RESERVED:
        control.reserve(name)


# --- memo classes -----------------------------------------------------------------------------------


def _check_class(kind: type) -> None:
    """Give one memo class checking attribute writes."""
    if getattr(kind.__dict__.get("__setattr__"), "checked_by_statek", False):
        return
    write, delete = raw_setattr(kind)
    may_write = gate.check
    label = kind.__name__

    def __setattr__(self: object, name: str, value: object) -> None:  # noqa: N807 - becomes the class's method
        may_write()
        if type(value) is not int or not -(1 << 63) <= value < 1 << 63:
            check_storable(value, f"{label}.{name}")
        write(self, name, value)

    def __delattr__(self: object, name: str) -> None:  # noqa: N807
        may_write()
        delete(self, name)

    __setattr__.checked_by_statek = True  # type: ignore[attr-defined]
    kind.__setattr__ = __setattr__  # type: ignore[assignment, method-assign]
    kind.__delattr__ = __delattr__  # type: ignore[assignment, method-assign]


def _install_memo() -> None:
    module = sys.modules["dbzero.memo"]
    wrap = module._wrap_memo_type  # type: ignore[attr-defined]  # noqa: SLF001 - the one place every memo class passes

    def wrap_checked(*args: Any, **kwargs: Any) -> type:
        kind: type = wrap(*args, **kwargs)
        _check_class(kind)
        return kind

    _replace_everywhere(wrap, wrap_checked)
    seen: set[type] = set()
    pending: list[type] = [object]
    while pending:
        for kind in type.__subclasses__(pending.pop()):
            if kind not in seen:
                seen.add(kind)
                pending.append(kind)
                if dbzero.is_memo(kind):
                    _check_class(kind)


# --- containers -------------------------------------------------------------------------------------


def _findable(key: object) -> bool:
    """Whether a key may be looked up; one that cannot be stored is simply not there."""
    if type(key) in (bool, float, bytes):
        return True
    try:
        check_key(key)
    except UnstorableValue:
        return False
    return True


def _members(values: Iterable[Any], path: str) -> list[Any]:
    members = list(values)
    for member in members:
        check_key(member, path)
    return members


def _items(values: Iterable[Any], path: str) -> list[Any]:
    items = list(values)
    check_storable(items, path)
    return items


def _pairs(args: tuple[Any, ...], kwargs: dict[str, Any], path: str) -> dict[Any, Any]:
    if args and type(args[0]) is DICT:
        args = ({key: args[0][key] for key in args[0]}, *args[1:])
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
            items = _items(values, "list items")
            gate.check()
            return original(self, items)

        return extend

    def setitem(original: Any) -> Callable[..., Any]:
        def __setitem__(self: Any, index: Any, value: object) -> None:  # noqa: N807
            gate.check()
            check_storable(value, f"list[{index!r}]" if type(index) is int else "list item")
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
    replace_method(LIST, "index", search(not_there))
    replace_method(LIST, "count", search(lambda _value: 0))
    replace_method(LIST, "remove", _gated(search(not_there)))
    for name in ("pop", "clear", "__delitem__"):
        if name != "__delitem__":  # list deletion shares the slot with assignment, which is gated there
            replace_method(LIST, name, _gated(lambda original: original))
    replace_method(LIST, "__delitem__", _gated(lambda original: original))
    for kind in (TUPLE,):
        replace_method(kind, "index", search(not_there))
        replace_method(kind, "count", search(lambda _value: 0))


def _gated(make: Callable[[Any], Callable[..., Any]]) -> Callable[[Any], Callable[..., Any]]:
    """A mutator without a value to check."""

    def gated(original: Any) -> Callable[..., Any]:
        inner = make(original)

        def mutate(self: Any, *args: Any, **kwargs: Any) -> Any:
            gate.check()
            return inner(self, *args, **kwargs)

        mutate.__name__ = getattr(original, "__name__", "mutate")
        return mutate

    return gated


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
            plain = _pairs(args, kwargs, "dict")
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
            plain = dict.fromkeys(_members(keys, "dict key"), value)
            return dbzero.dict(plain)

        return staticmethod(fromkeys)

    for name, make in {
        "__setitem__": setitem, "update": update, "setdefault": setdefault, "__getitem__": item, "get": get,
        "__contains__": contains, "pop": pop, "fromkeys": fromkeys, "__delitem__": _gated(item),
        "clear": _gated(lambda original: original),
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
            checked = [_members(other, "set member") for other in others]
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
                self, *(other if type(other) is SET else set(_members(other, "member")) for other in others)
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
        replace_method(SET, name, _gated(combine))
    for name in ("pop", "clear"):
        replace_method(SET, name, _gated(lambda original: original))


# --- functions --------------------------------------------------------------------------------------

_Checked = Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]


def _check_index_key(key: object) -> None:
    kind = type(key)
    if kind is decimal.Decimal:
        exponent = key.as_tuple().exponent  # type: ignore[attr-defined]
        if not isinstance(exponent, int) or exponent > 0 or len(key.as_tuple().digits) > 17:  # type: ignore[attr-defined]
            raise UnstorableValue("index key", "decimals keep 17 digits and no positive exponent; use an integer")
    elif key is None or kind in (int, datetime.date, datetime.datetime):
        check_storable(key, "index key")
    else:
        raise UnstorableValue("index key", "index keys are None, int, Decimal, date or datetime without a zone")


def _install_others() -> None:
    def index_add(original: Any) -> Callable[..., Any]:
        def add(self: Any, key: object, obj: object) -> Any:
            gate.check()
            _check_index_key(key)
            check_storable(obj, "indexed object")
            return original(self, key, obj)

        return add

    replace_method(native.Index, "add", index_add)
    replace_method(native.Index, "remove", _gated(index_add))
    replace_method(native.Index, "clear", _gated(lambda original: original))
    tags = getattr(native, "dbzero.Tags")

    def tag(original: Any) -> Callable[..., Any]:
        def change(self: Any, *names: Any) -> Any:
            gate.check()
            for name in names:
                for one in name if type(name) in (list, tuple, set) else (name,):
                    if type(one) is str:
                        check_storable(one, "tag")
            return original(self, *names)

        return change

    replace_method(tags, "add", tag)
    replace_method(tags, "remove", tag)
    _replace_function("list", lambda *args: ((_items(*args, "list"),) if args else (), {}))
    _replace_function("tuple", lambda *args: ((tuple(_items(*args, "tuple")),) if args else (), {}))
    _replace_function("set", lambda *args: ((_members(*args, "set"),) if args else (), {}))
    _replace_function("dict", lambda *args, **kwargs: ((_pairs(args, kwargs, "dict"),), {}))
    _replace_function("assign", _checked_fields)
    for name in ("delete", "deserialize", "index", "bytearray", "weak_set", "touch"):
        _replace_function(name, lambda *args, **kwargs: (args, kwargs))


def _checked_fields(*objects: Any, **fields: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    for name, value in fields.items():
        check_storable(value, f"field {name}")
    return objects, fields


def _replace_function(name: str, check: _Checked) -> None:
    original = getattr(dbzero, name)

    def checked(*args: Any, **kwargs: Any) -> Any:
        gate.check()
        args, kwargs = check(*args, **kwargs)
        return original(*args, **kwargs)

    checked.__name__ = checked.__qualname__ = name
    checked.__doc__ = original.__doc__
    _replace_everywhere(original, checked)
