"""Reads everything that a service keeps in a store and says what is damaged, by job and commit.

Every block is read and its digest computed; of every job every field, chat item, end of a step, journal and commit is
decoded, the chain of hashes computed anew, and every block that a commit names looked for; then what is kept beside the
jobs (``orchestrator.engine.verification_beside``). Nothing is changed.

Preconditions:
    ``verify`` blocks, on any thread but the store's and the event loop's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from orchestrator.digests import content_digest
from orchestrator.engine.elements import Commit, commit_hash
from orchestrator.engine.history import tags_of
from orchestrator.engine.jobs import JobRepository, job_id
from orchestrator.engine.journal import Journal
from orchestrator.engine.manifest import BlockPlace, decode_manifest
from orchestrator.engine.verification_beside import verify_beside
from orchestrator.store.block_calls import Blocks
from orchestrator.store.store import Store
from sandbox_runner.wire import values
from statek.error_handlers import handlers_from_text
from statek.exceptions import NotFound, StatekError, StoreError
from statek.inbox import entries
from statek.job_definition import JobDefinition
from statek.job_status import JobStatus
from statek.packing import join_pieces, pieces_of, unpack
from statek.records import JobRecord
from statek.upkeep import Finding, Verified

__all__ = ["verify", "verify_records"]

T = TypeVar("T")
Progress = Callable[[str], None]

_EXIT_LIMITS = values.GraphLimits(max_bytes=64 << 20, max_nodes=5_000_000, max_text_bytes=64 << 20)


def verify(store: Store, jobs: JobRepository, progress: Progress) -> Verified:
    """Read a whole store; it may be at work meanwhile.

    Args:
        store: the open store.
        jobs: its job records.
        progress: gets a line for every part.
    """
    with store.blocks.kept:
        return _Verification(store, jobs, progress).run()


def verify_records(store: Store, jobs: JobRepository, progress: Progress) -> Verified:
    """Read a store's records as ``verify`` does, but not its blocks: a copy of the prefix alone has none."""
    return _Verification(store, jobs, progress, with_blocks=False).run()


@dataclass(slots=True)
class _Counts:
    jobs: int = 0
    entries: int = 0
    commits: int = 0
    blocks: int = 0


