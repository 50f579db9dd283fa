"""Encoder of the graph form: iterative, so that depth is bounded by memory alone.

Containers are copied (one C call, atomic under the GIL) before they are walked: another thread of the user's code
may be changing them. Sets are written in an order that does not depend on the hash seed.
"""

from __future__ import annotations

import datetime as dt
import struct
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import Enum, EnumMeta
from fractions import Fraction
from itertools import chain
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sandbox_runner.wire.graph_format import (
    FACTORIES,
    FORMAT,
    MAX_FRACTION_BYTES,
    MAX_FUTURE_PARTS,
    MAX_RANGE_BYTES,
    PATH_TYPES,
    SHORT_TEXT,
    SHORT_TEXT_LIMIT,
    SMALL_INT_BIAS,
    SMALL_INT_HIGH,
    SMALL_INT_LOW,
    EnumValue,
    FutureRef,
    GraphError,
    Handle,
    Substitute,
    Tag,
    UnsupportedValue,
)

__all__ = ["encode"]

_PACK_FLOAT = struct.Struct("<Bd").pack
_PACK_COMPLEX = struct.Struct("<Bdd").pack
_PACK_DATE = struct.Struct("<BHBB").pack
_PACK_TIME = struct.Struct("<BBBIB").pack
_PACK_TIMEDELTA = struct.Struct("<BiiI").pack
_MAX_SET_NESTING = 50

_INT, _FLOAT, _TEXT, _REF = int(Tag.INT), int(Tag.FLOAT), int(Tag.TEXT), int(Tag.REF)
_CONTAINERS: dict[type, int] = {
    list: Tag.LIST,
    tuple: Tag.TUPLE,
    dict: Tag.DICT,
    set: Tag.SET,
    frozenset: Tag.FROZENSET,
    slice: Tag.SLICE,
    deque: Tag.DEQUE,
    Counter: Tag.COUNTER,
    defaultdict: Tag.DEFAULTDICT,
    OrderedDict: Tag.ORDEREDDICT,
}
_MAPPINGS = frozenset({dict, Counter, defaultdict, OrderedDict})
_PATHS = {kind: index for index, kind in enumerate(PATH_TYPES)}
_FACTORY_INDEX: dict[Any, int] = {factory: index for index, factory in enumerate(FACTORIES)}

ToHandle = Callable[[object], Handle | FutureRef | Substitute | None]
_Frame = tuple[Any, list[Any], Iterator[Any]]


def encode(value: object, *, to_handle: ToHandle | None = None, max_bytes: int | None = None) -> bytes:
    """Encode a value in graph form. The same graph always gives the same bytes.

    Args:
        value: any value of the supported types (exact types; subclasses are unsupported).
        to_handle: called with each object of an unknown type; gives its handle, its future, the value that is to be
            written in its place, or None.
        max_bytes: largest acceptable encoding in bytes.

    Raises:
        UnsupportedValue: something in it has no graph form; carries path and type name.
        GraphError: the encoding is longer than ``max_bytes``.
    """
    return bytes(_encode(value, to_handle, max_bytes, 0))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _sized(tag: int, data: bytes | bytearray) -> bytes:
    return bytes((tag,)) + _varint(len(data)) + data


def _signed(number: int) -> bytes:
    return number.to_bytes((number.bit_length() >> 3) + 1, "little", signed=True)


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return bytes((SHORT_TEXT + len(data),)) + data if len(data) < SHORT_TEXT_LIMIT else _sized(_TEXT, data)


def _int(number: int) -> bytes:
    if SMALL_INT_LOW <= number <= SMALL_INT_HIGH:
        return bytes((SMALL_INT_BIAS + number,))
    return _sized(_INT, _signed(number))


