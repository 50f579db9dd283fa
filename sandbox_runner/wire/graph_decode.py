"""Decoder of the graph form. The bytes may come from a hostile runner.

Nothing here imports, evaluates or calls what the bytes name. Time and memory are bounded by the length of the
input and the limits: a container never reserves more than the bytes that follow could fill, and hashing has a
budget (``graph_costs``).

A container that can change is made empty at its head, so that what is inside may refer to it. One that cannot
(tuple, frozenset, slice) exists only after its children; a reference to it from inside (a cycle through a list,
say) is left open and settled at the end.
"""

from __future__ import annotations

import datetime as dt
import re
import struct
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from sandbox_runner.wire.graph_costs import LARGE_NUMBER_BYTES, HashCosts
from sandbox_runner.wire.graph_format import (
    FACTORIES,
    FORMAT,
    MAX_FRACTION_BYTES,
    MAX_FUTURE_PARTS,
    MAX_RANGE_BYTES,
    PATH_TYPES,
    SHORT_TEXT,
    SMALL_INT,
    SMALL_INT_BIAS,
    EnumValue,
    FutureRef,
    GraphError,
    GraphLimits,
    Handle,
    Tag,
    Unfinished,
)
from sandbox_runner.wire.graph_zones import zone_of_key

__all__ = ["decode"]

_FLOAT = struct.Struct("<d").unpack_from
_COMPLEX = struct.Struct("<dd").unpack_from
_DATE = struct.Struct("<HBB").unpack_from
_TIME = struct.Struct("<BBBIB").unpack_from
_TIMEDELTA = struct.Struct("<iiI").unpack_from
_DECIMAL = re.compile(rb"-?(?:\d+(?:\.\d+)?(?:E[+-]\d{1,19})?|Infinity|s?NaN\d*)\Z")

_TEXT, _INT, _FLOAT_TAG, _REF, _BYTES = map(int, (Tag.TEXT, Tag.INT, Tag.FLOAT, Tag.REF, Tag.BYTES))
_LIST, _DEFAULTDICT, _ORDEREDDICT = int(Tag.LIST), int(Tag.DEFAULTDICT), int(Tag.ORDEREDDICT)
_IMMUTABLE = frozenset(map(int, (Tag.TUPLE, Tag.FROZENSET, Tag.SLICE)))
_PAIRED = frozenset(map(int, (Tag.DICT, Tag.COUNTER, Tag.DEFAULTDICT, Tag.ORDEREDDICT)))

EnumLoader = Callable[[EnumValue], object]
FromFuture = Callable[[FutureRef], object]
FromHandle = Callable[[Handle], object]


def decode(
    data: bytes,
    *,
    from_handle: FromHandle | None = None,
    limits: GraphLimits | None = None,
    enum_loader: EnumLoader | None = None,
    from_future: FromFuture | None = None,
) -> object:
    """Decode one graph.

    Args:
        data: what ``encode`` gave, or anything a hostile sender made of it.
        from_handle: makes the object that stands for a handle; without it handles stay ``Handle``.
        limits: what is accepted; the default is for bytes from the other side.
        enum_loader: finds an enum member; without it enums stay ``EnumValue``. Only for use inside the sandbox.
        from_future: makes the object that stands for a future; without it futures stay ``FutureRef``.

    Raises:
        GraphError: malformed, or over a limit. Nothing else is raised, whatever the bytes are.
    """
    limits = limits or GraphLimits()
    if len(data) > limits.max_bytes:
        raise GraphError(f"{len(data)} bytes of graph form, at most {limits.max_bytes} are accepted")
    reader = _Reader(bytes(data), limits, from_handle, enum_loader, from_future)
    try:
        return reader.read()
    except GraphError:
        raise
    except (IndexError, struct.error):
        raise GraphError(f"the graph ends too early, at byte {len(data)}") from None
    except (ValueError, TypeError, OverflowError, ArithmeticError, RecursionError, OSError, LookupError) as error:
        raise GraphError(f"malformed {reader.tag_name()} before byte {reader.pos}: {error}") from None


