"""The store: lock, dbzero on its own thread, flush guard, block store."""

from __future__ import annotations

import asyncio
import errno
import functools
import logging
import os
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import dbzero

from orchestrator.store.block_calls import Blocks
from orchestrator.store.block_locations import BlockLocation
from orchestrator.store.files import copy_synced
from orchestrator.store.guard import FlushGuard, GuardPaths, GuardStatistics, apply_log, prepare_prefix
from orchestrator.store.integrity import PAGE, differing_pages
from orchestrator.store.lock import StoreLock
from orchestrator.store.probe import probe_prefix
from orchestrator.store.replacing import finish_replacement
from orchestrator.store.thread import Answer, StoreThread, Work
from orchestrator.store.tracking import TrackedWrites, TrackingUnavailable
from statek.durable.gate import control, gate
from statek.event_feed import forget_store, note_flush
from statek.exceptions import ConfigurationError, InvalidRequest, StoreDamaged, StoreError, StoreFull

__all__ = ["DEFAULT_CACHE_BYTES", "Store"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

#: dbzero's page cache, bytes. What is written between two flushes must fit, else dbzero writes early; that is
#: safe (the guard restores it) but slow. The store flushes after 1000 unflushed writes by itself.
DEFAULT_CACHE_BYTES = 256 << 20

_PREFIX_NAME = re.compile(r"[a-z0-9_-]{1,100}")

_RESERVE_BYTES = 2 << 20
"""Free space below which a flush is not begun: one that the disk refuses in the middle can damage dbzero's file."""


class Store:
    """One durable store, open in this process. At most one may be open per process, as dbzero is one per process.

    Functions given to `read`, `write` and `commit` run on the store thread, in order of arrival. They must not
    wait and must not do I/O. Only inside `write` and `commit` may durable objects change.
    """

    def __init__(self, root: Path, prefix: str, *, cache_bytes: int, guard: bool, track: bool) -> None:
        self.root = root
        self.prefix = prefix
        self._cache_bytes = cache_bytes
        self._want_guard = guard
        self._want_tracking = track
        self._folder = root / "statek"
        self._lock = StoreLock(self._folder)
        self._guard: FlushGuard | None = None
        self._tracker: TrackedWrites | None = None
        self._depth = 0
        self._broken = ""
        self._thread = StoreThread(self._flush_now)
        self._closed = False
        self._copying = threading.Lock()
        self.store_id = ""
        self.incarnation = 0
        self._location = BlockLocation()
        self.blocks: Blocks

    @classmethod
    def open(
        cls,
        root: Path,
        *,
        prefix: str = "default",
        cache_bytes: int = DEFAULT_CACHE_BYTES,
        guard: bool = True,
        track: bool = True,
        blocks: BlockLocation | None = None,
    ) -> Store:
        """Open a store, after restoring it to its last flush if it was not closed.

        Args:
            root: its folder, made if missing.
            prefix: the dbzero prefix, ``[a-z0-9_-]{1,100}``.
            cache_bytes: dbzero's page cache.
            guard: False gives up crash safety of flushes (benchmarks only).
            track: False makes the guard compare whole files.
            blocks: where larger values are; None for beside the records.

        Raises:
            InvalidRequest: an illegal prefix name.
            StoreLocked: another process owns it.
            StoreVersionError: another version of the service wrote it.
            StoreDamaged: it does not open and could not be rebuilt.
            StoreFull: no space to open it.
            StoreError: the disk or the system refused something else.
            ConfigurationError: dbzero is already initialised in this process, or the blocks are elsewhere.
        """
        if not _PREFIX_NAME.fullmatch(prefix):
            raise InvalidRequest(f"prefix name {prefix!r} is not [a-z0-9_-]{{1,100}}")
        if control.owned:
            raise StoreError("this process has a store open already; close it first")
        if _dbzero_is_initialised():
            raise ConfigurationError(
                "dbzero is already initialised in this process; let the service open the store "
                "(do not call dbzero.init before it starts), or call dbzero.close() first"
            )
        root = root.resolve()
        store = cls(root, prefix, cache_bytes=cache_bytes, guard=guard, track=track)
        store._location = blocks or store._location
        try:
            store._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"the store folder {root} cannot be used: {error.strerror}") from error
        try:
            identity = store._lock.acquire()
            store.store_id, store.incarnation = identity.store_id, identity.incarnation
            store._open()
        except OSError as error:
            store._lock.release()
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StoreFull(f"no space to open the store {root}: {error.strerror}") from error
            raise StoreError(f"the store {root} cannot be opened: {error}") from error
        except BaseException:
            store._lock.release()
            raise
        return store

    def _open(self) -> None:
        paths = GuardPaths(self.root / f"{self.prefix}.db0", self._folder, self.prefix)
        sequence = 0
        finish_replacement(paths)
        if self._want_guard:
            must_prove, sequence = prepare_prefix(paths)
            if must_prove:
                probe_prefix(self.root, self.prefix)
        self.blocks = self._location.open(self._folder, self.store_id)
        self._thread.start()
        control.owned = True
        gate.writer = 0
        try:
            self._on_thread(lambda: self._open_dbzero(paths, sequence))
        except BaseException:
            self._thread.stop()
            self.blocks.close()
            self._let_go()
            raise

    def _open_dbzero(self, paths: GuardPaths, sequence: int) -> None:
        if self._want_guard and self._want_tracking:
            tracker = TrackedWrites(Path(str(sys.modules["dbzero.dbzero"].__file__)))
            try:
                tracker.install()
                self._tracker = tracker
            except TrackingUnavailable as reason:
                tracker.remove()
                _log.warning("flushes compare whole files, because writes cannot be tracked: %s", reason)
        try:
            control.call("init", str(self.root), autocommit=False, cache_size=self._cache_bytes)
            control.call("open", self.prefix, "rw", autocommit=False)
            control.call("commit")
            if self._want_guard:
                self._guard = FlushGuard(paths, sequence=sequence, tracker=self._tracker)
                self._guard.record()
            forget_store()
        except RuntimeError as error:
            self._close_dbzero()
            raise StoreDamaged(f"prefix {self.prefix} does not open: {error}") from error
        except BaseException:
            self._close_dbzero()
            raise

    def _close_dbzero(self) -> None:
        forget_store()
        try:
            control.call("close")
        except RuntimeError as error:
            _log.warning("closing dbzero: %s", error)
        if self._tracker is not None:
            self._tracker.remove()

    @staticmethod
    def _let_go() -> None:
        control.owned = False
        gate.writer = None

    # --- asynchronous, for the event loop ---

    def on_store_thread(self) -> bool:
        """Whether the caller already runs on the store thread."""
        return self._thread.is_current()

    async def read(self, fn: Callable[[], T]) -> T:
        """Run ``fn`` between mutations. A mutation in it raises `StoreError`."""
        result: T = await self._submit_async(fn, writes=False, durable=False)
        return result

    async def write(self, fn: Callable[[], T]) -> T:
        """Run ``fn`` as one atomic block. It becomes durable with the next flush, within about 0.2 s.

        Raises:
            Exception: whatever ``fn`` raises; the block is rolled back.
            UnstorableValue: a value was refused; the block is rolled back.
        """
        result: T = await self._submit_async(lambda: self._atomic(fn), writes=True, durable=False, name=fn)
        return result

    async def commit(self, fn: Callable[[], T]) -> T:
        """`write`, and return when it survives a crash.

        Raises:
            StoreFull: the disk refused. The change is applied in memory but not acknowledged: a later
                successful flush makes it durable, a crash before that loses it.
        """
        result: T = await self._submit_async(lambda: self._atomic(fn), writes=True, durable=True, name=fn)
        return result

    async def flush(self) -> None:
        """Return when everything written so far survives a crash.

        Raises:
            StoreFull: the disk refused.
        """
        await self._submit_async(None, writes=False, durable=True)

    # --- blocking, for other threads ---

    def read_sync(self, fn: Callable[[], T]) -> T:
        """`read`, blocking. On the store thread it runs directly. It blocks an event loop: use `read` there."""
        if self.on_store_thread():
            return fn()
        result: T = self._submit_sync(fn, writes=False, durable=False)
        return result

    def write_sync(self, fn: Callable[[], T]) -> T:
        """`write`, blocking. On the store thread it joins the atomic block that is open, or is one."""
        if self.on_store_thread():
            return self._atomic(fn)
        result: T = self._submit_sync(lambda: self._atomic(fn), writes=True, durable=False, name=fn)
        return result

    def commit_sync(self, fn: Callable[[], T]) -> T:
        """`commit`, blocking.

        Raises:
            StoreError: on the store thread, where nobody may wait for a flush.
        """
        self._refuse_on_store_thread("commit_sync")
        result: T = self._submit_sync(lambda: self._atomic(fn), writes=True, durable=True, name=fn)
        return result

    def flush_sync(self) -> None:
        """`flush`, blocking.

        Raises:
            StoreError: on the store thread, where nobody may wait for a flush.
        """
        self._refuse_on_store_thread("flush_sync")
        self._submit_sync(None, writes=False, durable=True)

    # --- copying ---

    def copy_prefix_sync(self, folder: Path) -> Path:
        """Write the prefix as of its last flush to a folder, while it is in use; gives the file.

        Mirror and log are copied, the log put over the mirror: nothing waits for it, and no visit to the store thread
        takes longer than a moment.

        Raises:
            StoreError: no guard, or too much was written meanwhile.
            OSError: the folder's disk refused.
        """
        guard = self._guard
        if guard is None:
            raise StoreError("a store without flush guard cannot be copied while it is open")
        with self._copying:
            return self._copy_prefix(guard, folder)

    def _copy_prefix(self, guard: FlushGuard, folder: Path) -> Path:
        self.flush_sync()
        writing = self.read_sync(guard.hold)
        try:
            if writing is not None:
                writing.join()
            target, mirror = folder / f"{self.prefix}.db0", self._folder / f"{self.prefix}.mirror"
            compares = guard.statistics().full_compares
            copy_synced(mirror, target)
            damaged = differing_pages(target, mirror.with_suffix(".sums"))
            lengths = self.read_sync(guard.held_lengths)
            if damaged and compares == guard.statistics().full_compares:  # a compare writes the mirror meanwhile
                raise StoreDamaged(f"{mirror.name} is damaged at byte {min(damaged) * PAGE}; statek verify says more")
            for index, length in enumerate(lengths):
                name = f"{self.prefix}.redo.{index}"
                copy_synced(self._folder / name, folder / name, length)
            self.read_sync(guard.held_lengths)
        finally:
            self.read_sync(guard.release_hold)
        apply_log(folder, self.prefix, target)
        return target

    # --- the rest ---

    def prefix_bytes(self) -> int:
        """Length of the prefix file, which never gets shorter."""
        return (self.root / f"{self.prefix}.db0").stat().st_size

    def guard_statistics(self) -> GuardStatistics:
        """What the flush guard did since opening."""
        return self._guard.statistics() if self._guard is not None else GuardStatistics()

    @property
    def tracks_writes(self) -> bool:
        """Whether changed pages are known from tracked writes (else by comparing whole files)."""
        return self._tracker is not None

    def differences(self) -> int:
        """Bytes in which the prefix differs from mirror and log; 0 unless the guard missed a write."""
        guard = self._guard
        if guard is None:
            return 0
        self.flush_sync()
        result: int = self._submit_sync(guard.differences, writes=False, durable=False)
        return result

    def close(self) -> None:
        """Flush, close dbzero and leave the clean-shutdown mark. Closing twice does nothing.

        Raises:
            StoreFull: the last writes could not be made durable; the next start restores the last flush.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self._on_thread(self._shut)
        finally:
            self._thread.stop()
            self.blocks.close()
            self._let_go()
            self._lock.release()

    def _shut(self) -> None:
        try:
            self._flush_now()
            self._close_dbzero()
            if self._guard is not None:
                self._guard.finish()
        except OSError as error:
            raise _store_failure(error) from error
        except (StoreFull, StoreDamaged):
            self._close_dbzero()
            raise
        finally:
            if self._guard is not None:
                self._guard.release()

    def _flush_now(self) -> None:
        """Commit in dbzero, then the redo record. On the store thread.

        Raises:
            StoreFull: too little space is left, or the disk refused; trying again is safe.
            StoreDamaged: dbzero lost buffered data of this or an earlier flush. Only a new start helps: it restores
                the last good flush from mirror and redo log, which nothing is added to from here on.
        """
        if self._broken:
            raise StoreDamaged(self._broken)
        space = os.statvfs(self.root)
        if (left := space.f_bavail * space.f_frsize) < _RESERVE_BYTES:
            raise StoreFull(f"{self.root} has {left} bytes of free space left, a flush needs {_RESERVE_BYTES}")
        try:
            control.call("commit")
            if self._guard is not None:
                self._guard.record()
            note_flush()
        except RuntimeError as error:
            if "CFile::flush" in str(error):
                self._broken = f"prefix {self.prefix} lost a write, the service must be started again: {error}"
                raise StoreDamaged(self._broken) from error
            if "fwrite" in str(error) or "fflush" in str(error) or "fsync" in str(error):
                raise StoreFull(f"the disk refused a flush of prefix {self.prefix}: {error}") from error
            raise StoreError(f"flush of prefix {self.prefix} failed: {error}") from error
        except OSError as error:
            raise _store_failure(error) from error

    def _atomic(self, fn: Callable[[], T]) -> T:
        if self._depth:
            return fn()
        self._depth = 1
        try:
            with dbzero.atomic():
                gate.open_for_this_thread()
                try:
                    return fn()
                finally:
                    gate.writer = 0
        finally:
            self._depth = 0

    def _refuse_on_store_thread(self, name: str) -> None:
        if self.on_store_thread():
            raise StoreError(f"{name} would wait for a flush on the store thread; use write_sync")

    async def _submit_async(
        self, run: Callable[[], Any] | None, *, writes: bool, durable: bool, name: Callable[[], Any] | None = None
    ) -> Any:
        answer = Answer(asyncio.get_running_loop())
        self._thread.submit(Work(_named(run, name), writes, durable, answer))
        return await answer.future

    def _submit_sync(
        self,
        run: Callable[[], Any] | None,
        *,
        writes: bool,
        durable: bool,
        name: Callable[[], Any] | None = None,
        timed: bool = True,
    ) -> Any:
        answer = Answer(None)
        self._thread.submit(Work(_named(run, name), writes, durable, answer, timed))
        return answer.future.result()

    def _on_thread(self, run: Callable[[], Any]) -> Any:
        """Run a part of opening or closing, which may take as long as it takes."""
        return self._submit_sync(run, writes=False, durable=False, timed=False)


def _named(run: Callable[[], Any] | None, name: Callable[[], Any] | None) -> Callable[[], Any] | None:
    """Let the log name the caller's function, not the wrapper around it.

    A partial is named by its function: its arguments are user data of any size and depth, which neither belong in a
    log nor may be made into text here, on the event loop.
    """
    if run is not None and name is not None:
        while isinstance(name, functools.partial):
            name = name.func
        run.__qualname__ = getattr(name, "__qualname__", type(name).__qualname__)
    return run


def _store_failure(error: OSError) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull(f"the disk refused a flush: {error.strerror}")
    return StoreError(f"a flush failed: {error}")


def _dbzero_is_initialised() -> bool:
    try:
        dbzero.get_config()
    except RuntimeError:
        return False
    return True
