"""Replace methods of classes that are written in C.

dbzero's container types are static C types: they cannot be subclassed and refuse attribute assignment.
CPython keeps their methods in a dict and, beside it, operators in tables of function pointers ("slots").
Both are replaced here: the dict entry by a Python function, the slot by CPython's own dispatcher (the
function that an ordinary Python class with that special method has there), which looks the method up by
name and so finds the replacement. Layout: Include/cpython/object.h, 64 bit, CPython 3.11 to 3.14.

Ways tried: wrapping containers on attribute read (breaks ``is`` and type identity, and misses containers
reached by iteration); ctypes callbacks in the slots (cannot raise); subclassing (refused by the types).
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from typing import Any

__all__ = ["raw_setattr", "replace_method"]

_POINTER = ctypes.sizeof(ctypes.c_void_p)
_NUMBER, _SEQUENCE, _MAPPING, _SETATTRO = 96, 104, 112, 152  # offsets in PyTypeObject, bytes

#: special method -> the slots it may live in, as (table, index in the table)
_SLOTS: dict[str, tuple[tuple[int, int], ...]] = {
    "__getitem__": ((_MAPPING, 1), (_SEQUENCE, 3)),
    "__setitem__": ((_MAPPING, 2), (_SEQUENCE, 5)),
    "__delitem__": ((_MAPPING, 2), (_SEQUENCE, 5)),
    "__contains__": ((_SEQUENCE, 7),),
    "__isub__": ((_NUMBER, 20),),
    "__iand__": ((_NUMBER, 26),),
    "__ixor__": ((_NUMBER, 27),),
    "__ior__": ((_NUMBER, 28),),
}

_type_modified = ctypes.pythonapi.PyType_Modified
_type_modified.argtypes = [ctypes.py_object]
_type_modified.restype = None


def _any_method(self: object, *args: object) -> None:
    """Fill the donor class; never called."""


# A Python class with every special method above: its slots hold CPython's dispatchers.
_donor = type("_Donor", (), dict.fromkeys(_SLOTS, _any_method))


def _slot(kind: type, table: int, index: int) -> ctypes.c_void_p | None:
    base = ctypes.c_void_p.from_address(id(kind) + table).value
    return None if base is None else ctypes.c_void_p.from_address(base + index * _POINTER)


def replace_method(kind: type, name: str, make: Callable[[Any], Callable[..., Any]]) -> bool:
    """Put ``make(original)`` in the place of a method of a C type, operator slots included.

    Args:
        kind: the type.
        name: the method's name.
        make: gets the original (call it as ``original(self, ...)``), gives the replacement.

    Returns:
        Whether the type has such a method.
    """
    namespace: dict[str, Any] = gc.get_referents(kind.__dict__)[0]
    original = namespace.get(name)
    if original is None:
        return False
    namespace[name] = make(original)
    for table, index in _SLOTS.get(name, ()):
        slot, dispatcher = _slot(kind, table, index), _slot(_donor, table, index)
        # An empty slot stays empty: filling it would change how the interpreter treats the type.
        if slot is not None and slot.value and dispatcher is not None:
            slot.value = dispatcher.value
    _type_modified(kind)
    return True


_SetAttr = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.py_object, ctypes.py_object)
_DelAttr = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.py_object, ctypes.c_void_p)


def raw_setattr(kind: type) -> tuple[Callable[[object, str, object], Any], Callable[[object, str], Any]]:
    """The C functions behind attribute assignment and deletion of a class, as they are now.

    The slot wrapper in the class refuses to run once the class has another ``__setattr__``, so the function
    itself is called.
    """
    pointer = ctypes.c_void_p.from_address(id(kind) + _SETATTRO).value
    assert pointer is not None
    delete = _DelAttr(pointer)
    return _SetAttr(pointer), lambda obj, name: delete(obj, name, None)
