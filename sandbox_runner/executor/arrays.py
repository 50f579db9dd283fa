"""Pickling of plain numpy arrays so that views stay views.

numpy pickles a view as an array of its own, which would lose the alias, and forgets that an array is read-only. Here
an array that owns its memory is its raw bytes (or its objects), and a view is what owns the memory with an offset and
strides. Rebuilt arrays have the same form again, so that an untouched one pickles to the same bytes after a restore.
"""

from __future__ import annotations

import array
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

__all__ = ["ArrayMemory", "reduce_array"]


class ArrayMemory(bytearray):
    """Restored memory of an array that owns it: no object of the user's, so the array is no view of one."""


def reduce_array(found: Any) -> tuple[Any, ...] | None:
    """Give the reduction of an exact ``numpy.ndarray``, or None to leave it to numpy."""
    dtype = found.dtype
    objects = dtype.kind == "O"
    if not found.size or (dtype.hasobject and not objects):
        return None
    writeable = bool(found.flags.writeable)
    owner = _owner(found)
    if owner is None:
        return _reduce_own(found, objects=objects, writeable=writeable)
    offset = _address(found) - _address(owner)
    if type(owner) is not type(found):  # memory of a bytearray or an array.array
        return (_view, (owner, dtype, found.shape, offset, found.strides, writeable)) if not objects else None
    if not owner.flags.c_contiguous or owner.dtype.hasobject != objects:
        return None
    if objects:
        return _objects_view, (owner, found.shape, offset // dtype.itemsize, found.strides, writeable)
    return _view, (owner, dtype, found.shape, offset, found.strides, writeable)


def _owner(found: Any) -> Any:
    """What owns the memory of a view, if that is something that others may hold too; None for the array itself."""
    owner, below = None, found.base
    while below is not None:
        if type(below) is memoryview:
            below = below.obj
        if type(below) in {bytearray, array.array}:
            return below
        if type(below) is type(found):
            owner = below
        elif type(below).__name__ != "DummyArray":  # what as_strided puts between a view and its array
            break
        below = below.base
    return owner


def _address(memory: Any) -> int:
    """Where the memory of an array or a buffer begins."""
    if hasattr(memory, "__array_interface__"):
        return int(memory.__array_interface__["data"][0])
    import numpy as np

    return int(np.frombuffer(memory, "u1").__array_interface__["data"][0])


def _reduce_own(
    found: Any, *, objects: bool, writeable: bool
) -> tuple[Callable[..., Any], tuple[Any, ...]] | tuple[Any, ...] | None:
    order = "C" if found.flags.c_contiguous else "F" if found.flags.f_contiguous else ""
    if not order:
        return None
    if objects:
        # The array exists before what is in it: an object in it may hold this very array.
        return _empty_objects, (found.shape, order), (list(found.flat), writeable), None, None, _fill_objects
    flat = found.reshape(-1) if order == "C" else found.T.reshape(-1)
    return _own, (pickle.PickleBuffer(flat.view("u1")), found.dtype, found.shape, order, writeable)


def _view(
    owner: Any, dtype: Any, shape: tuple[int, ...], offset: int, strides: tuple[int, ...], writeable: bool
) -> Any:
    import numpy as np

    if not isinstance(owner, np.ndarray):
        owner = np.frombuffer(owner, "u1")  # holds the memory: nobody can resize it now
    with _writable(owner):
        found = np.ndarray(shape, dtype, buffer=owner, offset=offset, strides=strides)
    return _guarded(found, writeable)


def _objects_view(owner: Any, shape: tuple[int, ...], start: int, strides: tuple[int, ...], writeable: bool) -> Any:
    from numpy.lib.stride_tricks import as_strided

    with _writable(owner):
        found = as_strided(owner.reshape(-1)[start:], shape, strides)
    return _guarded(found, writeable)


def _own(buffer: Any, dtype: Any, shape: tuple[int, ...], order: Any, writeable: bool) -> Any:
    import numpy as np

    if type(buffer) is memoryview:
        buffer = buffer.obj  # its memory itself: a view may be writable where the array is not
    if type(buffer) is bytearray or type(buffer) is bytes:  # a small one, from within the pickle
        return _guarded(np.ndarray(shape, dtype, buffer=buffer, order=order).copy(order), writeable)
    return _guarded(np.ndarray(shape, dtype, buffer=buffer, order=order), writeable)


def _empty_objects(shape: tuple[int, ...], order: Any) -> Any:
    import numpy as np

    return np.empty(shape, object, order)


def _fill_objects(found: Any, state: tuple[list[Any], bool]) -> None:
    import numpy as np

    items, writeable = state
    found[...] = np.fromiter(items, object, len(items)).reshape(found.shape)
    _guarded(found, writeable)


@contextmanager
def _writable(owner: Any) -> Iterator[None]:
    """Views taken within are writable, as those are that were taken before their array became read-only."""
    locked = not owner.flags.writeable
    if locked:
        with suppress(ValueError):  # memory that nobody may write: its views cannot be writable either
            owner.flags.writeable = True
    try:
        yield
    finally:
        if locked:
            owner.flags.writeable = False


def _guarded(found: Any, writeable: bool) -> Any:
    if not writeable:
        found.flags.writeable = False
    return found
