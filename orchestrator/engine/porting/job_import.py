"""Reads an archive into the store: check all of it, store the blocks, fill the record, publish it in one block.

A crash before the last block leaves no job: the blocks that came are content that nobody names yet, the record that
was filled is removed at the next start.

Preconditions:
    everything here blocks, on any thread but the store's and the event loop's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import BinaryIO

from orchestrator.engine.clock import now_us
from orchestrator.engine.elements import decode_commit, decode_end, decode_item
from orchestrator.engine.manifest import PlacedWorkspace, decode_manifest
from orchestrator.engine.porting.archive import Kind, read_frame_at, read_frames
from orchestrator.engine.porting.contents import ArchiveHead, ArchiveIndex
from orchestrator.engine.porting.staging import StagedJobs
from orchestrator.engine.step_commit import kept_commit
from orchestrator.engine.submission import DEFAULT_TENANT
from orchestrator.sandboxes.step import LostValue, Workspace
from orchestrator.store.store import Store
from statek import durable
from statek.event_feed import emit
from statek.job_definition import JobDefinition
from statek.job_mode import JobMode
from statek.job_status import JobStatus
from statek.packing import pack, packed_pieces, split_pieces
from statek.records import JobRecord

__all__ = ["Arrival", "import_job", "remove_leftovers"]

_BATCH_BYTES = 4 << 20
"""Blocks of one transaction of the block store."""

_PAGE_BYTES = 256 << 10
_PAGE_ENTRIES = 100
"""What is added to the record at once: a flush of its own, so that the store thread is never held for long."""

_SHOWN_LOST = 20


@dataclass(frozen=True, slots=True)
class Arrival:
    """What an import is given beside the archive.

    Attributes:
        principal: on whose behalf the job acts here.
        request_id: the same for a repeated import; empty for none.
        definition: of the job here.
    """

    principal: str
    request_id: str
    definition: str


def import_job(store: Store, jobs: StagedJobs, file: BinaryIO, index: ArchiveIndex, arrival: Arrival) -> int:
    """Make a job of a checked archive; gives its number. Durable on return.

    Args:
        store: where it is made.
        jobs: its records.
        file: the archive.
        index: what ``check_archive`` found in it.
        arrival: the rest.

    Raises:
        StoreFull: the disk refused; no job was made.
    """
    with store.blocks.naming(index.blocks):
        return _import(store, jobs, file, index, arrival)


def _import(store: Store, jobs: StagedJobs, file: BinaryIO, index: ArchiveIndex, arrival: Arrival) -> int:
    head = index.head
    stored_bytes = _put_blocks(store, file, index)
    record = store.commit_sync(
        lambda: jobs.stage(
            tenant=DEFAULT_TENANT,
            role=head.role,
            principal=arrival.principal,
            definition=arrival.definition,
            handles=head.handles,
            now_us=head.created_us,
        )
    )
    _fill(store, jobs, record, file)
    return store.commit_sync(lambda: _publish(jobs, record, index, arrival, stored_bytes))


def remove_leftovers(store: Store, jobs: StagedJobs) -> None:
    """Remove what imports of an earlier process have left; none may be at work."""
    while store.commit_sync(jobs.remove_staged):
        pass


def _put_blocks(store: Store, file: BinaryIO, index: ArchiveIndex) -> int:
    """Store the blocks; gives their bytes."""
    batch: dict[str, bytes] = {}
    size = total = 0
    for digest, offset in index.blocks.items():
        batch[digest] = read_frame_at(file, offset)
        size += len(batch[digest])
        total += len(batch[digest])
        if size > _BATCH_BYTES:
            store.blocks.put_many_sync(batch)
            batch, size = {}, 0
    if batch:
        store.blocks.put_many_sync(batch)
    return total


def _fill(store: Store, jobs: StagedJobs, record: JobRecord, file: BinaryIO) -> None:
    """Add commits, chat items and ends to the record, page by page."""
    page: list[Callable[[], None]] = []
    size = 0
    for change, length in _changes(jobs, record, file):
        page.append(change)
        size += length
        if size > _PAGE_BYTES or len(page) >= _PAGE_ENTRIES:
            _write(store, page)
            page, size = [], 0
    if page:
        _write(store, page)


def _write(store: Store, page: list[Callable[[], None]]) -> None:
    def add() -> None:
        for change in page:
            change()

    store.commit_sync(add)


def _changes(jobs: StagedJobs, record: JobRecord, file: BinaryIO) -> Iterator[tuple[Callable[[], None], int]]:
    """What is to be added on the store thread, in order, and the length of each."""
    commits = items = ends = 0
    journal: list[bytes] = []
    file.seek(0)
    for frame in read_frames(file):
        match frame.kind:
            case Kind.COMMIT:
                yield partial(jobs.take_commit, record, decode_commit(commits, frame.content)), len(frame.content)
                commits += 1
            case Kind.ITEM:
                yield partial(jobs.take_item, record, decode_item(items, frame.content)), len(frame.content)
                items += 1
            case Kind.JOURNAL:
                journal.append(frame.content)
            case Kind.END:
                ends += 1
                end = decode_end(ends, frame.content)
                yield partial(jobs.take_end, record, end, journal), len(frame.content) + sum(map(len, journal))
                journal = []
            case _:
                pass


# --------------------------------------------------------------------------------------- the last block


def _publish(jobs: StagedJobs, record: JobRecord, index: ArchiveIndex, arrival: Arrival, stored_bytes: int) -> int:
    """Set the fields, say what became of the job, and make it one of the store."""
    head, at = index.head, now_us()
    number = jobs.publish(record, arrival.request_id)
    emit(record, "job.imported", head.job, role=head.role, store=head.store)
    for name, value in head.counters.items():
        if name != "warmup_next":  # an imported job has no warmup (porting.definition)
            setattr(record, name, value)
    record.history_bytes += stored_bytes
    mode = JobDefinition.from_json(arrival.definition).mode
    if mode is not JobMode.DURABLE:
        record.mode = mode.value
    record.next_step = head.ends + 1
    record.difficulty = head.difficulty
    record.answered = head.answered
    record.changed_us = head.changed_us
    record.status = JobStatus.DONE.value
    unfinished = head.status != JobStatus.DONE.value
    resting = f"imported while it was {head.status}; a message or a fork lets it go on"
    record.reason = resting if unfinished else head.reason
    record.failure = pack(dict(head.failure)) if head.failure else ""
    if head.exit_status is not None:
        record.exit_status = packed_pieces(split_pieces(head.exit_status))
    record.tags = pack(dict(head.tags)) if head.tags else ""
    record.origin = pack(
        {
            "store": head.store,
            "job": head.job,
            "exported_us": head.exported_us,
            "imported_us": at,
            "service": head.service,
            "status": head.status,
            "principal": head.principal,
            "tier": head.tier,
        }
    )
    jobs.add_message(record, "system", _note(head, index.lost), at)
    newest = jobs.commit(record, head.commits - 1)
    before = decode_manifest(newest.manifest)
    new = kept_commit(before.workspace, _without(before, index.lost), newest.image_digest)
    jobs.add_commit(record, "import", 0, new, at, durable.state_number())
    return number


def _without(placed: PlacedWorkspace, lost: dict[str, str]) -> PlacedWorkspace:
    """A workspace in which some variables are lost."""
    workspace = placed.workspace
    kept = tuple(component for component in workspace.components if component.names[0] not in lost)
    known = {value.name for value in workspace.lost}
    more = tuple(LostValue(name, reason) for name, reason in sorted(lost.items()) if name not in known)
    left = Workspace(kept, workspace.files, (*workspace.lost, *more))
    named = left.digests()
    return replace(
        placed,
        workspace=left,
        places={digest: place for digest, place in placed.places.items() if digest in named},
        held=(),
    )


def _note(head: ArchiveHead, lost: dict[str, str]) -> str:
    """What the model and people are told."""
    names = sorted(lost)
    more = f" and {len(names) - _SHOWN_LOST} more" if len(names) > _SHOWN_LOST else ""
    shown = f" Lost with that: {', '.join(names[:_SHOWN_LOST])}{more}." if names else ""
    return (
        f"This job was imported; it was {head.job} of another store. Its variables and files came with it; durable "
        f"objects, futures and what it waited for did not.{shown}"
    )
