"""Pickling of plain numpy arrays so that views stay views.

numpy pickles a view as an array of its own, which would lose the alias. Here an array that owns its memory is its
raw bytes, and a view is its base with an offset and strides. Rebuilt arrays have the same form again, so that an
untouched one pickles to the same bytes after a restore.
"""

from __future__ import annotations

import pickle
from typing import Any

__all__ = ["reduce_array"]


def reduce_array(array: Any) -> tuple[Any, ...] | None:
    """Give the reduction of an exact ``numpy.ndarray``, or None to leave it to numpy."""
    dtype = array.dtype
    if dtype.hasobject or not array.size:
        return None
    base = array.base
    writeable = bool(array.flags.writeable)
    if type(base) is type(array):
        if base.dtype.hasobject or not base.flags.c_contiguous:
            return None
        offset = array.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        return _view, (base, dtype, array.shape, offset, array.strides, writeable)
    if array.flags.c_contiguous:
        return _own, (pickle.PickleBuffer(array.reshape(-1).view("u1")), dtype, array.shape, "C", writeable)
    if array.flags.f_contiguous:
        return _own, (pickle.PickleBuffer(array.T.reshape(-1).view("u1")), dtype, array.shape, "F", writeable)
    return None


def _view(base: Any, dtype: Any, shape: tuple[int, ...], offset: int, strides: tuple[int, ...], writeable: bool) -> Any:
    found = type(base)(shape, dtype, buffer=base, offset=offset, strides=strides)
    if not writeable:
        found.flags.writeable = False
    return found


def _own(buffer: Any, dtype: Any, shape: tuple[int, ...], order: Any, writeable: bool) -> Any:
    import numpy as np

    found = np.ndarray(shape, dtype, buffer=buffer, order=order)
    if not writeable:
        found.flags.writeable = False
    return found
