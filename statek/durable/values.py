"""What the durable store can hold without changing it or crashing: the encoder.

dbzero 0.7 kills the process on some values (tuples with negative ints, cycles, very deep lists, lone
surrogates as keys), cuts texts at the first NUL and changes others silently (decimals with a positive
exponent, datetimes with a zone). Nothing reaches it that has not passed here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import dbzero

from statek.exceptions import UnstorableValue

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_NODES", "MAX_TEXT_BYTES", "check_key", "check_storable"]

MAX_BYTES = 64 * 1024  #: longest ``bytes`` value, in bytes; longer content belongs into the block store
MAX_TEXT_BYTES = 8 * 1024 * 1024  #: longest ``str`` value, in bytes of UTF-8
MAX_DEPTH = 100  #: deepest nesting of plain containers
MAX_NODES = 100_000  #: most values in one checked write

_INT64_MIN = -(1 << 63)
_INT64_MAX = (1 << 63) - 1

_is_memo: Callable[[object], bool] = dbzero.is_memo
_is_enum_value: Callable[[object], bool] = dbzero.is_enum_value

# The container types of dbzero. They cannot be subclassed, so type identity is the whole test. Their
# constructors' names are functions, the types are only reachable from an instance or through the module.
_native_types: set[type] = set()

_ADVICE = {
    dt.timedelta: "store integer microseconds",
    dt.timezone: "store the zone's name",
    complex: "store a list of two floats",
    frozenset: "store a list or a set",
    bytearray: "store bytes",
    memoryview: "store bytes",
    range: "store a list",
}


def register_native_type(kind: type) -> None:
    """Name a container type whose instances are already durable and may be stored by reference."""
    _native_types.add(kind)


def check_storable(value: object, path: str = "value") -> None:
    """Refuse what the store cannot hold unchanged.

    Storable are None, bool, int of 64 bits, float, str without NUL and lone surrogates, bytes up to
    ``MAX_BYTES``, date, datetime without a zone, lists, tuples and sets of storable values, dicts with
    storable keys (see `check_key`), memo objects, dbzero enum values and durable containers. Plain
    containers are copied by the store, so cycles through them are refused. The walk is iterative: any
    depth gives an error and never a crash.

    Args:
        value: what is about to be written.
        path: how errors call it.

    Raises:
        UnstorableValue: with the path of the offending part and what to do instead.
    """
    kind = type(value)
    if kind is int or kind is str or value is None or kind is bool or kind is float:
        _check_leaf(value, kind, path)
        return
    if kind not in _CONTAINERS:
        _check_leaf(value, kind, path)
        return
    _walk(value, path)


def check_key(key: object, path: str = "key") -> None:
    """Refuse what dbzero cannot find again (or crashes on) as a dict key or set member.

    Keys are str, int from 0 to 2**63 - 1, date, datetime without a zone, memo objects and dbzero enum values.

    Raises:
        UnstorableValue: for any other key.
    """
    kind = type(key)
    if kind is str:
        _check_leaf(key, kind, path)
    elif kind is int:
        if not 0 <= key <= _INT64_MAX:  # type: ignore[operator]
            raise UnstorableValue(path, "integer keys must lie between 0 and 2**63 - 1; use a str key")
    elif kind is dt.date or kind is dt.datetime:
        _check_leaf(key, kind, path)
    elif not (_is_memo(key) and not isinstance(key, type)) and not _is_enum_value(key):
        raise UnstorableValue(path, f"a {_name(kind)} cannot be a key or set member; use a str key")


def _name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _check_leaf(value: Any, kind: type, path: str) -> None:
    if kind is str:
        _check_text(value, path)
    elif kind is int:
        if not _INT64_MIN <= value <= _INT64_MAX:
            raise UnstorableValue(path, "integers must fit in 64 bits; store it as str or bytes")
    elif value is None or kind is bool or kind is float or kind is dt.date:
        return
    elif kind is bytes:
        if len(value) > MAX_BYTES:
            raise UnstorableValue(path, f"bytes may be {MAX_BYTES} long, this is {len(value)}; use the block store")
    elif kind is dt.datetime:
        if value.tzinfo is not None:
            raise UnstorableValue(
                path, "datetimes with a zone lose microseconds; store int microseconds UTC plus the zone's name"
            )
        if value.fold:
            raise UnstorableValue(path, "the fold of a datetime is not kept; store int microseconds UTC")
    elif kind in _native_types:
        return
    elif isinstance(value, type) or not (_is_memo(value) or _is_enum_value(value)):
        advice = _ADVICE.get(kind, "store plain fields, or encoded bytes")
        what = "class" if isinstance(value, type) else _name(kind)
        raise UnstorableValue(path, f"the type {what} is not storable; {advice}")


def _check_text(value: str, path: str) -> None:
    if value.isascii():
        size = len(value)
    else:
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            raise UnstorableValue(path, "the text holds a lone surrogate; store encoded bytes") from None
    if "\0" in value:
        raise UnstorableValue(path, "the text holds a NUL character, where the store would cut it; store encoded bytes")
    if size > MAX_TEXT_BYTES:
        raise UnstorableValue(path, f"texts may be {MAX_TEXT_BYTES} bytes long, this is {size}; use the block store")


_CONTAINERS = frozenset({list, tuple, dict, set})


def _walk(root: Any, path: str) -> None:
    """Check a plain container: depth first on an explicit stack, open containers by identity."""
    nodes = 0
    open_ids: set[int] = {id(root)}
    stack: list[tuple[Any, Any, str]] = [(root, _entries(root, path), path)]
    while stack:
        container, entries, where = stack[-1]
        for child, child_path in entries:
            nodes += 1
            if nodes > MAX_NODES:
                raise UnstorableValue(path, f"one write may hold {MAX_NODES} values; split it")
            kind = type(child)
            if kind not in _CONTAINERS:
                _check_leaf(child, kind, child_path)
                continue
            if id(child) in open_ids:
                raise UnstorableValue(child_path, "it contains itself; link durable objects instead")
            if len(stack) >= MAX_DEPTH:
                raise UnstorableValue(path, f"plain containers may nest {MAX_DEPTH} deep; use durable objects")
            open_ids.add(id(child))
            stack.append((child, _entries(child, child_path), child_path))
            break
        else:
            stack.pop()
            open_ids.discard(id(container))
        del where


def _entries(container: Any, path: str) -> Any:
    kind = type(container)
    if kind is dict:
        for key, item in container.items():
            check_key(key, f"{path}, key {_brief(key)}")
            yield item, f"{path}[{_brief(key)}]"
    elif kind is set:
        for member in container:
            check_key(member, f"{path}, member {_brief(member)}")
            yield None, path
    elif kind is tuple:
        for index, item in enumerate(container):
            # As a set member or key a tuple with a negative int kills the process; as a value it is exact.
            yield item, f"{path}[{index}]"
    else:
        for index, item in enumerate(container):
            yield item, f"{path}[{index}]"


def _brief(key: object) -> str:
    """A short ASCII form of a plain key; anything else by its type, its own repr is not trusted."""
    if type(key) in (str, int, float, bool, bytes):
        text = ascii(key[:40] if isinstance(key, str | bytes) else key)
        return text if len(text) <= 60 else text[:57] + "..."
    return f"<{_name(type(key))}>"
