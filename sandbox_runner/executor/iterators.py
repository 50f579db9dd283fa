"""Iterators of ``itertools`` in pickles: where they stand is part of the workspace.

Python 3.12 and 3.13 warn that pickling them goes away, and 3.14 has done away with it (docs.python.org, "What's New In
Python 3.14", itertools): a program that takes warnings for errors would lose them. ``count`` and ``repeat``, which hold
no other iterator, are read here without the help of the library; the others as long as it helps, and from 3.14 on they
are lost like generators, with the reason.
"""

from __future__ import annotations

import gc
import itertools
import sys
import warnings
from typing import Any

__all__ = ["ITERATORS", "reduce_iterator"]

ITERATORS = tuple(
    kind for kind in vars(itertools).values() if isinstance(kind, type) and kind.__module__ == "itertools"
)
"""Every type of the module."""


def reduce_iterator(iterator: Any) -> Any:
    """How to make an iterator of the module again, in the state in which it is.

    Raises:
        TypeError: this version of Python does not tell.
    """
    kind = type(iterator)
    held = [item for item in gc.get_referents(iterator) if item is not kind]
    if kind is itertools.count and len(held) == 2:
        return kind, tuple(held)  # next value and step
    if kind is itertools.count and len(held) == 1:
        # It counts by one in machine integers: its representation alone tells, and at the last of them not even that.
        text = repr(iterator).removeprefix("count(").removesuffix(")")
        return kind, (sys.maxsize if text == "<NULL>" else int(text),)
    if kind is itertools.repeat and len(held) == 1:
        try:
            return kind, (held[0], iterator.__length_hint__())
        except TypeError:
            return kind, (held[0],)  # without an end
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        reduced = iterator.__reduce_ex__(5)
    return reduced if len(reduced) < 3 else (*reduced[:3], None, None, _set_state)


def _set_state(iterator: Any, state: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        iterator.__setstate__(state)