class _Reader:
    """One decoding run; ``pos`` is the next unread byte."""

    def __init__(
        self,
        data: bytes,
        limits: GraphLimits,
        from_handle: FromHandle | None,
        enum_loader: EnumLoader | None,
        from_future: FromFuture | None,
    ) -> None:
        self.data = data
        self.limits = limits
        self.from_handle = from_handle
        self.enum_loader = enum_loader
        self.from_future = from_future
        self.pos = 1
        self.tag = 0
        self.slots: list[Any] = []
        self.open_references = False
        self.deferred: list[tuple[int, int, list[Any]]] = []
        self.costs = HashCosts(limits.max_nodes)

    def tag_name(self) -> str:
        """What was being read, for messages."""
        return Tag(self.tag).name if self.tag in Tag._value2member_map_ else f"value with tag {self.tag:#x}"

    def read(self) -> object:
        """Read the whole graph."""
        data, limits = self.data, self.limits
        if not data or data[0] != FORMAT:
            raise GraphError(f"not a graph: the first byte is not {FORMAT}")
        nodes_left = limits.max_nodes
        end = len(data)
        max_text = limits.max_text_bytes
        # The frame being filled, kept in locals: tag, slot, children so far, children wanted.
        stack: list[tuple[int, int, list[Any], int]] = []
        children: list[Any] = []
        kind, slot, wanted = _LIST, -1, 1
        pos = 1
        while True:
            nodes_left -= 1
            if nodes_left < 0:
                raise GraphError(f"the graph has more than {limits.max_nodes} nodes")
            tag = data[pos]
            pos += 1
            value: Any
            if tag >= SMALL_INT:
                value = tag - SMALL_INT_BIAS
            elif tag >= SHORT_TEXT:
                stop = pos + tag - SHORT_TEXT
                if stop > end:
                    raise IndexError
                value = data[pos:stop].decode("utf-8", "surrogatepass")
                pos = stop
            elif tag in _HEADS:
                self.tag, self.pos = tag, pos
                count = self.varint()
                if tag == Tag.SLICE and count != 3:
                    raise GraphError(f"slice without three parts before byte {self.pos}")
                need = count * 2 if tag in _PAIRED else count
                made = _HEADS[tag](self) if tag not in _IMMUTABLE else None
                pos = self.pos
                if need > end - pos:
                    raise IndexError
                if need > nodes_left:
                    raise GraphError(f"the graph has more than {limits.max_nodes} nodes")
                if need == 0 and made is None:
                    value = () if tag == Tag.TUPLE else frozenset()
                else:
                    if made is None:
                        made = Unfinished(len(self.slots))
                    self.slots.append(made)
                    if need:
                        if len(stack) >= limits.max_depth:
                            raise GraphError(f"the graph is more than {limits.max_depth} containers deep at byte {pos}")
                        stack.append((kind, slot, children, wanted))
                        kind, slot, children, wanted = tag, len(self.slots) - 1, [], need
                        continue
                    value = made
            else:
                self.tag, self.pos = tag, pos
                if tag == _REF:
                    value = self.reference()
                elif tag in {_TEXT, _BYTES}:
                    value = self.sized(max_text)
                    if tag == _TEXT:
                        value = value.decode("utf-8", "surrogatepass")
                elif tag == _INT:
                    value = int.from_bytes(self.sized(max_text), "little", signed=True)
                    if self.pos - pos > LARGE_NUMBER_BYTES:
                        self.costs.large_numbers = True
                elif tag == _FLOAT_TAG:
                    value = _FLOAT(data, pos)[0]
                    self.pos += 8
                else:
                    scalar = _SCALARS.get(tag)
                    if scalar is None:
                        raise GraphError(f"unknown tag {tag:#x} at byte {pos - 1}")
                    value = scalar(self)
                pos = self.pos
            children.append(value)
            while len(children) == wanted:
                if not stack:
                    if pos != end:
                        raise GraphError(f"{end - pos} bytes after the end of the graph")
                    return self.settled(children[0])
                self.tag, self.pos = kind, pos
                value = self.close(kind, slot, children)
                kind, slot, children, wanted = stack.pop()
                children.append(value)

    def varint(self) -> int:
        """Read an unsigned number of at most 63 bits."""
        data, pos = self.data, self.pos
        result = shift = 0
        while True:
            byte = data[pos]
            pos += 1
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                self.pos = pos
                return result
            shift += 7
            if shift > 56:
                raise GraphError(f"number too long at byte {pos}")

    def sized(self, most: int) -> bytes:
        """Read a length and that many bytes."""
        length = self.varint()
        stop = self.pos + length
        if stop > len(self.data):
            raise IndexError
        if length > most:
            raise GraphError(f"a value of {length} bytes at byte {self.pos}, at most {most} are accepted")
        data = self.data[self.pos : stop]
        self.pos = stop
        return data

    def byte(self) -> int:
        """Read one byte."""
        value = self.data[self.pos]
        self.pos += 1
        return value

    def scalar_int(self) -> int:
        """Read an integer in either form."""
        tag = self.byte()
        if tag >= SMALL_INT:
            return tag - SMALL_INT_BIAS
        if tag != _INT:
            raise GraphError(f"expected an integer at byte {self.pos - 1}")
        data = self.sized(self.limits.max_text_bytes)
        if len(data) > LARGE_NUMBER_BYTES:
            self.costs.large_numbers = True
        return int.from_bytes(data, "little", signed=True)

    def scalar_text(self) -> str:
        """Read a text in either form."""
        tag = self.byte()
        if SHORT_TEXT <= tag < SMALL_INT:
            stop = self.pos + tag - SHORT_TEXT
            if stop > len(self.data):
                raise IndexError
            data = self.data[self.pos : stop]
            self.pos = stop
        elif tag == _TEXT:
            data = self.sized(self.limits.max_text_bytes)
        else:
            raise GraphError(f"expected a text at byte {self.pos - 1}")
        return data.decode("utf-8", "surrogatepass")

    def reference(self) -> object:
        """Read the number of an earlier container."""
        slot = self.varint()
        if slot >= len(self.slots):
            raise GraphError(f"reference to a container that did not appear yet at byte {self.pos}")
        value = self.slots[slot]
        if type(value) is Unfinished:
            self.open_references = self.costs.shared_parts = True
        elif type(value) in {tuple, frozenset}:
            self.costs.shared_parts = True
        return value

    def close(self, kind: int, slot: int, children: list[Any]) -> object:
        """Finish a container whose children are all read."""
        if self.open_references and any(type(child) is Unfinished for child in children):
            self.deferred.append((kind, slot, children))
            return self.slots[slot]
        if kind in _IMMUTABLE:
            value = self.immutable(kind, children)
            self.slots[slot] = value
            return value
        target = self.slots[slot]
        self.fill(kind, target, children)
        return target

    def immutable(self, kind: int, children: list[Any]) -> object:
        """Build a tuple, frozenset or slice."""
        if kind == Tag.TUPLE:
            return tuple(children)
        if kind == Tag.SLICE:
            return slice(*children)
        self.costs.check(children, self.pos)
        return frozenset(children)

    def fill(self, kind: int, target: Any, children: list[Any]) -> None:
        """Put the children into a container that was made empty."""
        if kind in _PAIRED:
            keys = children[::2]
            self.costs.check(keys, self.pos)
            if kind == Tag.COUNTER:
                dict.update(target, zip(keys, children[1::2], strict=True))
            else:
                target.update(zip(keys, children[1::2], strict=True))
        elif kind == Tag.SET:
            self.costs.check(children, self.pos)
            target.update(children)
        else:
            target.extend(children)

    def settled(self, root: object) -> object:
        """Settle references that were open when they were read, then give the root."""
        if not self.deferred:
            return root
        slots = self.slots
        waiting: dict[int, int] = {}
        dependents: dict[int, list[int]] = {}
        entries = {slot: (kind, children) for kind, slot, children in self.deferred}
        ready: list[int] = []
        for slot, (kind, children) in entries.items():
            if kind not in _IMMUTABLE:
                continue
            needs = {child.slot for child in children if type(child) is Unfinished and child.slot in entries}
            waiting[slot] = len(needs)
            for need in needs:
                dependents.setdefault(need, []).append(slot)
            if not needs:
                ready.append(slot)
        while ready:
            slot = ready.pop()
            kind, children = entries[slot]
            slots[slot] = self.immutable(kind, [self.resolved(child) for child in children])
            del waiting[slot]
            for dependent in dependents.get(slot, ()):
                waiting[dependent] -= 1
                if not waiting[dependent]:
                    ready.append(dependent)
        if waiting:
            raise GraphError("a tuple contains itself without a list or dict between")
        for slot, (kind, children) in entries.items():
            if kind not in _IMMUTABLE:
                self.fill(kind, slots[slot], [self.resolved(child) for child in children])
        return self.resolved(root)

    def resolved(self, child: object) -> object:
        """The finished container for one that was open."""
        return self.slots[child.slot] if type(child) is Unfinished else child

    def zone(self) -> dt.tzinfo | None:
        """Read a time zone."""
        form = self.byte()
        if form == 0:
            return None
        if form == 1:
            offset = dt.timedelta(microseconds=self.scalar_int())
            if self.data[self.pos] == 0:
                self.pos += 1
                return dt.timezone(offset)
            return dt.timezone(offset, self.scalar_text())
        if form == 2:
            return zone_of_key(self.scalar_text())
        raise GraphError(f"unknown zone form {form} at byte {self.pos}")

    def date(self) -> dt.date:
        """Read a date."""
        year, month, day = _DATE(self.data, self.pos)
        self.pos += 4
        return dt.date(year, month, day)

    def time(self) -> dt.time:
        """Read a time of day."""
        hour, minute, second, micro, fold = _TIME(self.data, self.pos)
        self.pos += 8
        return dt.time(hour, minute, second, micro, self.zone(), fold=fold)

    def datetime(self) -> dt.datetime:
        """Read a date with a time of day."""
        return dt.datetime.combine(self.date(), self.time())

    def timedelta(self) -> dt.timedelta:
        """Read a duration."""
        days, seconds, micros = _TIMEDELTA(self.data, self.pos)
        self.pos += 12
        return dt.timedelta(days, seconds, micros)

    def complex(self) -> complex:
        """Read a complex number."""
        real, imaginary = _COMPLEX(self.data, self.pos)
        self.pos += 16
        return complex(real, imaginary)

    def bytearray(self) -> bytearray:
        """Read a byte array, which has an identity."""
        value = bytearray(self.sized(self.limits.max_text_bytes))
        self.slots.append(value)
        return value

    def decimal(self) -> Decimal:
        """Read a decimal."""
        text = self.sized(self.limits.max_text_bytes)
        if len(text) > LARGE_NUMBER_BYTES:
            self.costs.large_numbers = True
        if not _DECIMAL.match(text):
            raise GraphError(f"malformed decimal before byte {self.pos}")
        return Decimal(text.decode())

    def range(self) -> range:
        """Read a range; bounded, for its length is computed by a division."""
        start = self.pos
        parts = self.scalar_int(), self.scalar_int(), self.scalar_int()
        if self.pos - start > 3 * MAX_RANGE_BYTES + 12:
            raise GraphError(f"range of too long numbers before byte {self.pos}")
        return range(*parts)

    def fraction(self) -> Fraction:
        """Read a fraction; bounded, for it is reduced."""
        start = self.pos
        numerator, denominator = self.scalar_int(), self.scalar_int()
        if self.pos - start > 2 * MAX_FRACTION_BYTES + 8:
            raise GraphError(f"fraction too long before byte {self.pos}")
        return Fraction(numerator, denominator)

    def uuid(self) -> UUID:
        """Read a UUID."""
        start = self.pos
        self.pos += 16
        return UUID(bytes=self.data[start : self.pos])

    def enum(self) -> object:
        """Read the names of an enum member."""
        value = EnumValue(self.scalar_text(), self.scalar_text(), self.scalar_text())
        return value if self.enum_loader is None else self.enum_loader(value)

    def handle(self) -> object:
        """Read a handle."""
        number = self.varint()
        if number == 0:
            raise GraphError(f"handle id 0 before byte {self.pos}")
        handle = Handle(number, self.scalar_text())
        return handle if self.from_handle is None else self.from_handle(handle)

    def future(self) -> object:
        """Read a future."""
        number, size, element = self.varint(), self.varint(), self.varint()
        if number == 0:
            raise GraphError(f"future id 0 before byte {self.pos}")
        if size > MAX_FUTURE_PARTS or element > MAX_FUTURE_PARTS:
            raise GraphError(f"a part of a future is out of range before byte {self.pos}")
        future = FutureRef(number, self.scalar_text(), size, element - 1)
        return future if self.from_future is None else self.from_future(future)

    def deque(self) -> deque[Any]:
        """Make an empty deque of the size that follows."""
        size = self.varint()
        return deque(maxlen=size - 1 if size else None)


