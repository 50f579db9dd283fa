"""What the flush guard costs beside dbzero's own commit, by size of the prefix; SQLite as a reference."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.fsyncs import FsyncCounter, per_operation
from benchmarks.measurement import median
from orchestrator.store.store import Store
from statek import durable

__all__ = ["measure_flushes"]

_PIECE_BYTES = 32 << 10
_DBZERO_FSYNCS = 2  # of each of its commits, where writes are not tracked (seen with strace)
_TICK_SECONDS = 0.001


@durable.memo(id="benchmarks.Filling")
class Filling:
    """A prefix's weight, and one number to change."""

    def __init__(self) -> None:
        self.count = 0
        self.pieces: list[bytes] = []


async def measure_flushes(bench: Bench) -> None:
    """One small change and its flush, over and over."""
    times = bench.times(200, 30)
    per_mb: list[float] = []
    stalls: list[float] = []
    sizes = [(1, 1.0), (64, 2.0)] if bench.smoke else [(1, 1.0), (64, 2.0), (512, 10.0)]
    for mib, target in sizes:
        root = bench.fresh_folder()
        own_ms = _unguarded(root, mib, times)
        guarded = _guarded(root, times, bench.fsyncs)
        label = f"{mib}mb"
        notes = {**per_operation(guarded["fsyncs"], times), "redo_bytes/op": f"{guarded['redo']:.0f}"}
        bench.add(f"flush_guard_{label}", guarded["guard"], "ms", target, f"target-{target:g}ms", notes=notes)
        notes = per_operation(guarded["fsyncs"], times)
        bench.add(f"flush_total_{label}", guarded["total"], "ms", own_ms, "dbzero_commit", notes=notes)
        compares = bench.times(20, 3)
        compared = await _compared(root, compares, bench.fsyncs)
        compare_notes = per_operation(compared["fsyncs"] + _DBZERO_FSYNCS * compares, compares)
        versus = f"flush_guard_{label}"
        bench.add(f"flush_compare_{label}", compared["guard"], "ms", guarded["guard"], versus, notes=compare_notes)
        per_mb.append(compared["guard"] / (compared["bytes"] / (1 << 20)))
        stalls.append(compared["stall"])
        if mib == 64:
            notes = {"fsyncs/op": "1.00"}
            total = f"flush_total_{label}"
            bench.add("flush_sqlite_full", _sqlite(root, times), "ms", guarded["total"], total, notes=notes)
    first, last = sizes[1][0], sizes[-1][0]
    notes = {"size": f"{last}MB", **compare_notes}
    bench.add("flush_compare_per_mb", per_mb[-1], "ms/MB", per_mb[1], f"that_at_{first}mb", notes=notes)
    # Nothing of the platform's may hold the event loop longer than that.
    bench.add("flush_compare_loop_stall", max(stalls), "ms", 10, "target-10ms", notes=notes)


def _unguarded(root: Path, mib: int, times: int) -> float:
    """Fill the prefix; median milliseconds of dbzero's own commit with its own two fsyncs."""
    store = Store.open(root, guard=False)
    try:
        filling = store.write_sync(_tagged_filling)
        pieces = mib * (1 << 20) // _PIECE_BYTES
        for first in range(0, pieces, 64):
            amount = min(64, pieces - first)
            store.commit_sync(partial(_fill, filling, first, amount))
        return median(_commit_times(store, filling, times))
    finally:
        store.close()


def _guarded(root: Path, times: int, fsyncs: FsyncCounter) -> dict[str, Any]:
    """The same with the guard: medians in milliseconds, fsyncs in all, redo bytes of a flush."""
    store = Store.open(root)
    try:
        if not store.tracks_writes:
            raise RuntimeError("writes cannot be tracked here: the guard's number would be that of the full compare")
        guard_ms = _guard_times(store)
        filling = store.read_sync(_find_filling)
        _commit_times(store, filling, 5)
        guard_ms.clear()
        redo, synced = store.guard_statistics().redo_bytes, fsyncs.count()
        total = _commit_times(store, filling, times)
        return {
            "guard": median(guard_ms),
            "total": median(total),
            "fsyncs": fsyncs.count() - synced,
            "redo": (store.guard_statistics().redo_bytes - redo) / times,
        }
    finally:
        store.close()


async def _compared(root: Path, times: int, fsyncs: FsyncCounter) -> dict[str, Any]:
    """The same where writes are not tracked: the guard compares the whole file with its mirror.

    The store thread is held as long as the guard takes. The stall is this event loop's: how late it was at most during
    a flush (median of the flushes, milliseconds).
    """
    store = await asyncio.to_thread(Store.open, root, track=False)
    try:
        guard_ms = _guard_times(store)
        filling = await store.read(_find_filling)
        await store.commit(lambda: setattr(filling, "count", 0))
        guard_ms.clear()
        synced = fsyncs.count()
        stalls = []
        for number in range(1, times + 1):
            ticking = asyncio.ensure_future(_longest_stall())
            await store.commit(partial(setattr, filling, "count", number))
            ticking.cancel()
            stalls.append(await ticking)
        return {
            "guard": median(guard_ms),
            "bytes": (root / "default.db0").stat().st_size,
            "stall": median(stalls),
            "fsyncs": fsyncs.count() - synced,
        }
    finally:
        await asyncio.to_thread(store.close)


async def _longest_stall() -> float:
    """How long this event loop was late at most until the cancellation, milliseconds."""
    longest = 0.0
    try:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(_TICK_SECONDS)
            longest = max(longest, time.perf_counter() - begun - _TICK_SECONDS)
    except asyncio.CancelledError:
        return longest * 1000


def _guard_times(store: Store) -> list[float]:
    """Receives the milliseconds of the guard's part of each flush from now on."""
    guard: Any = store._guard  # noqa: SLF001 - the part of a flush that is the guard's
    record, taken = guard.record, list[float]()

    def timed() -> None:
        begun = time.perf_counter()
        record()
        taken.append((time.perf_counter() - begun) * 1000)

    guard.record = timed
    return taken


def _find_filling() -> Filling:
    return next(iter(durable.find(Filling, "benchmarks-filling")))


def _commit_times(store: Store, filling: Filling, times: int) -> list[float]:
    """Milliseconds of each of so many small durable writes."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        store.commit_sync(lambda: setattr(filling, "count", filling.count + 1))
        taken.append((time.perf_counter() - begun) * 1000)
    return taken


def _tagged_filling() -> Filling:
    filling = Filling()
    durable.tag(filling, "benchmarks-filling")
    return filling


def _fill(filling: Filling, first: int, amount: int) -> None:
    for number in range(first, first + amount):
        filling.pieces.append(number.to_bytes(8, "little") * (_PIECE_BYTES // 8))


def _sqlite(root: Path, times: int) -> float:
    """Median milliseconds of one small SQLite transaction, WAL and synchronous FULL."""
    connection = sqlite3.connect(root / "reference.sqlite", isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE counter (id INTEGER PRIMARY KEY, count INTEGER)")
        connection.execute("INSERT INTO counter VALUES (1, 0)")
        taken = []
        for _ in range(times):
            begun = time.perf_counter()
            connection.execute("UPDATE counter SET count = count + 1 WHERE id = 1")
            taken.append((time.perf_counter() - begun) * 1000)
        return median(taken)
    finally:
        connection.close()