def _encode(root: object, to_handle: ToHandle | None, max_bytes: int | None, nesting: int) -> bytearray:
    out = bytearray((FORMAT,))
    limit = sys.maxsize if max_bytes is None else max_bytes
    numbers: dict[int, int] = {}
    alive: list[Any] = []  # numbered objects must not be freed while their id stands for them
    stack: list[_Frame] = []
    frame: _Frame = (None, [root], iter((root,)))
    while True:
        for item in frame[2]:
            kind = type(item)
            if kind is str:
                data = item.encode("utf-8", "surrogatepass")
                if len(data) < SHORT_TEXT_LIMIT:
                    out.append(SHORT_TEXT + len(data))
                    out += data
                else:
                    _check_room(out, len(data), limit)
                    out += _sized(_TEXT, data)
            elif kind is int:
                if SMALL_INT_LOW <= item <= SMALL_INT_HIGH:
                    out.append(SMALL_INT_BIAS + item)
                else:
                    out += _sized(_INT, _signed(item))
            elif kind is float:
                out += _PACK_FLOAT(_FLOAT, item)
            elif item is None:
                out.append(0)
            elif kind is bool:
                out.append(2 if item else 1)
            elif kind in _CONTAINERS and (item or (kind is not tuple and kind is not frozenset)):
                number = numbers.get(id(item))
                if number is not None:
                    out.append(_REF)
                    out += _varint(number)
                    continue
                numbers[id(item)] = len(alive)
                alive.append(item)
                try:
                    children = _open(item, kind, out, to_handle, nesting)
                except _Refused as refused:
                    raise _unsupported([*stack, frame], item, str(refused)) from None
                _check_room(out, len(children), limit)
                stack.append(frame)
                frame = (item, children, iter(children))
                break
            elif kind in _CONTAINERS:
                out += bytes((_CONTAINERS[kind], 0))
            elif kind is bytes:
                _check_room(out, len(item), limit)
                out += _sized(Tag.BYTES, item)
            elif kind is bytearray:
                number = numbers.get(id(item))
                if number is not None:
                    out.append(_REF)
                    out += _varint(number)
                    continue
                numbers[id(item)] = len(alive)
                alive.append(item)
                _check_room(out, len(item), limit)
                out += _sized(Tag.BYTEARRAY, bytes(item))
            else:
                try:
                    written = _scalar(item, kind, to_handle)
                except _Refused as refused:
                    raise _unsupported([*stack, frame], item, str(refused)) from None
                if isinstance(written, Substitute):
                    # A frame without a container: its only child is written in the object's place.
                    stack.append(frame)
                    frame = (None, [written.value], iter((written.value,)))
                    break
                out += written
        else:
            if not stack:
                _check_room(out, 0, limit)
                return out
            frame = stack.pop()


def _check_room(out: bytearray, more: int, limit: int) -> None:
    if len(out) + more > limit:
        raise GraphError(f"the value needs more than {limit} bytes in graph form")


class _Refused(Exception):
    """This object has no graph form; the text says why if its type alone does not."""


def _open(item: Any, kind: type, out: bytearray, to_handle: ToHandle | None, nesting: int) -> list[Any]:
    """Write the head of a container and give a snapshot of its children."""
    children: list[Any]
    if kind in _MAPPINGS:
        if kind is not dict and kind is not defaultdict and item.__dict__:
            raise _Refused("it has attributes of its own")
        children = list(chain.from_iterable(item.items()))
        count = len(children) >> 1
    elif kind is slice:
        children = [item.start, item.stop, item.step]
        count = 3
    elif kind is set or kind is frozenset:
        children = _ordered(list(item), to_handle, nesting)
        count = len(children)
    else:
        children = list(item)
        count = len(children)
    out.append(_CONTAINERS[kind])
    out += _varint(count)
    if kind is deque:
        out += _varint(0 if item.maxlen is None else item.maxlen + 1)
    elif kind is defaultdict:
        factory = item.default_factory
        index = _FACTORY_INDEX.get(factory) if factory is None or isinstance(factory, type) else None
        if index is None:
            raise _Refused(f"its default factory is {getattr(factory, '__name__', type(factory).__name__)}")
        out.append(index)
    return children


def _ordered(members: list[Any], to_handle: ToHandle | None, nesting: int) -> list[Any]:
    """Order the members of a set independently of hash seed and insertion."""
    if len(members) < 2:
        return members
    kinds = set(map(type, members))
    if len(kinds) == 1 and kinds <= {str, int, bytes}:
        members.sort()
        return members
    if nesting >= _MAX_SET_NESTING:
        raise _Refused(f"sets are nested more than {_MAX_SET_NESTING} deep")
    try:
        members.sort(key=lambda member: bytes(_encode(member, to_handle, None, nesting + 1)))
    except UnsupportedValue as error:
        raise _Refused(f"it has a member of type {error.type_name}") from None
    return members


def _scalar(item: Any, kind: type, to_handle: ToHandle | None) -> bytes | Substitute:
    writer = _SCALARS.get(kind)
    if writer is not None:
        return writer(item)
    if isinstance(kind, EnumMeta):
        return _enum(item, kind)
    found = to_handle(item) if to_handle is not None else None
    if found is None:
        raise _Refused
    if type(found) is Substitute:
        return found
    return _handle(found) if type(found) is Handle else _future(found)


def _handle(handle: Handle) -> bytes:
    if not 0 < handle.id < 1 << 63:
        raise _Refused(f"handle id {handle.id} is out of range")
    return bytes((Tag.HANDLE,)) + _varint(handle.id) + _text(handle.type_name)


def _future(future: Any) -> bytes:
    if not 0 < future.id < 1 << 63:
        raise _Refused(f"future id {future.id} is out of range")
    if not 0 <= future.size <= MAX_FUTURE_PARTS or not -1 <= future.index < MAX_FUTURE_PARTS:
        raise _Refused("a part of the future is out of range")
    head = bytes((Tag.FUTURE,)) + _varint(future.id) + _varint(future.size) + _varint(future.index + 1)
    return head + _text(future.what)


