"""What tells the damage of a file from the torn end that a crash leaves.

Two small files beside the mirror. ``PageSums`` has a sum of every page of the mirror, and, of a prefix that was closed,
of the primary too. ``Witness`` says how far the redo log must reach: without it, a log that lost its last records to
damage looks like one whose last record was never finished.
"""

from __future__ import annotations

import contextlib
import logging
import os
import struct
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from blake3 import blake3

__all__ = ["PAGE", "PageSums", "Witness", "WitnessState", "differing_pages", "pages_of"]

_log = logging.getLogger(__name__)

PAGE = 4096  #: bytes
_SUM = 8  # bytes of BLAKE3 per page: it finds damage, it does not resist an attacker
_CHUNK_PAGES = 256

_STATE = struct.Struct("<8sQQQ")
_MAGIC = b"stkwitn1"


def pages_of(offset: int, length: int) -> range:
    """The numbers of the pages that a range of bytes touches."""
    return range(offset // PAGE, -(-(offset + length) // PAGE)) if length else range(0)


def _sum_of(page: bytes) -> bytes:
    return blake3(page).digest(_SUM)


class PageSums:
    """Sums of the pages of one file, in a file.

    Args:
        path: where they are; made if missing.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @property
    def known(self) -> bool:
        """Whether there are any."""
        return os.fstat(self._file).st_size > 0

    def build(self, file: int) -> None:
        """Sum every page of a file anew."""
        self.note(file, range(_page_count(file)))

    def note(self, file: int, pages: Iterable[int]) -> None:
        """Sum pages anew that were written; durable after `sync`. What is beyond the end of the file is forgotten.

        Where there are no sums yet, every page is summed.
        """
        count = _page_count(file)
        for page in sorted(set(pages)) if self.known else range(count):
            if page < count:
                os.pwrite(self._file, _sum_of(os.pread(file, PAGE, page * PAGE)), page * _SUM)
        os.ftruncate(self._file, count * _SUM)

    def differing(self, file: int) -> set[int] | None:
        """The pages of a file that have another sum, or that only one of both has; None where there are no sums.

        Linear in the size of the file.
        """
        count, known = _page_count(file), os.fstat(self._file).st_size // _SUM
        if not known:
            return None
        sums = os.pread(self._file, known * _SUM, 0)
        found = set(range(min(count, known), max(count, known)))
        for start in range(0, min(count, known), _CHUNK_PAGES):
            data = os.pread(file, _CHUNK_PAGES * PAGE, start * PAGE)
            for page in range(start, min(start + _CHUNK_PAGES, count, known)):
                at = (page - start) * PAGE
                if _sum_of(data[at : at + PAGE]) != sums[page * _SUM : (page + 1) * _SUM]:
                    found.add(page)
        return found

    def fits(self, page: int, data: bytes) -> bool:
        """Whether these bytes are those of a page."""
        return os.pread(self._file, _SUM, page * _SUM) == _sum_of(data)

    def sync(self) -> None:
        """Make what was noted durable."""
        os.fdatasync(self._file)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._file)


def differing_pages(path: Path, sums_path: Path) -> set[int]:
    """The pages of a file that do not have the sums in another file; none where there are no sums."""
    sums, file = PageSums(sums_path), os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return sums.differing(file) or set()
    finally:
        os.close(file)
        sums.close()


def _page_count(file: int) -> int:
    return -(-os.fstat(file).st_size // PAGE)


@dataclass(frozen=True, slots=True)
class WitnessState:
    """How far things are.

    Attributes:
        recorded: number of the last record that was acknowledged.
        in_mirror: number of the last record that the mirror holds for good, so that the log need not.
        applying: whether the mirror is being written: pages that the log names may be as before, after, or between.
    """

    recorded: int
    in_mirror: int
    applying: bool = False


class Witness:
    """The file that keeps a `WitnessState` (any thread).

    Without a fsync it survives SIGKILL of the process, not the end of the machine: then it may be an older one. An
    older one asks for less, never for more, as long as `sync` follows what the log is emptied for.

    Args:
        path: where it is; made if missing.
        state: of a file that is new or cannot be read.
    """

    def __init__(self, path: Path, state: WitnessState) -> None:
        self._state = self.read(path) or state
        self._lock = threading.Lock()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._write()

    @staticmethod
    def read(path: Path) -> WitnessState | None:
        """What a file says; None where there is none, or it is damaged."""
        try:
            data = path.read_bytes()
            magic, recorded, in_mirror, applying = _STATE.unpack(data[: _STATE.size])
        except (OSError, struct.error):
            return None
        if magic != _MAGIC or data[_STATE.size :] != _sum_of(data[: _STATE.size]):
            _log.warning("%s is damaged; it is not needed", path)
            return None
        return WitnessState(recorded, in_mirror, bool(applying))

    def acknowledge(self, recorded: int) -> None:
        """Note the number of a record that is durable, just before it is acknowledged."""
        with self._lock:
            self._state = replace(self._state, recorded=recorded)
            with contextlib.suppress(OSError):  # the record itself is what counts
                self._write()

    def begin_applying(self) -> None:
        """Note durably that the mirror is about to be written.

        Raises:
            OSError: the disk refused.
        """
        with self._lock:
            if not self._state.applying:
                self._state = replace(self._state, applying=True)
                self._write()
                os.fdatasync(self._file)

    def end_applying(self, in_mirror: int) -> None:
        """Note durably that the mirror has everything up to a record.

        Raises:
            OSError: the disk refused.
        """
        with self._lock:
            recorded = max(self._state.recorded, in_mirror)
            self._state = WitnessState(recorded, in_mirror)
            self._write()
            os.fdatasync(self._file)

    def _write(self) -> None:
        state = self._state
        body = _STATE.pack(_MAGIC, state.recorded, state.in_mirror, state.applying)
        os.pwrite(self._file, body + _sum_of(body), 0)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._file)
