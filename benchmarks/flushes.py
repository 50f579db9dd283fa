"""What the flush guard costs beside dbzero's own commit, by size of the prefix; SQLite as a reference."""

from __future__ import annotations

import sqlite3
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.measurement import median
from orchestrator.store.store import Store
from statek import durable

__all__ = ["measure_flushes"]

_PIECE_BYTES = 32 << 10


@durable.memo(id="benchmarks.Filling")
class Filling:
    """A prefix's weight, and one number to change."""

    def __init__(self) -> None:
        self.count = 0
        self.pieces: list[bytes] = []


async def measure_flushes(bench: Bench) -> None:
    """One small change and its flush, over and over."""
    times = bench.times(200, 30)
    sizes = [(1, 1.0), (64, 2.0)] if bench.smoke else [(1, 1.0), (64, 2.0), (512, 10.0)]
    for mib, target in sizes:
        root = bench.fresh_folder()
        own_ms = _unguarded(root, mib, times)
        guarded = _guarded(root, times, track=True)
        label = f"{mib}mb"
        notes = {"fsyncs/op": f"{guarded['flushes']:.2f}", "redo_bytes/op": f"{guarded['redo']:.0f}"}
        bench.add(f"flush_guard_{label}", guarded["guard"], "ms", target, f"target-{target:g}ms", notes=notes)
        bench.add(f"flush_total_{label}", guarded["total"], "ms", own_ms, "dbzero_commit")
        if mib == 64:
            compared = _guarded(root, bench.times(20, 3), track=False)
            bench.add(f"flush_compare_{label}", compared["guard"], "ms", guarded["guard"], f"flush_guard_{label}")
            bench.add("flush_sqlite_full", _sqlite(root, times), "ms", guarded["total"], f"flush_total_{label}")


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


def _guarded(root: Path, times: int, *, track: bool) -> dict[str, float]:
    """The same with the guard: medians in milliseconds, and counts per flush."""
    store = Store.open(root, track=track)
    try:
        if track and not store.tracks_writes:
            raise RuntimeError("writes cannot be tracked here: the guard's number would be that of the full compare")
        guard: Any = store._guard  # noqa: SLF001 - the part of a flush that is the guard's
        record = guard.record
        guard_ms: list[float] = []

        def timed() -> None:
            begun = time.perf_counter()
            record()
            guard_ms.append((time.perf_counter() - begun) * 1000)

        filling = store.read_sync(lambda: next(iter(durable.find(Filling, "benchmarks-filling"))))
        _commit_times(store, filling, 5)
        statistics = store.guard_statistics()
        flushes, redo = statistics.flushes, statistics.redo_bytes
        guard.record = timed
        total = _commit_times(store, filling, times)
        guard.record = record
        statistics = store.guard_statistics()
        return {
            "guard": median(guard_ms),
            "total": median(total),
            "flushes": (statistics.flushes - flushes) / times,
            "redo": (statistics.redo_bytes - redo) / times,
        }
    finally:
        store.close()


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
