"""Small plain values: arguments and results of calls that no durable object can be concerned with.

They are read and written on the event loop, in a fraction of the time that a visit to the store thread takes. What is
plain is told by exact types, never by the absence of something; whatever is not, or is longer than a few dozen values,
takes the way through the store thread, which also says what is wrong with it.
"""

from __future__ import annotations

from typing import Any

from orchestrator.engine.objects.arguments import checked_call
from sandbox_runner.wire.values import GraphError, GraphLimits, UnsupportedValue, decode, encode

__all__ = ["decode_plain", "encode_plain"]

_MAX_NODES = 64
_MAX_BYTES = 4096
_LIMITS = GraphLimits(max_bytes=_MAX_BYTES, max_nodes=_MAX_NODES, max_depth=6, max_text_bytes=_MAX_BYTES)

_SCALARS = frozenset({type(None), bool, float})
_TEXTS = frozenset({str, bytes})


def decode_plain(data: bytes) -> tuple[list[Any], dict[str, Any]] | None:
    """The arguments of a call if they are few and plain; None for any other, malformed ones included."""
    try:
        found = decode(data, limits=_LIMITS)
        return checked_call(found) if _is_plain(found) else None
    except GraphError:
        return None


def encode_plain(value: object) -> bytes | None:
    """A value in graph form if it is short and plain; None for any other."""
    try:
        return encode(value) if _is_plain(value) else None
    except (GraphError, UnsupportedValue, RuntimeError):  # the application has changed it meanwhile, in another thread
        return None


def _is_plain(value: Any) -> bool:
    """Whether it is None, a number, a text, bytes, or a list or a dict with texts as keys of such, and small."""
    waiting: list[Any] = [value]
    left, room = _MAX_NODES, _MAX_BYTES
    while waiting:
        left -= 1
        if left < 0:  # of a cycle too
            return False
        one = waiting.pop()
        kind = type(one)
        if kind in _SCALARS:
            continue
        if kind in _TEXTS:
            room -= len(one)
            if room < 0:
                return False
        elif kind is int:
            if not -(1 << 63) <= one < 1 << 63:
                return False
        elif kind is list:
            if len(one) > left:
                return False
            waiting += one
        elif kind is dict:
            if len(one) > left or any(type(key) is not str for key in one):
                return False
            waiting += one
            waiting += one.values()
        else:
            return False
    return True
