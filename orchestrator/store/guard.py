"""The flush guard: dbzero's commit made crash-safe.

dbzero overwrites index pages in place, so a process that dies inside a commit can leave a file that nobody
can open. The guard keeps a mirror of the prefix file and a redo log. A flush is: dbzero commit, one redo
record with everything that changed in the file, fsync, acknowledge. Later, off the flush path, the records
are applied to the mirror and the log is emptied.

After any end without a clean-shutdown mark the primary is set to mirror + log, exactly the last
acknowledged flush, before anybody opens it. So whatever a dying process left in the primary, or a
spill wrote to it between flushes, does not matter.

Files, in the store's own folder: ``<prefix>.mirror``, ``.sums`` (of its pages), ``.redo.0``, ``.redo.1``, ``.witness``
(how far the log must reach), ``.clean`` (the primary is good as it lies: its size, time of change and the number of the
last record), ``.creating`` (the prefix never had a good flush: begin anew).

Each of these and the primary may be damaged by a disk: what can be told from the others is put right, everything else
is refused with its name (``tests.chaos.damage``).
"""

from __future__ import annotations

import json
import logging
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from orchestrator.store.files import remove_durably, write_durably
from orchestrator.store.integrity import Witness, WitnessState
from orchestrator.store.mirror import Mirror, changed_pages, read_range
from orchestrator.store.preparing import check_closed, check_mirror, survey
from orchestrator.store.redo import Record, RedoLog, read_records
from orchestrator.store.tracking import TrackedWrites
from statek.exceptions import StoreDamaged, StoreError

__all__ = ["FlushGuard", "GuardPaths", "GuardStatistics", "apply_log", "prepare_prefix"]

_log = logging.getLogger(__name__)

APPLY_AT = 8 << 20  #: bytes of redo after which the log is handed to the mirror
FILL_AT = 1 << 20  #: ... after which the other log file is filled, if it never was: a store that works
_FILL_BYTES = APPLY_AT + (1 << 20)  # a log file goes on a little past APPLY_AT
REDO_LIMIT = 64 << 20  #: bytes of redo at which a flush waits for the mirror
_GAP = 512  # ranges closer than this, bytes, become one: cheaper than another range


@dataclass(frozen=True, slots=True)
class GuardPaths:
    """Where a prefix and its guard live."""

    primary: Path
    folder: Path
    prefix: str

    @property
    def mirror(self) -> Path:
        """The mirror file."""
        return self.folder / f"{self.prefix}.mirror"

    @property
    def witness(self) -> Path:
        """How far the redo log must reach."""
        return self.folder / f"{self.prefix}.witness"

    @property
    def clean(self) -> Path:
        """The clean-shutdown mark."""
        return self.folder / f"{self.prefix}.clean"

    @property
    def creating(self) -> Path:
        """The mark of a prefix that never had a good flush."""
        return self.folder / f"{self.prefix}.creating"


@dataclass(slots=True)
class GuardStatistics:
    """What the guard did since it was opened."""

    flushes: int = 0
    redo_bytes: int = 0
    full_compares: int = 0
    mirror_runs: int = 0


def apply_log(folder: Path, prefix: str, mirror: Path) -> None:
    """Bring the copy of a mirror to the last record of the log copied beside it, and remove that.

    Raises:
        StoreDamaged: the log has a hole.
    """
    log, copy = RedoLog(folder, prefix), Mirror(mirror)
    try:
        copy.write(log.recorded())
        copy.sync()
    finally:
        copy.close()
    for path in (*log.paths, mirror.with_suffix(".sums")):
        path.unlink()


def prepare_prefix(paths: GuardPaths) -> tuple[bool, int]:
    """Bring a prefix file into a state that may be opened.

    Returns:
        Whether it has to be proven in a throw-away process first, and the number of the last redo record.

    Raises:
        StoreDamaged: a file is damaged and the others do not tell what was in it.
    """
    log = RedoLog(paths.folder, paths.prefix)
    if paths.creating.exists():
        _log.warning("prefix %s never had a good flush: beginning anew", paths.prefix)
        for path in (paths.primary, paths.mirror, paths.clean, paths.witness, *log.paths):
            path.unlink(missing_ok=True)
        return False, 0
    if not paths.mirror.exists():
        if paths.primary.exists():
            return True, 0
        write_durably(paths.creating, b"")
        return False, 0
    clean = _read_clean_mark(paths)
    if clean is not None:
        mended = check_closed(paths.mirror, paths.primary)
        remove_durably(paths.clean)
        return mended, clean
    state = survey(log, Witness.read(paths.witness), paths.prefix)
    mirror = Mirror(paths.mirror)
    try:
        mended_pages = check_mirror(mirror, paths.primary, state)
        witness = Witness(paths.witness, WitnessState(state.reach, 0))
        try:
            witness.begin_applying()
            for number, data in mended_pages.items():
                mirror.mend(number, data)
            mirror.write(log.recorded())
            mirror.sync()
            written = mirror.restore(paths.primary)
            witness.end_applying(state.reach)
        finally:
            witness.close()
    finally:
        mirror.close()
    _log.warning("prefix %s was not closed: restored to the last flush (%d bytes rewritten)", paths.prefix, written)
    remove_durably(paths.clean)
    return True, state.reach


