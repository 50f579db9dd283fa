"""Writes the archive of one job: its whole past, also what it was forked from.

A job at work is exported as of its newest commit: its lists only grow, so that what one visit to the store thread has
counted is still there when it is read. A step in flight is not part of it, nor is what waits for the job.

Preconditions:
    everything here blocks, on any thread but the store's and the event loop's.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import metadata
from typing import Any, TypeVar

from orchestrator.engine.active_job import PAGE_SECONDS
from orchestrator.engine.clock import now_us
from orchestrator.engine.elements import ChatItem, Commit, encode_commit, encode_end, encode_item
from orchestrator.engine.history import tags_of
from orchestrator.engine.jobs import JobRepository, job_id
from orchestrator.engine.manifest import decode_manifest
from orchestrator.engine.porting.archive import ArchiveWriter, Kind
from orchestrator.engine.porting.contents import COUNTERS, FORMAT
from orchestrator.engine.porting.definition import portable
from orchestrator.store.store import Store
from statek.job_definition import JobDefinition
from statek.job_mode import JobMode, require_durable_variables
from statek.packing import join_pieces, pieces_of, unpack
from statek.records import JobRecord

__all__ = ["export_job"]

T = TypeVar("T")

_MAX_TEXT = 64 << 10
_PAGE_BYTES = 1 << 20
"""What one visit to the store thread reads at most, one entry excepted."""


def export_job(store: Store, jobs: JobRepository, number: int) -> Iterator[bytes]:
    """The archive of a job, in pieces.

    Raises:
        NotFound: there is no such job.
        StoreDamaged: something of it does not read; ``statek verify`` says what.
        LimitExceeded: it is larger than an archive may be.
    """
    head = store.read_sync(lambda: _head(store, jobs, jobs.get(number)))
    stored: dict[str, None] = {}
    for commit in _commits(store, jobs, number, head["commits"]):
        places = {} if commit.dropped_us else decode_manifest(commit.manifest).places
        stored.update(dict.fromkeys(digest for digest, place in places.items() if place.commit < 0))
    head["blocks"] = len(stored)
    writer = ArchiveWriter()
    yield writer.begin()
    yield writer.frame(Kind.HEAD, json.dumps(head, sort_keys=True).encode())
    for digest in stored:
        yield writer.frame(Kind.BLOCK, store.blocks.get_sync(digest))
    for commit in _commits(store, jobs, number, head["commits"]):
        yield writer.frame(Kind.COMMIT, encode_commit(commit))
    for item, journal in _items(store, jobs, number, head["items"]):
        yield writer.frame(Kind.ITEM, encode_item(_as_added(item)))
        if item.end is None:
            continue
        pieces = journal[:-1] if item.end.journal else journal
        for piece in pieces:
            yield writer.frame(Kind.JOURNAL, piece)
        end = replace(item.end, first_piece=0, last_piece=len(pieces))
        yield writer.frame(Kind.END, encode_end(end))
    yield writer.end()


def _head(store: Store, jobs: JobRepository, record: JobRecord) -> dict[str, Any]:
    """What the archive says of the job as a whole (store thread); ``blocks`` is added later."""
    require_durable_variables(job_id(record.number), JobMode(record.mode or JobMode.DURABLE.value))
    flight = jobs.in_flight(record)
    failure = unpack(record.failure) or {}
    exit_status = None
    if record.exit_status is not None:
        exit_status = base64.b64encode(join_pieces(pieces_of(record.exit_status))).decode()
    counters = {name: int(getattr(record, name)) for name in COUNTERS}
    if flight is not None and flight.kind == "reply":
        counters["turns"] -= 1  # the reply in flight is not part of it
    return {
        "format": FORMAT,
        "service": metadata.version("statek-sandbox"),
        "store": store.store_id,
        "job": job_id(record.number),
        "exported_us": now_us(),
        "role": record.role,
        "definition": portable(JobDefinition.from_json(record.definition)),
        "status": record.status,
        "reason": _plain(record.reason),
        "failure": {"kind": failure["kind"], "message": _plain(failure["message"])} if failure else {},
        "principal": _plain(record.principal),
        "tier": record.tier,
        "created_us": record.created_us,
        "changed_us": record.changed_us,
        "exit_status": exit_status,
        "difficulty": record.difficulty,
        "answered": bool(record.answered),
        "counters": counters,
        "tags": tags_of(record),
        "handles": len(record.grants.origins),
        "items": jobs.item_count(record) if flight is None else flight.item,
        "ends": record.next_step - 1 if flight is None else flight.step - 1,
        "commits": jobs.commit_count(record),
    }


def _commits(store: Store, jobs: JobRepository, number: int, count: int) -> Iterator[Commit]:
    """The first ``count`` commits."""

    def read(record: JobRecord, seq: int) -> tuple[Commit, int]:
        commit = jobs.commit(record, seq)
        return commit, len(commit.manifest) + sum(map(len, commit.blocks))

    return _elements(store, jobs, number, count, read)


def _items(store: Store, jobs: JobRepository, number: int, count: int) -> Iterator[tuple[ChatItem, list[bytes]]]:
    """The first ``count`` chat items with the journals of their steps."""

    def read(record: JobRecord, index: int) -> tuple[tuple[ChatItem, list[bytes]], int]:
        item = jobs.item(record, index)
        journal = jobs.journal_blobs(record, item) if item.end is not None else []
        return (item, journal), len(item.text) + sum(map(len, journal))

    return _elements(store, jobs, number, count, read)


def _elements(
    store: Store, jobs: JobRepository, number: int, count: int, read: Callable[[JobRecord, int], tuple[T, int]]
) -> Iterator[T]:
    """The first ``count`` elements of a list, a few with each visit to the store thread.

    Args:
        store: has the job.
        jobs: its records.
        number: of the job.
        count: how many.
        read: gives one by its place, and how long it is (store thread).
    """
    at = 0
    while at < count:

        def page(start: int = at) -> list[T]:
            record, found, begun, size = jobs.get(number), list[T](), time.perf_counter(), 0
            for place in range(start, count):
                element, length = read(record, place)
                found.append(element)
                size += length
                if size > _PAGE_BYTES or time.perf_counter() - begun > PAGE_SECONDS:
                    break
            return found

        elements = store.read_sync(page)
        at += len(elements)
        yield from elements


def _as_added(item: ChatItem) -> ChatItem:
    """The entry as it was written when it was added: what the end of its step says is written with the end."""
    if item.end is None:
        return item
    usage = {name: value for name, value in item.usage.items() if name not in item.end.usage}
    return replace(item, usage=usage, console=(), outcome={})


def _plain(text: str) -> str:
    """A text that every reader takes."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()[:_MAX_TEXT]
