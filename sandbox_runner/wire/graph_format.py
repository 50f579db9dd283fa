"""What both halves of the graph codec share: host views, limits, errors and the tag table.

Layout: one format byte, then one value. A value is a tag byte and its data; a container is a tag, the number of
its children as a varint, then its children. Every container gets the next number in order of appearance (empty
tuples and frozensets excepted, they have no identity worth keeping) and ``REF`` names an earlier one, which is
how sharing and cycles are kept. Integers are little-endian two's complement; text is UTF-8 with surrogates passed.

Small things are one byte: ``0x80 + 32 + n`` is the integer n in -32..95, ``0x40 + n`` is a text of n < 64 bytes.
"""

from __future__ import annotations

import enum
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass
from pathlib import PosixPath, PurePosixPath, PureWindowsPath

__all__ = [
    "FORMAT",
    "EnumValue",
    "FutureRef",
    "GraphError",
    "GraphLimits",
    "Handle",
    "Substitute",
    "Tag",
    "Unfinished",
    "UnsupportedValue",
]

FORMAT = 0x01
"""Generation of the format, the first byte of every encoding."""

SMALL_INT = 0x80
SMALL_INT_LOW = -32
SMALL_INT_HIGH = 95
SMALL_INT_BIAS = SMALL_INT - SMALL_INT_LOW
SHORT_TEXT = 0x40
SHORT_TEXT_LIMIT = 64

MAX_FRACTION_BYTES = 4096
"""Numerator and denominator are reduced on decoding, which takes quadratic time."""

MAX_FUTURE_PARTS = 1000
"""Longest tuple whose length a future may tell beforehand."""

MAX_RANGE_BYTES = 4096
"""Start, stop and step of a range: its length is computed on decoding, which takes quadratic time."""


class Tag(enum.IntEnum):
    """Tag bytes below the one-byte forms."""

    NONE = 0x00
    FALSE = 0x01
    TRUE = 0x02
    INT = 0x03
    FLOAT = 0x04
    COMPLEX = 0x05
    TEXT = 0x06
    BYTES = 0x07
    BYTEARRAY = 0x08
    REF = 0x09
    LIST = 0x0A
    TUPLE = 0x0B
    DICT = 0x0C
    SET = 0x0D
    FROZENSET = 0x0E
    SLICE = 0x0F
    DEQUE = 0x10
    COUNTER = 0x11
    DEFAULTDICT = 0x12
    ORDEREDDICT = 0x13
    RANGE = 0x14
    DATE = 0x15
    TIME = 0x16
    DATETIME = 0x17
    TIMEDELTA = 0x18
    DECIMAL = 0x19
    FRACTION = 0x1A
    UUID = 0x1B
    PATH = 0x1C
    ENUM = 0x1D
    HANDLE = 0x1E
    ZONE = 0x1F
    FUTURE = 0x20


FACTORIES: tuple[type | None, ...] = (None, int, list, dict, set, str, float, tuple)
"""Factories that a defaultdict may have; the index is what travels."""

PATH_TYPES: tuple[type[PurePosixPath | PureWindowsPath], ...] = (PurePosixPath, PosixPath, PureWindowsPath)
"""Path types; the index is what travels."""

MUTABLE_TYPES: tuple[type, ...] = (list, dict, set, bytearray, deque, Counter, defaultdict, OrderedDict)


@dataclass(frozen=True, slots=True)
class Handle:
    """What the host sees for a durable object in a value.

    Attributes:
        id: positive number of the handle, less than 2**63.
        type_name: type key, for messages only.
    """

    id: int
    type_name: str


@dataclass(frozen=True, slots=True)
class FutureRef:
    """A value that is not there yet: what crosses the boundary of a future.

    Attributes:
        id: positive number of the future, less than 2**63; it means something only to a job that was given it.
        what: what is waited for, for people.
        size: length of the tuple that it will be; 0 when that is not known.
        index: which element of that tuple this is; -1 for the whole.
    """

    id: int
    what: str = ""
    size: int = 0
    index: int = -1


@dataclass(frozen=True, slots=True)
class Substitute:
    """What an encoder hook gives for an object that is to be written as another value."""

    value: object


@dataclass(frozen=True, slots=True)
class EnumValue:
    """An enum member where its class is out of reach: names, never the class.

    What the host sees of one of the sandbox, and the sandbox of one of the application.
    """

    module: str
    qualname: str
    name: str

    def __str__(self) -> str:
        """As the member is shown: ``Priority.HIGH``."""
        return f"{self.qualname.rpartition('.')[2]}.{self.name}"


@dataclass(frozen=True, slots=True)
class GraphLimits:
    """What ``decode`` accepts.

    Attributes:
        max_bytes: length of the encoding.
        max_nodes: values of any kind, containers included.
        max_depth: containers inside containers.
        max_text_bytes: length of one text or bytes value.
    """

    max_bytes: int = 1 << 20
    max_nodes: int = 100_000
    max_depth: int = 100
    max_text_bytes: int = 1 << 20


class Unfinished:
    """Stands for an immutable container while what it contains is still being read."""

    __slots__ = ("slot",)

    def __init__(self, slot: int) -> None:
        self.slot = slot


class GraphError(ValueError):
    """Malformed bytes or a limit; the message names what and where."""


class UnsupportedValue(GraphError):
    """A value that the graph form does not know.

    Attributes:
        path: where in the value, for example ``value['a'][3]``.
        type_name: qualified name of the type found there.
        reason: what of it has no form; empty where the type itself has none.
    """

    def __init__(self, path: str, type_name: str, reason: str = "") -> None:
        super().__init__(f"{path} is of type {type_name}, which cannot cross the boundary{reason and ': ' + reason}")
        self.path = path
        self.type_name = type_name
        self.reason = reason
