"""Strict JSON: finite numbers, no repeated keys; for values that come from outside."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

__all__ = ["read_json"]


def read_json(text: str) -> Any:
    """Read a JSON value.

    Raises:
        ValueError: it is none, or has NaN, Infinity, a repeated key, a number of more than 4300 digits
            (Python's own bound) or too many levels.
    """
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object without repeated keys: which one counts would be anybody's guess."""
    result = dict(pairs)
    if len(result) != len(pairs):
        repeated = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"key {repeated!r} is given twice")
    return result
