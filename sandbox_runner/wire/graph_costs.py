"""What hashing and comparing the keys of a decoded graph may cost.

Three things make a small graph of a hostile sender expensive: tuples that share parts (Python does not cache
their hashes), keys made to collide, and large numbers, whose hashes are not cached either and whose comparison
with a Decimal takes quadratic time. All three are paid from one budget, before the keys are put in place.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sandbox_runner.wire.graph_format import GraphError

__all__ = ["LARGE_NUMBER_BYTES", "HashCosts"]

LARGE_NUMBER_BYTES = 512
"""Numbers longer than this make ``large_numbers`` true."""

_BUDGET_PER_NODE = 16
_COMPARISON_COST = 64
_COLLISIONS_MATTER = 128


class HashCosts:
    """The budget of one decoding run.

    Args:
        max_nodes: limit of the run; the budget is in proportion.

    Attributes:
        shared_parts: whether a tuple or frozenset has been referred to.
        large_numbers: whether a number of more than LARGE_NUMBER_BYTES has been read.
    """

    __slots__ = ("_budget", "large_numbers", "shared_parts")

    def __init__(self, max_nodes: int) -> None:
        self._budget = _BUDGET_PER_NODE * max(max_nodes, 1)
        self.shared_parts = False
        self.large_numbers = False

    def check(self, keys: list[Any], pos: int) -> None:
        """Refuse keys whose hashing or probing would take more than linear time.

        Args:
            keys: of one container.
            pos: byte of the encoding, for the message.

        Raises:
            GraphError: the budget is used up, or too many hashes are equal.
        """
        if self.shared_parts:
            self._pay(sum(map(self._size, keys)), "keys share too many parts", pos)
        if self.large_numbers:
            self._pay(self._comparisons(keys), "large numbers among keys with equal hashes", pos)
        if len(keys) > _COLLISIONS_MATTER and len(set(map(hash, keys))) * 4 < len(keys):
            raise GraphError(f"too many keys with equal hashes before byte {pos}")

    def _pay(self, cost: int, what: str, pos: int) -> None:
        self._budget -= cost
        if self._budget < 0:
            raise GraphError(f"{what} before byte {pos}")

    def _comparisons(self, keys: list[Any]) -> int:
        """What comparing the large numbers with keys of the same hash costs."""
        weights = [(key, weight) for key in keys if (weight := self._walk(key)[1])]
        if not weights:
            return 0
        equal = Counter(map(hash, keys))
        return sum(_COMPARISON_COST * weight * weight * (equal[hash(key)] - 1) for key, weight in weights)

    def _size(self, key: object) -> int:
        parts, weight = self._walk(key)
        self._budget -= parts  # already here, so that many keys which share all their parts are walked only so often
        return weight

    def _walk(self, key: object) -> tuple[int, int]:
        """Count what hashing a key visits (a little over the budget at most), and the weight of its numbers."""
        parts = weight = 0
        pending = [key]
        while pending and parts <= self._budget:
            item = pending.pop()
            parts += 1
            if type(item) is tuple or type(item) is frozenset:
                pending.extend(item)
            elif self.large_numbers:
                weight += _weight(item)
        return parts, weight


def _weight(item: object) -> int:
    """What hashing a number costs beyond that of a small one, in parts of 256 bytes."""
    if isinstance(item, int | Decimal):
        return item.__sizeof__() >> 8
    if isinstance(item, Fraction):
        return (item.numerator.__sizeof__() + item.denominator.__sizeof__()) >> 8
    if isinstance(item, range):
        return (item.start.__sizeof__() + item.stop.__sizeof__() + item.step.__sizeof__()) >> 8
    return 0
