"""The job records, read in one place; ``orchestrator.engine.jobs`` adds what changes them.

Chat items, ends of steps and commits are packed elements in lists of the job (``orchestrator.engine.elements`` says
what they hold, ``orchestrator.engine.element_lists`` how they are kept); nobody else touches these lists.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

from orchestrator.engine.element_lists import length_of, read_element
from orchestrator.engine.elements import (
    ChatItem,
    Commit,
    StepInFlight,
    decode_commit,
    decode_end,
    decode_flight,
    decode_item,
    with_end,
    with_flight,
)
from orchestrator.engine.manifest import BlockPlace, PlacedWorkspace, decode_manifest
from statek import durable
from statek.exceptions import (
    CommitDropped,
    InternalError,
    InvalidRequest,
    NotFound,
    StoreDamaged,
    StoreVersionError,
)
from statek.executors.views import AgentView
from statek.job_mode import JobMode, require_durable_variables
from statek.job_status import ACTIVE_TAG, JobStatus
from statek.packing import unpack
from statek.records import RECORD_FORMAT, JobRecord, ServiceRecord

__all__ = ["ROOT_TAG", "JobReader", "job_id", "job_number"]

ROOT_TAG = "statek-root"

_VISIT_SECONDS = 0.004
"""How long one visit to the store thread may go through active jobs; there may be thousands."""

_JOB_ID = re.compile(r"j([1-9][0-9]{0,11})")


def job_id(number: int) -> str:
    """The id that users see of job ``number``."""
    return f"j{number}"


def job_number(text: str) -> int:
    """The number of a job id that a user typed.

    Raises:
        InvalidRequest: it does not look like ``j12``.
    """
    match = _JOB_ID.fullmatch(text.strip())
    if match is None:
        raise InvalidRequest(f"{text!r} is no job id; job ids look like j12 (statek jobs lists them)")
    return int(match.group(1))


class JobReader:
    """The jobs of one prefix, as they are.

    Preconditions:
        every method: on the store thread.
    """

    def __init__(self) -> None:
        self._root: ServiceRecord | None = None

    def root(self) -> ServiceRecord | None:
        """The prefix's root; None before its first job.

        Raises:
            StoreVersionError: another version of the service keeps its jobs in another form.
        """
        if self._root is None:
            found = list(durable.find(ServiceRecord, ROOT_TAG))
            if len(found) > 1:
                raise StoreDamaged(f"the prefix has {len(found)} roots")
            if found and (form := found[0].record_format) != RECORD_FORMAT:
                what = "run `statek upgrade`, which writes a backup first"
                raise StoreVersionError(
                    f"this store keeps its jobs in form {form}, this version of the service keeps them in form "
                    f"{RECORD_FORMAT}; {what if form < RECORD_FORMAT else 'use the later version that wrote it'}"
                )
            self._root = found[0] if found else None
        return self._root

    def _jobs(self) -> Any:
        """Every job record in order; empty before the first."""
        root = self.root()
        return root.jobs if root is not None else ()

    def get(self, number: int) -> JobRecord:
        """The job of that number.

        Raises:
            NotFound: there is none.
        """
        jobs = self._jobs()
        if not 1 <= number <= len(jobs):
            raise NotFound(f"job {job_id(number)} does not exist; this store has {len(jobs)} job(s)")
        record: JobRecord = jobs[number - 1]
        return record

    def has(self, number: int) -> bool:
        """Whether there is a job of that number."""
        return 1 <= number <= len(self._jobs())

    def next_number(self) -> int:
        """The number that the next job gets."""
        return len(self._jobs()) + 1

    def agents(self) -> dict[str, AgentView]:
        """What is known of the agents that services have run, by role."""
        root = self.root()
        kept = (unpack(root.agents) or {}) if root is not None else {}
        return {role: AgentView(role=role, **known) for role, known in kept.items()}

    def active(self) -> Iterator[JobRecord]:
        """Every job that is not DONE, in no particular order."""
        self.root()
        return iter(durable.find(JobRecord, ACTIVE_TAG))

    def visit_active(self, look: Callable[[JobRecord], object]) -> Callable[[], bool]:
        """What shows ``look`` every job that is active at its first call, some at each call, until it gives False.

        A job that ends or becomes active meanwhile may be shown or not.
        """
        found: Iterator[JobRecord] | None = None

        def visit() -> bool:
            nonlocal found
            found = found or self.active()
            started = time.perf_counter()
            for record in found:
                look(record)
                if time.perf_counter() - started > _VISIT_SECONDS:
                    return True
            return False

        return visit

    def active_page(self, start: int, count: int) -> list[JobRecord]:
        """Up to ``count`` of the jobs that are not DONE, from a place on; none past the end.

        A job that becomes active meanwhile moves others to later places, so that they may come twice, never not at all.
        """
        self.root()
        return durable.find_page(JobRecord, ACTIVE_TAG, start, start + count)

    def numbers(self, *, newest: int, before: int | None = None) -> range:
        """The numbers of the ``newest`` latest jobs, or of the latest with numbers smaller than ``before``."""
        last = len(self._jobs()) if before is None else min(len(self._jobs()), before - 1)
        return range(max(1, last - newest + 1), last + 1)

    # ------------------------------------------------------------------------------ reading one job

    def item_count(self, record: JobRecord) -> int:
        """How many chat items the job has, the one in flight included."""
        return record.base_items + len(record.chat)

    def item(self, record: JobRecord, index: int) -> ChatItem:
        """A chat item as it is now; costs the same in a long chat log as in a short one."""
        owner = _owner(record, "base_items", index)
        item = decode_item(index, read_element(owner, owner.chat[index - owner.base_items]))
        if not item.step:
            return item
        owner = _owner(record, "base_steps", item.step - 1)
        place = item.step - 1 - owner.base_steps
        if place < len(owner.ends):
            return with_end(item, decode_end(item.step, read_element(owner, owner.ends[place])))
        flight = self.in_flight(record)
        if flight is None:
            raise StoreDamaged(f"step {item.step} of job {job_id(record.number)} has neither ended nor is it in flight")
        shown = with_flight(item, flight)
        return replace(shown, console=unpack(record.waiting_console)) if record.waiting_console else shown

    def last_item(self, record: JobRecord) -> ChatItem | None:
        """The newest chat item; None before the first."""
        count = self.item_count(record)
        return self.item(record, count - 1) if count else None

    def in_flight(self, record: JobRecord) -> StepInFlight | None:
        """The step in flight, or None; its chat item is ``item(record, found.item)``."""
        return decode_flight(record.flight) if record.flight else None

    def journal_blobs(self, record: JobRecord, item: ChatItem) -> list[bytes]:
        """The pieces of a step's journal as they were added."""
        owner = record
        if item.end is not None:
            owner = _owner(record, "base_steps", item.step - 1)
            first, last, closing = item.end.first_piece, item.end.last_piece, item.end.journal
        else:
            flight = self.require_flight(record)
            first, last, closing = flight.first_piece, length_of(record.journal), b""
        blobs: list[bytes] = []
        parts: list[bytes] = []
        for index in range(first, last):
            piece = owner.journal[index]
            parts.append(piece[1:])
            if piece[:1] == b".":
                blobs.append(b"".join(parts))
                parts = []
        return [*blobs, closing] if closing else blobs

    def journal_in_flight(self, record: JobRecord) -> list[bytes]:
        """The pieces of the journal of the step in flight."""
        return self.journal_blobs(record, self.item(record, self.require_flight(record).item))

    def require_flight(self, record: JobRecord) -> StepInFlight:
        """The step in flight, which the caller knows to be there."""
        flight = self.in_flight(record)
        if flight is None:
            raise InternalError(f"job {job_id(record.number)} has no step in flight")
        return flight

    def running_status(self, record: JobRecord) -> JobStatus:
        """The status of the job while its step in flight runs."""
        return JobStatus.WARMING_UP if self.require_flight(record).kind == "warmup" else JobStatus.STARTED

    def commit_count(self, record: JobRecord) -> int:
        """How many commits the job has, the start commit included."""
        return record.base_commits + len(record.commits)

    def commit(self, record: JobRecord, seq: int) -> Commit:
        """A commit of a job.

        Raises:
            NotFound: it has no such commit.
        """
        count = self.commit_count(record)
        if not 0 <= seq < count:
            raise NotFound(f"job {job_id(record.number)} has no commit {seq}; it has 0 to {count - 1}")
        owner = _owner(record, "base_commits", seq)
        return decode_commit(seq, read_element(owner, owner.commits[seq - owner.base_commits]))

    def kept_commit(self, record: JobRecord, seq: int) -> Commit:
        """A commit whose workspace is kept.

        Raises:
            NotFound: the job has no such commit.
            CommitDropped: a compaction has dropped it.
        """
        commit = self.commit(record, seq)
        if commit.dropped_us:
            at = datetime.fromtimestamp(commit.dropped_us // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
            whose = job_id(record.number)
            raise CommitDropped(f"commit {seq} of job {whose} was dropped by the compaction of {at} UTC")
        return commit

    def workspace(self, record: JobRecord, seq: int) -> PlacedWorkspace:
        """The workspace of a commit.

        Raises:
            CommitDropped: a compaction has dropped it.
        """
        return decode_manifest(self.kept_commit(record, seq).manifest)

    def kept_workspace(self, record: JobRecord, seq: int) -> PlacedWorkspace:
        """``workspace`` for whoever wants to know what the job had then.

        Raises:
            InvalidRequest: the job is live; no commit says what it had.
        """
        require_durable_variables(job_id(record.number), JobMode(record.mode or JobMode.DURABLE.value))
        return self.workspace(record, seq)

    def inline_blocks(self, record: JobRecord, places: Mapping[str, BlockPlace]) -> dict[str, bytes]:
        """The data by digest of blocks that travel in commits; each commit is read once."""
        commits = {place.commit: self.commit(record, place.commit) for place in places.values() if place.commit >= 0}
        return {d: commits[place.commit].blocks[place.index] for d, place in places.items() if place.commit >= 0}


def _owner(record: JobRecord, limit: Literal["base_items", "base_steps", "base_commits"], index: int) -> JobRecord:
    """The job whose list has an entry of this job's past: itself, or one that it was forked from."""
    while index < getattr(record, limit):
        record = record.base
    return record