class _Verification:
    """One run."""

    def __init__(self, store: Store, jobs: JobRepository, progress: Progress, *, with_blocks: bool = True) -> None:
        self._store = store
        self._jobs = jobs
        self._progress = progress
        self._with_blocks = with_blocks
        self._findings: list[Finding] = []
        self._counts = _Counts()
        self._good: set[str] = set()
        self._bad: set[str] = set()

    def run(self) -> Verified:
        """Blocks first: the commits are compared with what was found."""
        if self._with_blocks:
            self._blocks(self._store.blocks)
        try:
            last = self._store.read_sync(lambda: self._jobs.numbers(newest=1).stop)
        except (StatekError, RuntimeError) as error:
            self._findings.append(Finding(f"the list of jobs does not read: {error}"))
            last = 1
        for number in range(1, last):
            self._progress(f"reading job {number} of {last - 1}")
            self._job(number)
            self._counts.jobs += 1
        self._findings += [Finding(problem) for problem in verify_beside(self._store, self._jobs, self._progress)]
        counts = self._counts
        return Verified(counts.jobs, counts.entries, counts.commits, counts.blocks, tuple(self._findings))

    def _note(self, job: int, problem: str, commit: int = -1) -> None:
        self._findings.append(Finding(problem, job_id(job), commit))

    # ------------------------------------------------------------------------------------- blocks

    def _blocks(self, blocks: Blocks) -> None:
        total = blocks.count_sync()
        try:
            for digests in blocks.digest_pages_sync():
                for digest in digests:
                    self._block(blocks, digest)
                self._progress(f"reading blocks, {self._counts.blocks} of {max(total, self._counts.blocks)}")
        except StoreError as error:
            self._findings.append(Finding(f"the list of blocks does not read: {error}"))

    def _block(self, blocks: Blocks, digest: str) -> None:
        try:
            blocks.get_sync(digest)
        except NotFound:
            return  # removed meanwhile
        except StoreError:
            self._bad.add(digest)
        else:
            self._good.add(digest)
        self._counts.blocks += 1

    # --------------------------------------------------------------------------------------- jobs

    def _job(self, number: int) -> None:
        """Everything of one job. A fork's earlier past is read with the job it was forked from."""
        found = self._read(number, "its record does not read", lambda: _fields(self._jobs, self._jobs.get(number)))
        if found is None:
            return
        first_item, items, first_commit, commits, problems = found
        for problem in problems:
            self._note(number, problem)
        for index in range(first_item, items):
            self._item(number, index)
        self._commits(number, first_commit, commits)

    def _item(self, number: int, index: int) -> None:
        def read() -> list[bytes]:
            record = self._jobs.get(number)
            item = self._jobs.item(record, index)
            return self._jobs.journal_blobs(record, item) if item.end is not None else []

        blobs = self._read(number, f"entry {index} of its chat log does not read", read)
        if blobs:
            self._guarded(number, f"the journal of entry {index} does not read", lambda: Journal.load(blobs))
        self._counts.entries += 1

    def _commits(self, number: int, first: int, count: int) -> None:
        before = ""
        if first:
            previous = self._read(
                number, "the commit it was forked from does not read", lambda: self._commit(number, first - 1)
            )
            before = previous.hash if previous is not None else ""
        for seq in range(first, count):
            commit = self._read(number, "it does not read", lambda at=seq: self._commit(number, at), seq)  # type: ignore[misc]
            self._counts.commits += 1
            if commit is None:
                before = ""
                continue
            if commit.dropped_us:
                before = commit.hash
                continue
            if (before or not seq) and commit_hash(commit, before) != commit.hash:
                self._note(number, "its content has another hash", seq)
            before = commit.hash
            self._workspace(number, commit)

    def _commit(self, number: int, seq: int) -> Commit:
        return self._jobs.commit(self._jobs.get(number), seq)

    def _workspace(self, number: int, commit: Commit) -> None:
        """Every block that a commit names."""
        placed = self._guarded(
            number, "its manifest does not read", lambda: decode_manifest(commit.manifest), commit.seq
        )
        if placed is None:
            return
        stored = [digest for digest, place in placed.places.items() if place.commit < 0]
        inline = {digest: place for digest, place in placed.places.items() if place.commit >= 0}
        missing = self._missing(stored)
        for digest in stored:
            if digest in missing:
                self._note(number, f"block {digest} is missing: {_whose(placed.workspace, digest)}", commit.seq)
            elif digest in self._bad:
                self._note(number, f"block {digest} is damaged: {_whose(placed.workspace, digest)}", commit.seq)
        if not inline:
            return
        blocks = self._read(
            number, "blocks in its commits do not read", lambda: self._inline(number, inline), commit.seq
        )
        for digest, data in (blocks or {}).items():
            if content_digest(data) != digest:
                self._note(number, f"block {digest} is damaged: {_whose(placed.workspace, digest)}", commit.seq)

    def _missing(self, digests: list[str]) -> set[str]:
        """Those that are not in the block store; only what came after it was read is asked for."""
        unread = {digest for digest in digests if digest not in self._good and digest not in self._bad}
        return unread - self._store.blocks.has_many_sync(unread) if unread and self._with_blocks else set()

    def _inline(self, number: int, places: dict[str, BlockPlace]) -> dict[str, bytes]:
        return self._jobs.inline_blocks(self._jobs.get(number), places)

    # ------------------------------------------------------------------------------------- reading

    def _read(self, number: int, what: str, read: Callable[[], T], commit: int = -1) -> T | None:
        """Something of the store; None, and a finding, where it does not read."""
        return self._guarded(number, what, lambda: self._store.read_sync(read), commit)

    def _guarded(self, number: int, what: str, read: Callable[[], T], commit: int = -1) -> T | None:
        try:
            return read()
        except Exception as error:  # noqa: BLE001 -- a damaged file may raise anything, and everything is to be named
            self._note(number, f"{what}: {type(error).__name__}: {error}", commit)
            return None


def _fields(jobs: JobRepository, record: JobRecord) -> tuple[int, int, int, int, list[str]]:
    """Where the job's own entries and commits begin and end, and what of its fields does not read (store thread)."""
    problems = []
    for what, read in _readers(jobs, record):
        try:
            read()
        except Exception as error:  # noqa: BLE001 -- as above
            problems.append(f"{what} does not read: {type(error).__name__}: {error}")
    return record.base_items, jobs.item_count(record), record.base_commits, jobs.commit_count(record), problems


def _readers(jobs: JobRepository, record: JobRecord) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What reads each field that holds more than a number."""
    yield "its definition", lambda: JobDefinition.from_json(record.definition)
    yield "its status", lambda: JobStatus[record.status]
    yield "its failure", lambda: unpack(record.failure)
    yield "its tags", lambda: tags_of(record)
    yield "its inbox", lambda: entries(record)
    yield "its step in flight", lambda: jobs.in_flight(record)
    yield "its error handlers", lambda: handlers_from_text(record.error_handlers)
    yield "what it waits for", lambda: unpack(record.awaited)
    yield "what its tools remember", lambda: unpack(record.memory)
    if record.handler is not None:
        yield "what became of its sub-task", lambda: (record.handler.state, record.handler.error, record.handler.result)
    yield "its shared context", lambda: unpack(record.shared_binding)
    yield "where it comes from", lambda: unpack(record.origin)
    yield "the table of its grants", lambda: (len(record.grants.objects), list(record.grants.origins))
    if record.exit_status is not None:
        status = join_pieces(pieces_of(record.exit_status))
        yield "its exit status", lambda: values.decode(status, limits=_EXIT_LIMITS)


def _whose(workspace: Any, digest: str) -> str:
    """Which variables and files need a block."""
    names = [name for component in workspace.components if digest in component.blocks for name in component.names]
    names += [f"/work/{file.path}" for file in workspace.files if digest in file.blocks]
    return ", ".join(sorted(names)) or "nothing"
