"""The graph form: how values cross the boundary, in a binary form without pickles.

Known types: None, bool, int (any size), float, complex, str (NUL and lone surrogates kept), bytes, bytearray, list,
tuple, dict, set, frozenset, range, slice, date, time, datetime, timezone and ZoneInfo, timedelta, Decimal, Fraction,
UUID, paths, members of importable enums, deque, Counter, defaultdict, OrderedDict, handles of
durable objects, and futures. Exact types only. Order, sharing and cycles are kept. Pure standard library, no recursion.
"""

from __future__ import annotations

from sandbox_runner.wire.graph_decode import decode
from sandbox_runner.wire.graph_encode import encode
from sandbox_runner.wire.graph_format import (
    EnumValue,
    FutureRef,
    GraphError,
    GraphLimits,
    Handle,
    Substitute,
    UnsupportedValue,
)

__all__ = [
    "EnumValue",
    "FutureRef",
    "GraphError",
    "GraphLimits",
    "Handle",
    "Substitute",
    "UnsupportedValue",
    "decode",
    "encode",
]