def _enum(item: Any, kind: EnumMeta) -> bytes:
    found: Any = sys.modules.get(kind.__module__)
    for part in kind.__qualname__.split("."):
        found = getattr(found, part, None)
    if found is not kind or kind.__module__ == "__main__":
        raise _Refused("an enum must be importable")
    name = item.name if isinstance(item, Enum) else None
    if not isinstance(name, str) or kind.__members__.get(name) is not item:
        raise _Refused("only named members of an enum can")
    return _enum_value(EnumValue(kind.__module__, kind.__qualname__, name))


def _enum_value(value: EnumValue) -> bytes:
    return bytes((Tag.ENUM,)) + _text(value.module) + _text(value.qualname) + _text(value.name)


def _zone(zone: dt.tzinfo | None) -> bytes:
    """0 for none, 1 with the microseconds and name of a fixed offset, 2 with the key of an IANA zone."""
    if zone is None:
        return b"\0"
    if type(zone) is dt.timezone:
        offset = zone.utcoffset(None)
        name = zone.tzname(None)
        plain = dt.timezone(offset).tzname(None) == name
        return b"\1" + _int(offset // dt.timedelta(microseconds=1)) + (b"\0" if plain else _text(name))
    if type(zone) is ZoneInfo and zone.key is not None:
        return b"\2" + _text(zone.key)
    raise _Refused(f"its time zone is of type {type(zone).__name__}")


def _time_part(item: dt.time | dt.datetime) -> bytes:
    return _PACK_TIME(item.hour, item.minute, item.second, item.microsecond, item.fold) + _zone(item.tzinfo)


def _fraction(item: Fraction) -> bytes:
    parts = _signed(item.numerator), _signed(item.denominator)
    if max(map(len, parts)) > MAX_FRACTION_BYTES:
        raise _Refused(f"a part of it is longer than {MAX_FRACTION_BYTES} bytes")
    return bytes((Tag.FRACTION,)) + _int(item.numerator) + _int(item.denominator)


def _range(item: range) -> bytes:
    parts = (item.start, item.stop, item.step)
    if max(len(_signed(part)) for part in parts) > MAX_RANGE_BYTES:
        raise _Refused(f"a part of it is longer than {MAX_RANGE_BYTES} bytes")
    return bytes((Tag.RANGE,)) + b"".join(map(_int, parts))


def _path(item: Any) -> bytes:
    return bytes((Tag.PATH, _PATHS[type(item)])) + _text(str(item))


_SCALARS: dict[type, Callable[[Any], bytes]] = {
    complex: lambda item: _PACK_COMPLEX(Tag.COMPLEX, item.real, item.imag),
    range: _range,
    dt.date: lambda item: _PACK_DATE(Tag.DATE, item.year, item.month, item.day),
    dt.time: lambda item: bytes((Tag.TIME,)) + _time_part(item),
    dt.datetime: lambda item: _PACK_DATE(Tag.DATETIME, item.year, item.month, item.day) + _time_part(item),
    dt.timedelta: lambda item: _PACK_TIMEDELTA(Tag.TIMEDELTA, item.days, item.seconds, item.microseconds),
    dt.timezone: lambda item: bytes((Tag.ZONE,)) + _zone(item),
    ZoneInfo: lambda item: bytes((Tag.ZONE,)) + _zone(item),
    Decimal: lambda item: _sized(Tag.DECIMAL, str(item).encode()),
    Fraction: _fraction,
    UUID: lambda item: bytes((Tag.UUID,)) + item.bytes,
    Handle: _handle,
    FutureRef: _future,
    EnumValue: _enum_value,
    **dict.fromkeys(PATH_TYPES, _path),
}


def _unsupported(frames: list[_Frame], item: object, reason: str) -> UnsupportedValue:
    """Name the place from how far each open container has been walked."""
    path = "value"
    for container, children, walk in frames:
        if container is None:
            continue
        index = len(children) - walk.__length_hint__() - 1  # type: ignore[attr-defined]
        kind = type(container)
        if kind in _MAPPINGS:
            key = children[index & ~1]
            shown = repr(key)[:80] if type(key) in {str, int, float, bool, type(None)} else type(key).__name__
            path += f"[{shown}]" if index & 1 else f".key({shown})"
        elif kind is set or kind is frozenset:
            path += "{member}"
        else:
            path += f"[{index}]"
        if len(path) > 500:
            path = f"{path[:200]}...{path[-200:]}"
    kind = type(item)
    name = (
        kind.__qualname__ if kind.__module__ in {"builtins", "__main__"} else f"{kind.__module__}.{kind.__qualname__}"
    )
    return UnsupportedValue(path, name, reason)