_HEADS: dict[int, Callable[[_Reader], Any]] = {
    Tag.LIST: lambda _: [],
    Tag.TUPLE: lambda _: None,
    Tag.DICT: lambda _: {},
    Tag.SET: lambda _: set(),
    Tag.FROZENSET: lambda _: None,
    Tag.SLICE: lambda _: None,
    Tag.DEQUE: _Reader.deque,
    Tag.COUNTER: lambda _: Counter(),
    Tag.DEFAULTDICT: lambda reader: defaultdict(FACTORIES[reader.byte()]),
    Tag.ORDEREDDICT: lambda _: OrderedDict(),
}
_SCALARS: dict[int, Callable[[_Reader], Any]] = {
    Tag.NONE: lambda _: None,
    Tag.FALSE: lambda _: False,
    Tag.TRUE: lambda _: True,
    Tag.COMPLEX: _Reader.complex,
    Tag.BYTEARRAY: _Reader.bytearray,
    Tag.RANGE: _Reader.range,
    Tag.DATE: _Reader.date,
    Tag.TIME: _Reader.time,
    Tag.DATETIME: _Reader.datetime,
    Tag.TIMEDELTA: _Reader.timedelta,
    Tag.DECIMAL: _Reader.decimal,
    Tag.FRACTION: _Reader.fraction,
    Tag.UUID: _Reader.uuid,
    Tag.PATH: lambda reader: PATH_TYPES[reader.byte()](reader.scalar_text()),
    Tag.ENUM: _Reader.enum,
    Tag.HANDLE: _Reader.handle,
    Tag.FUTURE: _Reader.future,
    Tag.ZONE: _Reader.zone,
}