def _read_clean_mark(paths: GuardPaths) -> int | None:
    """The number of the last record if the primary is as it was closed, else None."""
    try:
        mark = json.loads(paths.clean.read_bytes())
        now = paths.primary.stat()
        if (mark["size"], mark["changed_ns"]) == (now.st_size, now.st_mtime_ns):
            return int(mark["sequence"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None


class FlushGuard:
    """Makes each flush of one open prefix durable.

    Preconditions:
        All methods but `statistics` run on the store thread; `prepare_prefix` came first.
    """

    def __init__(self, paths: GuardPaths, *, sequence: int, tracker: TrackedWrites | None) -> None:
        self._paths = paths
        self._sequence = sequence
        self._tracker = tracker
        self._primary = os.open(paths.primary, os.O_RDONLY | os.O_CLOEXEC)
        self._identity = os.fstat(self._primary)
        if not paths.mirror.exists():
            # dbzero's commit is done and nothing was acknowledged yet: the file as it lies is the first good one.
            paths.witness.unlink(missing_ok=True)
            Mirror.create(paths.mirror, paths.primary)
            remove_durably(paths.creating)
        self._mirror = Mirror(paths.mirror)
        if not self._mirror.sums.known:  # made by a version without sums
            self._mirror.sums.build(self._mirror.fileno())
        self._witness = Witness(paths.witness, WitnessState(sequence, sequence))
        self._witness.end_applying(sequence)
        self._redo = RedoLog(paths.folder, paths.prefix, kept_bytes=_FILL_BYTES)
        self._redo.open()
        self._filler: threading.Thread | None = None
        self._descriptors: dict[int, bool] = {}
        self._pending: list[tuple[int, int]] = []
        self._compare_next = tracker is None  # notes begin before dbzero opens the file, when mirror and file agree
        self._in_mirror = sequence  # number of the last record whose ranges are in the mirror
        self._statistics = GuardStatistics()
        self._applier: threading.Thread | None = None
        self._apply_error: OSError | None = None
        self._held = False

    def statistics(self) -> GuardStatistics:
        """Counters since opening."""
        return self._statistics

    def record(self) -> None:
        """Make what dbzero has just committed durable; on return it may be acknowledged.

        Raises:
            OSError: the disk refused. What changed is carried by the next record.
        """
        self._collect()
        size = os.fstat(self._primary).st_size
        if self._compare_next:
            self._wait_applied()
            self._advance_mirror(self._redo.active)
            ranges = list(changed_pages(self._primary, self._mirror.fileno()))
            self._statistics.full_compares += 1
            if not ranges and size == os.fstat(self._mirror.fileno()).st_size:
                self._done()
                return
        else:
            if not self._pending:
                return
            ranges = [(start, read_range(self._primary, start, end - start)) for start, end in _merge(self._pending)]
        record = Record(self._sequence + 1, size, tuple(ranges))
        length = self._redo.append(record)
        self._sequence += 1
        self._witness.acknowledge(self._sequence)
        if self._compare_next:
            self._witness.begin_applying()
            # Keep the mirror level with the file, so that the next compare finds this change only.
            self._mirror.write([record])
            self._in_mirror = record.sequence
        self._statistics.flushes += 1
        self._statistics.redo_bytes += length
        self._done()
        if self._redo.length >= APPLY_AT:
            self._hand_over()
        elif self._redo.length >= FILL_AT and self._filler is None:
            self._filler = threading.Thread(target=self._fill, name="store-redo", daemon=True)
            self._filler.start()

    def _done(self) -> None:
        self._pending.clear()
        self._compare_next = self._tracker is None

    def _collect(self) -> None:
        """Move the notes of writes to this file into the pending ranges."""
        if self._tracker is None:
            return
        notes = self._tracker.drain()
        if notes is None:
            self._compare_next = True
            return
        for descriptor, offset, length in notes:
            if not self._is_primary(descriptor):
                continue
            if offset < 0:
                self._compare_next = True
            elif length:
                self._pending.append((offset, offset + length))

    def _is_primary(self, descriptor: int) -> bool:
        known = self._descriptors.get(descriptor)
        if known is None:
            try:
                status = os.fstat(descriptor)
                known = (status.st_dev, status.st_ino) == (self._identity.st_dev, self._identity.st_ino)
            except OSError:
                # Closed meanwhile: it may have been ours.
                self._compare_next = True
                return False
            if known:
                # dbzero keeps this one open as long as the prefix; others may be closed and reused.
                self._descriptors[descriptor] = True
        return known

    def _fill(self) -> None:
        try:
            self._redo.fill()
        except OSError as error:
            _log.info("the redo log of prefix %s grows as it is written: %s", self._paths.prefix, error)

    def _switch(self) -> int:
        """Go on in the other log file."""
        if self._filler is not None:
            self._filler.join()
        return self._redo.switch()

    # --- the mirror's side ---

    def hold(self) -> threading.Thread | None:
        """Leave the log to grow from here on, because somebody copies mirror and log; ``release_hold`` ends it.

        Returns:
            What still writes the mirror; to be waited for, elsewhere, before the copy begins.
        """
        self._held = True
        return self._applier

    def held_lengths(self) -> tuple[int | None, int | None]:
        """How much of each log file belongs to the copy, None for all of it: with the mirror it is the last flush.

        Raises:
            StoreError: the log had to be given to the mirror meanwhile; the copy is worth nothing.
        """
        if not self._held:
            name, limit = self._paths.prefix, REDO_LIMIT >> 20
            raise StoreError(f"prefix {name} wrote more than {limit} MiB while it was copied; try again later")
        lengths: list[int | None] = [None, None]
        lengths[self._redo.active] = self._redo.length
        return lengths[0], lengths[1]

    def release_hold(self) -> None:
        """Hand the log over again."""
        self._held = False

    def _hand_over(self) -> None:
        if self._held and self._redo.length < REDO_LIMIT:
            return
        self._held = False
        if self._applier is not None and self._applier.is_alive():
            if self._redo.length < REDO_LIMIT:
                return
            self._applier.join()
        if self._apply_error is not None:
            error, self._apply_error = self._apply_error, None
            _log.error("the mirror of prefix %s cannot be written: %s", self._paths.prefix, error)
            if self._redo.length >= REDO_LIMIT:
                raise error
            closed = 1 - self._redo.active
        else:
            closed = self._switch()
        self._applier = threading.Thread(target=self._apply, args=(closed,), name="store-mirror", daemon=True)
        self._applier.start()

    def _apply(self, closed: int) -> None:
        try:
            self._empty(closed)
            self._statistics.mirror_runs += 1
        except OSError as error:
            self._apply_error = error

    def _advance_mirror(self, index: int) -> None:
        """Write the records of one log file that the mirror does not have yet."""
        self._witness.begin_applying()
        records = (record for record in read_records(self._redo.paths[index]) if record.sequence > self._in_mirror)
        self._in_mirror = self._mirror.write(records) or self._in_mirror

    def _empty(self, closed: int) -> None:
        self._advance_mirror(closed)
        self._mirror.sync()
        self._witness.end_applying(self._in_mirror)
        self._redo.clear(closed)

    def _wait_applied(self) -> None:
        if self._applier is not None:
            self._applier.join()
            self._applier = None
        if self._apply_error is not None:
            error, self._apply_error = self._apply_error, None
            closed = 1 - self._redo.active
            self._apply(closed)
            if self._apply_error is not None:
                raise error

    def catch_up(self) -> None:
        """Bring the mirror to the last record and empty the log.

        Raises:
            OSError: the disk refused; the log is kept.
        """
        self._held = False
        self._wait_applied()
        if self._redo.length:
            closed = self._switch()
            self._empty(closed)

    def differences(self) -> int:
        """Bytes in which primary and mirror differ once every record is applied: 0 unless a write was missed."""
        self.catch_up()
        return sum(len(data) for _, data in changed_pages(self._primary, self._mirror.fileno()))

    def finish(self) -> None:
        """After dbzero has closed the file: record what that wrote, catch up, leave the clean mark.

        Raises:
            OSError: the disk refused; the next start restores from mirror and log.
            StoreDamaged: mirror and primary differ although every write was recorded.
        """
        self.record()
        self.catch_up()
        if self._tracker is not None and os.fstat(self._primary).st_size != os.fstat(self._mirror.fileno()).st_size:
            raise StoreDamaged(f"mirror and primary of prefix {self._paths.prefix} differ in size: please report")
        os.fsync(self._primary)
        status = os.fstat(self._primary)
        mark = {"size": status.st_size, "changed_ns": status.st_mtime_ns, "sequence": self._sequence}
        write_durably(self._paths.clean, json.dumps(mark).encode())

    def release(self) -> None:
        """Give descriptors and the mirror's thread back, without a clean mark."""
        for thread in (self._applier, self._filler):
            if thread is not None:
                thread.join()
        self._mirror.close()
        self._witness.close()
        self._redo.close()
        os.close(self._primary)


def _merge(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted ranges, overlapping and neighbouring ones joined."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1] + _GAP:
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged
