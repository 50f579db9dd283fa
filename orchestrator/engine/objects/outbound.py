"""Values of the application on their way to a sandbox: durable objects become handles.

Everything else must have a graph form; containers are copied while they are searched, so that what
is sent cannot change under the encoder, and sharing and cycles survive the copy.
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, KeysView, ValuesView
from itertools import islice
from typing import Any

from orchestrator.engine.objects.kinds import Kind, enum_text, is_durable_tuple, is_query, kind_of
from orchestrator.engine.objects.surface import surface_of
from sandbox_runner.wire.values import FutureRef, Handle
from statek.exceptions import LimitExceeded
from statek.future import FutureElement, FutureResult

__all__ = ["PLAIN_TYPES", "Outbound", "type_key"]

MAX_DEPTH = 200
"""Containers inside containers of one result."""

PLAIN_TYPES = frozenset({type(None), bool, int, float, complex, str, bytes})
"""Types that are sent as they are and contain nothing."""


def type_key(target: Any, kind: Kind) -> str:
    """Name the type of a durable object for messages: ``module:Qualname``, or the kind of collection."""
    return surface_of(type(target)).key if kind is Kind.OBJECT else kind.value


class Outbound:
    """Converts values for one answer.

    Args:
        make_handle: gives the handle of a durable object of a kind, granting it if need be.
        max_items: elements drawn from an iterator, and values converted in all times ten.
    """

    def __init__(
        self,
        make_handle: Callable[[Any, Kind], Handle],
        *,
        max_items: int,
        make_future: Callable[[Any], FutureRef] | None = None,
    ) -> None:
        self._make_handle = make_handle
        self._make_future = make_future
        self._max_items = max_items
        self._copies: dict[int, Any] = {}
        self._originals: list[Any] = []  # keeps ids in _copies from being reused
        self._left = max_items * 10
        self.handles: list[int] = []

    def to_handle(self, target: object) -> Handle | None:
        """Give the handle of a durable object, granting it; None for anything else."""
        kind = kind_of(target)
        if kind is None:
            return None
        handle = self._make_handle(target, kind)
        self.handles.append(handle.id)
        return handle

    def convert(self, value: Any, depth: int = 0) -> Any:
        """Give the plain form of a value.

        Raises:
            LimitExceeded: too many or too deeply nested values, or too many grants.
        """
        if type(value) in PLAIN_TYPES:
            return value
        self._left -= 1
        if self._left < 0:
            raise LimitExceeded("result_items", self._max_items * 10, self._max_items * 10 + 1)
        if depth > MAX_DEPTH:
            raise LimitExceeded("result_depth", MAX_DEPTH, depth)
        kind = type(value)
        if kind in {list, dict, set}:
            return self._container(value, depth + 1)
        if kind in {tuple, frozenset}:
            return kind([self.convert(item, depth + 1) for item in value])
        if is_durable_tuple(value):
            return tuple([self.convert(item, depth + 1) for item in value])
        if isinstance(value, FutureResult | FutureElement) and self._make_future is not None:
            return self._make_future(value)
        handle = self.to_handle(value)
        if handle is not None:
            return handle
        text = enum_text(value)
        if text is not None:
            return text
        if isinstance(value, Iterator | KeysView | ValuesView | ItemsView) or is_query(value):
            return self._drawn(value, depth + 1)
        return value

    def _container(self, value: Any, depth: int) -> Any:
        known = self._copies.get(id(value))
        if known is not None:
            return known
        if len(value) > self._max_items * 100:  # a byte each is more than a result may have: not even copied
            raise LimitExceeded("result_items", self._max_items * 100, len(value), "return fewer, or page through them")
        self._originals.append(value)
        copy: Any = type(value)()
        self._copies[id(value)] = copy
        if type(value) is dict:
            for key, item in value.items():
                copy[self.convert(key, depth)] = self.convert(item, depth)
        elif type(value) is set:
            copy.update([self.convert(item, depth) for item in value])
        else:
            copy.extend([self.convert(item, depth) for item in value])
        return copy

    def _drawn(self, value: Any, depth: int) -> list[Any]:
        """Draw the elements of an iterator, a view or a query."""
        drawn = list(islice(iter(value), self._max_items + 1))
        if len(drawn) > self._max_items:
            raise LimitExceeded("result_items", self._max_items, len(drawn), "return fewer, or page through them")
        return [self.convert(item, depth) for item in drawn]
