"""The job records, read and changed in one place.

Every method is a plain function that runs on the store thread, inside the store's atomic block where
it changes something; the engine calls them as ``await store.commit(lambda: jobs.begin_step(...))``.
They never decide what happens next (``statek.executors.decision``) and never wait.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.engine.manifest import (
    MAX_INLINE_BYTES,
    BlockPlace,
    PlacedWorkspace,
    decode_manifest,
    encode_manifest,
)
from orchestrator.engine.objects.grants import Grants
from orchestrator.sandboxes.step import Workspace
from sandbox_runner.wire import values
from statek import durable, inbox
from statek.exceptions import InvalidRequest, LLM_HarnessError, NotFound, StoreDamaged
from statek.job_status import ACTIVE_TAG, JobStatus, check_transition
from statek.packing import join_pieces, pack, packed_pieces, pieces_of, split_pieces, unpack
from statek.records import ChatItemRecord, CommitRecord, JobRecord, ServiceRecord

__all__ = ["JobRepository", "NewCommit", "StepOutcome", "job_id", "job_number"]

_ROOT_TAG = "statek-root"
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


@dataclass(frozen=True, slots=True)
class NewCommit:
    """A commit about to be written.

    Attributes:
        workspace: what it keeps.
        places: where blocks that earlier commits brought are.
        new_blocks: data by digest of the blocks that this step brought.
        inline: whether the new blocks travel in the commit (else they are in the block store already).
        changed: names of variables and files that differ from the parent.
        held: ids of the handles that variables reach.
        image_digest: of the runner.
        usage: JSON-able sandbox usage.
    """

    workspace: Workspace
    places: dict[str, BlockPlace]
    new_blocks: dict[str, bytes]
    inline: bool
    changed: list[str]
    held: tuple[int, ...] = ()
    image_digest: str = ""
    usage: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """How a step ended, for its chat item.

    Attributes:
        state: ``committed`` or ``died``.
        outcome: ``ok`` | ``error`` | ``exit`` | ``died``.
        error_type, error_message: of the exception, or of the death.
        console: ``[kind, text]`` elements.
        journal: last piece of the journal, empty for none.
        exit_status: graph form, None unless exit was called.
        counts_as_exception: whether the harness counts it.
        cpu_seconds: CPU time inside the sandbox.
        tier, image_digest: of the runner.
        usage: JSON-able sandbox usage.
    """

    state: str
    outcome: str
    error_type: str = ""
    error_message: str = ""
    console: Sequence[tuple[str, str]] = ()
    journal: bytes = b""
    exit_status: bytes | None = None
    counts_as_exception: bool = False
    cpu_seconds: float = 0.0
    tier: str = ""
    image_digest: str = ""
    usage: dict[str, Any] = field(default_factory=dict)


class JobRepository:
    """The jobs of one prefix.

    Preconditions:
        every method: on the store thread; changing ones inside its atomic block.
    """

    def __init__(self) -> None:
        self._root: ServiceRecord | None = None

    # ------------------------------------------------------------------------------------ reading

    def root(self) -> ServiceRecord | None:
        """The prefix's root; None before its first job."""
        if self._root is None:
            found = list(durable.find(ServiceRecord, _ROOT_TAG))
            if len(found) > 1:
                raise StoreDamaged(f"the prefix has {len(found)} roots")
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

    def active(self) -> Iterator[JobRecord]:
        """Every job that is not DONE, in no particular order."""
        return iter(durable.find(JobRecord, ACTIVE_TAG))

    def numbers(self, *, newest: int) -> range:
        """The numbers of the ``newest`` latest jobs."""
        last = len(self._jobs())
        return range(max(1, last - newest + 1), last + 1)

    def workspace(self, record: JobRecord, seq: int) -> PlacedWorkspace:
        """The workspace of a commit."""
        commit: CommitRecord = self.commit(record, seq)
        return decode_manifest(join_pieces(pieces_of(commit.manifest)))

    def commit(self, record: JobRecord, seq: int) -> CommitRecord:
        """A commit of a job.

        Raises:
            NotFound: it has no such commit.
        """
        if not 0 <= seq < len(record.commits):
            raise NotFound(f"job {job_id(record.number)} has no commit {seq}; it has 0 to {len(record.commits) - 1}")
        found: CommitRecord = record.commits[seq]
        return found

    def inline_block(self, record: JobRecord, place: BlockPlace) -> bytes:
        """The data of a block that travels in a commit (kept whole: inline sums stay below one element)."""
        inline = record.commits[place.commit].inline
        blocks = values.decode(inline) if isinstance(inline, bytes) else inline
        data: bytes = blocks[place.index]  # type: ignore[index]
        return data

    # ----------------------------------------------------------------------------------- changing

    def create(
        self,
        *,
        tenant: str,
        role: str,
        principal: str,
        definition: str,
        grants: Any,
        now_us: int,
    ) -> JobRecord:
        """Make a READY job without commits; the caller adds the start commit in the same block."""
        root = self.root()
        if root is None:
            root = ServiceRecord()
            durable.tag(root, _ROOT_TAG)
        record = JobRecord(len(root.jobs) + 1, tenant, role, principal, definition, now_us, grants)
        root.jobs.append(record)
        durable.tag(record, ACTIVE_TAG)
        return record

    def add_message(
        self,
        record: JobRecord,
        kind: str,
        text: str,
        now_us: int,
        *,
        code: str = "",
        console: Sequence[tuple[str, str]] = (),
        usage: dict[str, Any] | None = None,
    ) -> ChatItemRecord:
        """Append a message that runs nothing (``user``, ``system`` or ``notification``).

        Args:
            record: the job.
            kind: of the entry.
            text: the message.
            now_us: microseconds UTC.
            code: of a notification: what shows the result it tells of.
            console: what that prints.
            usage: JSON-able remarks.
        """
        item = ChatItemRecord(kind, now_us, pack(text), 0, pack(code) if code else "", "none", len(record.commits) - 1)
        if console:
            item.console = pack([list(element) for element in console])
        if usage:
            item.usage = pack(usage)
        record.chat.append(item)
        return item

    def push(self, record: JobRecord, entry: inbox.InboxEntry, now_us: int) -> inbox.Pushed:
        """Put an entry into a job's inbox; a job that is done goes on.

        Raises:
            LimitExceeded: the message is too long, or too much waits already.
        """
        return inbox.push(record, entry, now_us)

    def deliver(self, record: JobRecord) -> list[ChatItemRecord]:
        """Move what waits in the inbox into the chat log; gives the new entries.

        A job that called exit(...) goes on with it.
        """
        items = []
        for entry in inbox.take_all(record):
            console = [("print", entry.result)] if entry.lookup else []
            remarks = {"pushed": True} if entry.kind == inbox.USER else None
            items.append(
                self.add_message(
                    record, entry.kind, entry.text, entry.at_us, code=entry.lookup, console=console, usage=remarks
                )
            )
        if items:
            record.exit_status = None
        return items

    def add_step(
        self, record: JobRecord, *, kind: str, text: str, code: str, begun: bool, usage: dict[str, Any], now_us: int
    ) -> ChatItemRecord:
        """Append a reply or a warmup block and make it the step in flight."""
        item = ChatItemRecord(
            kind, now_us, pack(text), record.next_step, pack(code), "waiting", len(record.commits) - 1
        )
        item.usage = pack(usage)
        record.chat.append(item)
        record.current = item
        record.next_step += 1
        if kind == "reply":
            record.turns += 1
        if begun:
            self.begin(record)
        return item

    def begin(self, record: JobRecord) -> None:
        """Note that the step in flight is being run (again)."""
        record.current.state = "begun"
        record.current.attempts += 1

    def put_down(self, record: JobRecord, *, crashed: bool) -> None:
        """Note that the step in flight is not being run any more, without an end.

        Args:
            record: the job.
            crashed: whether a crash of the service is why (found at the next start); a step that two
                crashes hit is quarantined.
        """
        item = record.current
        if item is not None and item.state == "begun":
            item.state = "waiting"
            if crashed:
                item.crashes += 1
            else:
                item.put_downs += 1

    def note_loss(self, record: JobRecord) -> None:
        """Note that the runner of the step in flight was lost: it counts as a run, but nothing runs now."""
        item = record.current
        if item is not None and item.state == "begun":
            item.state = "waiting"

    def add_model_usage(self, record: JobRecord, usage: dict[str, Any]) -> None:
        """Add the usage of one reply to the job's totals."""
        record.input_tokens += usage.get("input_tokens", 0)
        record.cached_tokens += usage.get("cached_tokens", 0)
        record.output_tokens += usage.get("output_tokens", 0)
        record.cost_microusd += usage.get("cost_microusd") or 0

    def add_journal(self, item: ChatItemRecord, blob: bytes) -> None:
        """Append a piece of the step's journal (long ones as several elements, each marked)."""
        pieces = split_pieces(blob)
        last = len(pieces) - 1
        marked = [(b"." if index == last else b"+") + piece for index, piece in enumerate(pieces)]
        if isinstance(item.journal, bytes):
            item.journal = packed_pieces([*pieces_of(item.journal), *marked])
        else:
            item.journal.extend(marked)

    def journal_blobs(self, item: ChatItemRecord) -> list[bytes]:
        """The pieces of a step's journal as they were added."""
        blobs: list[bytes] = []
        parts: list[bytes] = []
        for element in pieces_of(item.journal):
            parts.append(element[1:])
            if element[:1] == b".":
                blobs.append(b"".join(parts))
                parts = []
        return blobs

    def add_commit(self, record: JobRecord, kind: str, step: int, new: NewCommit, now_us: int, state_num: int) -> int:
        """Append a commit and give its number."""
        seq = len(record.commits)
        places = dict(new.places)
        for index, digest in enumerate(new.new_blocks):
            places[digest] = BlockPlace(seq, index) if new.inline else BlockPlace(-1, 0)
        manifest = encode_manifest(PlacedWorkspace(new.workspace, places, new.held))
        blocks = list(new.new_blocks.values()) if new.inline else []
        together = sum(map(len, blocks)) <= MAX_INLINE_BYTES
        inline = (values.encode(blocks) if blocks else b"") if together else blocks
        record.commits.append(
            CommitRecord(
                seq,
                seq - 1,
                kind,
                step,
                now_us,
                pack(new.changed),
                packed_pieces(split_pieces(manifest)),
                inline,
                new.image_digest,
                state_num,
                pack(new.usage),
            )
        )
        return seq

    def end_step(self, record: JobRecord, outcome: StepOutcome, *, end_commit: int, now_us: int) -> None:
        """Write how the step in flight ended, and take it out of flight."""
        item: ChatItemRecord = record.current
        item.state = outcome.state
        item.end_commit = end_commit
        item.console = pack([list(element) for element in outcome.console])
        item.outcome = pack({"outcome": outcome.outcome, "type": outcome.error_type, "message": outcome.error_message})
        item.usage = pack({**unpack(item.usage), **outcome.usage})
        if outcome.journal:
            self.add_journal(item, outcome.journal)
        if outcome.exit_status is not None:
            record.exit_status = packed_pieces(split_pieces(outcome.exit_status))
        if outcome.counts_as_exception:
            record.exceptions += 1
            record.consecutive_exceptions += 1
        else:
            record.consecutive_exceptions = 0
        if item.kind == "warmup" and outcome.state == "committed":
            record.warmup_next += 1
        record.cpu_us += round(outcome.cpu_seconds * 1e6)
        if outcome.tier:
            record.tier = outcome.tier
            record.image_digest = outcome.image_digest
        record.current = None
        record.changed_us = now_us

    def set_status(self, record: JobRecord, status: JobStatus, now_us: int, reason: str = "") -> None:
        """Change the status by the table of legal transitions."""
        check_transition(JobStatus[record.status], status)
        record.status = status.value
        record.reason = reason
        record.changed_us = now_us

    def record_harness_error(self, record: JobRecord, message: str, now_us: int) -> None:
        """Say on the console, in the chat log and as exit status that a limit of the harness ends the job."""
        line = f"{LLM_HarnessError.__name__}: {message}"
        item = self.add_message(record, "system", line, now_us, console=[("error", line)])
        item.outcome = pack({"outcome": "error", "type": LLM_HarnessError.__name__, "message": message})
        record.exit_status = packed_pieces(split_pieces(values.encode(f"Error: {message}")))

    def finish(self, record: JobRecord, now_us: int, *, failure: dict[str, str] | None, reason: str = "") -> None:
        """End the job."""
        self.set_status(record, JobStatus.DONE, now_us, reason)
        record.failure = pack(failure) if failure else ""
        durable.untag(record, ACTIVE_TAG)

    def abandon(self, record: JobRecord, now_us: int, *, kind: str, message: str) -> None:
        """End a job that nobody can drive: its step in flight dies with it, its grants end."""
        if record.current is not None:
            outcome = StepOutcome(
                state="died",
                outcome="died",
                error_type="StepDied",
                error_message=message,
                console=[("error", f"StepDied: {message}")],
                counts_as_exception=True,
            )
            self.end_step(record, outcome, end_commit=len(record.commits) - 1, now_us=now_us)
        self.finish(record, now_us, failure={"kind": kind, "message": message}, reason=kind)
        Grants(record.grants, max_grants=0).close()
