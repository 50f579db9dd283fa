"""Make every write to dbzero a checked write, whoever makes it.

Application code uses plain ``@dbzero.memo`` classes and dbzero's containers. On import of ``statek.durable``
memo classes (those that exist and those to come) and the container types get checking methods, so a
value that dbzero would crash on or change raises `UnstorableValue` before dbzero sees it. While a store is
open, writes are also refused outside its atomic blocks, and dbzero's own commit, close, init and the like
are refused to everybody but the store (`control`).

What cannot be intercepted: ``object.__setattr__`` called by name on a memo object.
"""

from __future__ import annotations

import datetime as dt
import decimal
import sys
from collections.abc import Callable
from typing import Any

import dbzero

from statek.durable._slots import raw_setattr, replace_method
from statek.durable.containers import (
    checked_items,
    checked_members,
    checked_pairs,
    gated,
    install_containers,
    native,
)
from statek.durable.gate import RESERVED, control, gate, replace_everywhere
from statek.durable.values import check_storable
from statek.durable.watching import touched, watched
from statek.exceptions import UnstorableValue

__all__ = ["install"]

_installed = False


def install() -> None:
    """Make writes checked in this process. Calling it again does nothing."""
    global _installed  # once per process, as the types are
    if _installed:
        return
    _installed = True
    install_containers()
    _install_others()
    _install_memo()
    for name in RESERVED:
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
        if watched and id(self) in watched:
            touched(self)

    def __delattr__(self: object, name: str) -> None:  # noqa: N807
        may_write()
        delete(self, name)
        if watched and id(self) in watched:
            touched(self)

    __setattr__.checked_by_statek = True  # type: ignore[attr-defined]
    kind.__setattr__ = __setattr__  # type: ignore[assignment, method-assign]
    kind.__delattr__ = __delattr__  # type: ignore[assignment, method-assign]


def _install_memo() -> None:
    module = sys.modules["dbzero.memo"]
    wrap = module._wrap_memo_type  # noqa: SLF001 - every memo class passes it

    def wrap_checked(*args: Any, **kwargs: Any) -> type:
        kind: type = wrap(*args, **kwargs)
        _check_class(kind)
        return kind

    replace_everywhere(wrap, wrap_checked)
    seen: set[type] = set()
    pending: list[type] = [object]
    while pending:
        subclasses: list[type] = type.__subclasses__(pending.pop())
        for kind in subclasses:
            if kind not in seen:
                seen.add(kind)
                pending.append(kind)
                if dbzero.is_memo(kind):
                    _check_class(kind)


# --- functions --------------------------------------------------------------------------------------

_Checked = Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]


def _check_index_key(key: object) -> None:
    kind = type(key)
    if kind is decimal.Decimal:
        exponent = key.as_tuple().exponent  # type: ignore[attr-defined]
        if not isinstance(exponent, int) or exponent > 0 or len(key.as_tuple().digits) > 17:  # type: ignore[attr-defined]
            raise UnstorableValue("index key", "decimals keep 17 digits and no positive exponent; use an integer")
    elif key is None or kind in (int, dt.date, dt.datetime):
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
    replace_method(native.Index, "remove", gated(index_add))
    replace_method(native.Index, "clear", gated(lambda original: original))
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
    _replace_function("list", lambda *args: ((checked_items(args[0], "list"),) if args else (), {}))
    _replace_function("tuple", lambda *args: ((tuple(checked_items(args[0], "tuple")),) if args else (), {}))
    _replace_function("set", lambda *args: ((checked_members(args[0], "set"),) if args else (), {}))
    _replace_function("dict", lambda *args, **kwargs: ((checked_pairs(args, kwargs, "dict"),), {}))
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
    replace_everywhere(original, checked)
