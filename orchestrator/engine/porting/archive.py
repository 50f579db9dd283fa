"""The file format of a job's archive: framed, bounded, sealed. What the frames mean is said in docs/porting.md.

Little endian::

    8   magic "stkjob01"
    per frame:
        1   kind: an ASCII letter of ``Kind``
        1   coding: 0 as it is, 1 zlib
        4   length of the content, bytes
        4   length of what follows, bytes
        n   the content, coded
    the last frame, kind "Z": BLAKE3 of everything before it, 32 bytes

An archive that is cut off has no last frame, one that was changed has another digest: neither is read any further than
that. A frame says how long its content is, and never more than that is decompressed.
"""

from __future__ import annotations

import enum
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from blake3 import blake3

from statek.exceptions import InvalidArchive, LimitExceeded

__all__ = [
    "MAGIC",
    "MAX_ARCHIVE_BYTES",
    "MAX_CONTENT_BYTES",
    "ArchiveWriter",
    "Frame",
    "Kind",
    "read_frame_at",
    "read_frames",
]

MAGIC = b"stkjob01"

MAX_ARCHIVE_BYTES = 4 << 30
"""Contents of one archive, all frames together and decompressed."""

MAX_FRAMES = 2_000_000
"""Frames of one archive: each costs its reader memory, however small it is."""

_HEAD = struct.Struct("<BBII")
_DIGEST = 32
_PLAIN, _ZLIB = 0, 1
_LEVEL = 1  # blocks of variables hardly get smaller at the higher ones, and take ten times as long
_WORTH_BYTES = 256  # shorter contents are written as they are


class Kind(enum.Enum):
    """What a frame holds."""

    HEAD = ord("H")
    BLOCK = ord("B")
    ITEM = ord("I")
    JOURNAL = ord("J")
    END = ord("E")
    COMMIT = ord("C")
    SEAL = ord("Z")


MAX_CONTENT_BYTES = {
    Kind.HEAD: 8 << 20,
    Kind.BLOCK: 1 << 20,
    Kind.ITEM: 16 << 20,
    Kind.JOURNAL: 32 << 20,
    Kind.END: 32 << 20,
    Kind.COMMIT: 32 << 20,
    Kind.SEAL: _DIGEST,
}
"""Longest content of one frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, its content decompressed.

    Attributes:
        kind: what it holds.
        content: that.
        offset: where in the file it begins.
    """

    kind: Kind
    content: bytes
    offset: int


class ArchiveWriter:
    """Makes the bytes of an archive, frame by frame."""

    def __init__(self) -> None:
        self._seal = blake3()
        self._total = 0
        self._frames = 0

    def begin(self) -> bytes:
        """What the file begins with."""
        return self._sealed(MAGIC)

    def frame(self, kind: Kind, content: bytes) -> bytes:
        """One frame.

        Raises:
            LimitExceeded: it, or the whole, is longer than any reader takes.
        """
        if len(content) > MAX_CONTENT_BYTES[kind]:
            what = f"the job has an entry ({kind.name.lower()}) that no archive holds"
            raise LimitExceeded("archive_frame_bytes", MAX_CONTENT_BYTES[kind], len(content), what)
        self._total += len(content)
        self._frames += 1
        if self._total > MAX_ARCHIVE_BYTES:
            raise LimitExceeded("archive_bytes", MAX_ARCHIVE_BYTES, self._total, "back up the whole store instead")
        if self._frames > MAX_FRAMES:
            raise LimitExceeded("archive_frames", MAX_FRAMES, self._frames, "back up the whole store instead")
        return self._sealed(_encode(kind, content))

    def end(self) -> bytes:
        """The seal."""
        return _encode(Kind.SEAL, self._seal.digest())

    def _sealed(self, data: bytes) -> bytes:
        self._seal.update(data)
        return data


def _encode(kind: Kind, content: bytes) -> bytes:
    coding, stored = _PLAIN, content
    if len(content) >= _WORTH_BYTES:
        packed = zlib.compress(content, _LEVEL)
        if len(packed) < len(content):
            coding, stored = _ZLIB, packed
    return _HEAD.pack(kind.value, coding, len(content), len(stored)) + stored


def read_frames(file: BinaryIO) -> Iterator[Frame]:
    """The frames of an archive in order, the seal checked and not given.

    Args:
        file: at the beginning of the archive, which ends where the file does.

    Raises:
        InvalidArchive: no archive, cut off, changed, or larger than its frames say.
        LimitExceeded: a frame or the whole is larger than is taken.
    """
    seal = blake3()
    magic = _read(file, len(MAGIC), "its first bytes")
    if magic != MAGIC:
        raise InvalidArchive("this is no archive of a job, or one of a later version of the service")
    seal.update(magic)
    total, count, offset = 0, 0, len(MAGIC)
    while True:
        head = _read(file, _HEAD.size, f"frame {count}")
        number, coding, length, stored_length = _HEAD.unpack(head)
        kind = _kind(number, count)
        _check_lengths(kind, coding, length, stored_length, count)
        stored = _read(file, stored_length, f"frame {count}")
        content = _decode(coding, length, stored, count)
        if kind is Kind.SEAL:
            if content != seal.digest():
                raise InvalidArchive("the archive was changed: its content does not fit its seal")
            if file.read(1):
                raise InvalidArchive("the archive goes on behind its seal")
            return
        total, count = total + length, count + 1
        if total > MAX_ARCHIVE_BYTES:
            raise LimitExceeded("archive_bytes", MAX_ARCHIVE_BYTES, total)
        if count > MAX_FRAMES:
            raise LimitExceeded("archive_frames", MAX_FRAMES, count)
        seal.update(head)
        seal.update(stored)
        yield Frame(kind, content, offset)
        offset += _HEAD.size + stored_length


def read_frame_at(file: BinaryIO, offset: int) -> bytes:
    """The content of a frame that ``read_frames`` has given before."""
    file.seek(offset)
    _, coding, length, stored_length = _HEAD.unpack(_read(file, _HEAD.size, "a frame"))
    return _decode(coding, length, _read(file, stored_length, "a frame"), 0)


def _kind(number: int, count: int) -> Kind:
    try:
        return Kind(number)
    except ValueError:
        raise InvalidArchive(f"frame {count} of the archive is of an unknown kind: {number}") from None


def _check_lengths(kind: Kind, coding: int, length: int, stored_length: int, count: int) -> None:
    if length > MAX_CONTENT_BYTES[kind]:
        raise LimitExceeded("archive_frame_bytes", MAX_CONTENT_BYTES[kind], length, f"frame {count} of the archive")
    expected = stored_length == length if coding == _PLAIN else coding == _ZLIB and stored_length < length
    if not expected:
        raise InvalidArchive(f"frame {count} of the archive has coding {coding}, {stored_length} bytes for {length}")


def _decode(coding: int, length: int, stored: bytes, count: int) -> bytes:
    if coding == _PLAIN:
        return stored
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(stored, length + 1)
    except zlib.error as error:
        raise InvalidArchive(f"frame {count} of the archive does not decompress: {error}") from None
    if len(content) != length or not unpacker.eof or unpacker.unused_data:
        raise InvalidArchive(f"frame {count} of the archive holds something else than the {length} bytes that it says")
    return content


def _read(file: BinaryIO, length: int, what: str) -> bytes:
    data = file.read(length)
    if len(data) != length:
        raise InvalidArchive(f"the archive is cut off: {what} is not whole")
    return data
