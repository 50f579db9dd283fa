"""The job records, read and changed in one place.

Every method is a plain function that runs on the store thread, inside the store's atomic block where
it changes something; the engine calls them as ``await store.commit(lambda: jobs.begin_step(...))``.
They never decide what happens next (``statek.executors.decision``) and never wait.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from orchestrator.engine.definition_errors import note_error
from orchestrator.engine.element_lists import extend, length_of, to_element
from orchestrator.engine.elements import (
    ChatItem,
    Commit,
    StepEnd,
    StepInFlight,
    commit_hash,
    encode_commit,
    encode_end,
    encode_flight,
    encode_item,
    with_flight,
)
from orchestrator.engine.future_store import FutureStore
from orchestrator.engine.handled_calls import HandledCalls
from orchestrator.engine.job_reader import ROOT_TAG, JobReader, job_id, job_number
from orchestrator.engine.manifest import PlacedWorkspace, encode_manifest
from orchestrator.engine.objects.grants import Grants
from orchestrator.engine.step_ends import NewCommit, StepOutcome
from orchestrator.engine.subtasks import cancel_children, settle_end
from sandbox_runner.wire import values
from statek import durable, inbox
from statek.access import Policy
from statek.definition_errors import JobDefError
from statek.error_handlers import MAX_HANDLERS, ErrorHandler, handlers_from_text, handlers_text
from statek.event_feed import emit
from statek.events import changes_payload
from statek.exceptions import InternalError, LLM_HarnessError
from statek.executors.decision import FailureKind
from statek.executors.views import AgentView
from statek.job_status import ACTIVE_TAG, JobStatus, check_transition
from statek.packing import pack, packed_pieces, split_pieces, unpack
from statek.records import JobRecord, ServiceRecord
from statek.reminders import Reminder, reminder_from_text

__all__ = ["HANDLERS_TAG", "JobRepository", "NewCommit", "StepOutcome", "job_id", "job_number"]

_log = logging.getLogger("statek.jobs")

HANDLERS_TAG = "statek-handlers"
"""Tag of the jobs whose error handlers are to be called."""

_FAILED = {FailureKind.CANCELLED.value: "job.cancelled", FailureKind.QUARANTINE.value: "job.quarantined"}
_ENDINGS = {"committed": "ended", "died": "died"}


class JobRepository(JobReader):
    """The jobs of one prefix.

    Preconditions:
        every method: on the store thread; changing ones inside its atomic block.
    """

    def made_root(self) -> ServiceRecord:
        """The prefix's root, made if there is none."""
        root = self.root()
        if root is None:
            root = ServiceRecord()
            durable.tag(root, ROOT_TAG)
        return root

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
        root = self.made_root()
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
        outcome: dict[str, Any] | None = None,
    ) -> ChatItem:
        """Append a message that runs nothing (``user``, ``system`` or ``notification``).

        Args:
            record: the job.
            kind: of the entry.
            text: the message.
            now_us: microseconds UTC.
            code: of a notification: what shows the result it tells of.
            console: what that prints.
            usage: JSON-able remarks.
            outcome: how what it tells of ended, in the form of a step's.
        """
        at = self.commit_count(record) - 1
        item = ChatItem(
            self.item_count(record),
            kind,
            now_us,
            text,
            0,
            code,
            at,
            usage=usage or {},
            console=console,
            outcome=outcome or {},
        )
        record.chat.append(to_element(record, encode_item(item)))
        if kind == "user":
            record.dialog_length += 1
        emit(record, "message.added", kind, commit=at, text=text)
        return item

    def push(self, record: JobRecord, entry: inbox.InboxEntry, now_us: int) -> inbox.Pushed:
        """Put an entry into a job's inbox; a job that is done goes on.

        Raises:
            LimitExceeded: the message is too long, or too much waits already.
        """
        return inbox.push(record, entry, now_us)

    def deliver(self, record: JobRecord) -> list[ChatItem]:
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
            _set_changed(record, "answered", False)
        return items

    def add_step(
        self, record: JobRecord, *, kind: str, text: str, code: str, begun: bool, usage: dict[str, Any], now_us: int
    ) -> ChatItem:
        """Append a reply or a warmup block and make it the step in flight."""
        if record.flight:
            raise InternalError(f"job {job_id(record.number)} has a step in flight already")
        step, start_commit = record.next_step, self.commit_count(record) - 1
        item = ChatItem(self.item_count(record), kind, now_us, text, step, code, start_commit, usage=usage)
        record.chat.append(to_element(record, encode_item(item)))
        flight = StepInFlight(item.index, kind, step, begun, int(begun), 0, 0, start_commit, length_of(record.journal))
        record.flight = encode_flight(flight)
        record.next_step = step + 1
        _set_changed(record, "answered", False)
        if kind == "reply":
            record.turns += 1
        if usage.get("prose"):
            record.dialog_length += 1
        emit(record, "step.begun" if begun else "step.ready", commit=start_commit, step=step, kind=kind)
        return with_flight(item, flight)

    def begin(self, record: JobRecord) -> None:
        """Note that the step in flight is being run (again)."""
        flight = self.require_flight(record)
        record.flight = encode_flight(replace(flight, begun=True, attempts=flight.attempts + 1))
        _set_changed(record, "awaited", "")
        emit(
            record,
            "step.begun",
            commit=flight.start_commit,
            step=flight.step,
            kind=flight.kind,
            attempt=flight.attempts + 1,
        )

    def put_down(self, record: JobRecord, *, crashed: bool) -> None:
        """Note that the step in flight is not being run any more, without an end.

        Args:
            record: the job.
            crashed: whether a crash of the service is why (found at the next start); a step that two
                crashes hit is quarantined.
        """
        flight = self._put_down(record, crashed=crashed)
        if flight is not None:
            emit(record, "step.put_down", commit=flight.start_commit, step=flight.step, crashed=crashed)

    def _put_down(self, record: JobRecord, *, crashed: bool) -> StepInFlight | None:
        flight = self.in_flight(record)
        if flight is None or not flight.begun:
            return None
        crashes, put_downs = flight.crashes + crashed, flight.put_downs + (not crashed)
        record.flight = encode_flight(replace(flight, begun=False, crashes=crashes, put_downs=put_downs))
        return flight

    def begin_wait(self, record: JobRecord, awaited: str, reason: str) -> None:
        """Note that the step in flight waits for futures: a crash meanwhile hits no code."""
        self._put_down(record, crashed=False)
        record.awaited = awaited
        record.reason = reason
        emit(record, "step.waiting", step=self.require_flight(record).step, reason=reason)

    def end_wait(self, record: JobRecord) -> None:
        """Note that the code of a waiting step goes on where it stopped."""
        flight = self.require_flight(record)
        if not flight.begun:
            record.flight = encode_flight(replace(flight, begun=True, put_downs=flight.put_downs - 1))
        record.awaited = ""
        record.reason = ""
        emit(record, "step.resumed", commit=flight.start_commit, step=flight.step)

    def keep_console(self, record: JobRecord, console: Sequence[Sequence[str]]) -> None:
        """Keep what a step that waits has printed so far, for people; the end of the step writes it anew."""
        record.waiting_console = pack([list(element) for element in console])

    def note_runner(self, record: JobRecord) -> None:
        """Note that a runner has the variables of a live job from now on."""
        _set_changed(record, "runner_held", True)

    def note_loss(self, record: JobRecord) -> None:
        """Note that the runner of the step in flight was lost: it counts as a run, but nothing runs now."""
        flight = self.in_flight(record)
        if flight is not None and flight.begun:
            record.flight = encode_flight(replace(flight, begun=False))
            emit(record, "step.lost", commit=flight.start_commit, step=flight.step)

    def add_model_usage(self, record: JobRecord, usage: dict[str, Any]) -> None:
        """Add the usage of one reply to the job's totals."""
        for name in ("input_tokens", "cached_tokens", "output_tokens", "cost_microusd"):
            amount = usage.get(name) or 0
            if amount:
                setattr(record, name, getattr(record, name) + amount)

    def add_journal(self, record: JobRecord, blob: bytes) -> None:
        """Append a piece to the journal of the step in flight (long ones as several elements, each marked)."""
        self.require_flight(record)
        pieces = split_pieces(blob)
        last = len(pieces) - 1
        marked = [(b"." if index == last else b"+") + piece for index, piece in enumerate(pieces)]
        extend(record, "journal", marked)

    def add_commit(self, record: JobRecord, kind: str, step: int, new: NewCommit, now_us: int, state_num: int) -> int:
        """Append a commit and give its number."""
        seq = self.commit_count(record)
        commit = Commit(
            seq=seq,
            parent=seq - 1,
            kind=kind,
            step=step,
            at_us=now_us,
            changed=tuple(new.changed),
            image_digest=new.image_digest,
            state_num=state_num,
            usage=new.usage,
            manifest=new.manifest or encode_manifest(PlacedWorkspace(new.workspace, new.places_at(seq), new.held)),
            blocks=tuple(new.new_blocks.values()) if new.inline else (),
        )
        before = self.commit(record, seq - 1).hash if seq else ""
        commit = replace(commit, hash=commit_hash(commit, before))
        encoded = encode_commit(commit)
        record.commits.append(to_element(record, encoded))
        record.history_bytes += len(encoded) + sum(map(len, new.stored_blocks.values()))
        told = changes_payload(new.changes, len(new.changed))
        emit(record, "commit.made", commit=seq, step=step, kind=kind, **told)
        return seq

    def end_step(self, record: JobRecord, outcome: StepOutcome, *, end_commit: int, now_us: int) -> None:
        """Write how the step in flight ended, and take it out of flight."""
        flight = self.require_flight(record)
        end = StepEnd(
            state=outcome.state,
            attempts=flight.attempts,
            crashes=flight.crashes,
            put_downs=flight.put_downs,
            end_commit=end_commit,
            outcome={"outcome": outcome.outcome, "type": outcome.error_type, "message": outcome.error_message},
            usage=outcome.usage,
            first_piece=flight.first_piece,
            last_piece=length_of(record.journal),
            console=outcome.console,
            journal=outcome.journal,
        )
        record.ends.append(to_element(record, encode_end(end)))
        record.flight = ""
        if outcome.handled.made or (outcome.handled.read and record.error_handlers):
            self._keep_handlers(record, flight.item, outcome.handled)
        _set_changed(record, "waiting_console", "")
        if outcome.exit_status is not None:
            record.exit_status = packed_pieces(split_pieces(outcome.exit_status))
        consecutive = record.consecutive_exceptions + 1 if outcome.counts_as_exception else 0
        if outcome.counts_as_exception:
            record.exceptions += 1
        if flight.kind == "warmup" and outcome.state == "committed":
            record.warmup_next += 1
        record.cpu_us += round(outcome.cpu_seconds * 1e6)
        # Writing an attribute costs more than reading it, and most of these change seldom.
        _set_changed(record, "consecutive_exceptions", consecutive)
        if outcome.tier:
            _set_changed(record, "tier", outcome.tier)
            _set_changed(record, "image_digest", outcome.image_digest)
        record.changed_us = now_us
        told = {"outcome": outcome.outcome}
        if outcome.error_type:
            told |= {"type": outcome.error_type, "message": outcome.error_message}
        emit(record, f"step.{_ENDINGS[outcome.state]}", commit=end_commit, step=flight.step, **told)

    def _keep_handlers(self, record: JobRecord, item: int, handled: HandledCalls) -> None:
        """Keep the error handlers of a step's calls with the job, as many as it may have; those of futures wait."""
        kept = handlers_from_text(record.error_handlers)
        new = [
            ErrorHandler(record.number, record.role, item, call, tool, "waiting" if future else "kept", future)
            for call, tool, future in handled.made
        ]
        if len(kept) + len(new) > MAX_HANDLERS:
            _log.warning("job %s keeps no more than %d error handlers", job_id(record.number), MAX_HANDLERS)
        record.error_handlers = handlers_text(handled.woken([*kept, *new][:MAX_HANDLERS], FutureStore()))

    def set_status(self, record: JobRecord, status: JobStatus, now_us: int, reason: str = "") -> None:
        """Change the status by the table of legal transitions."""
        old = record.status
        check_transition(JobStatus[old], status)
        record.status = status.value
        _set_changed(record, "reason", reason)
        record.changed_us = now_us
        if old != status.value:
            emit(record, "job.status", status.value, old=old, reason=reason)

    def record_harness_error(self, record: JobRecord, message: str, now_us: int) -> None:
        """Say on the console, in the chat log and as exit status that a limit of the harness ends the job."""
        kind = LLM_HarnessError.__name__
        text, outcome = f"{kind}: {message}", {"outcome": "error", "type": kind, "message": message}
        self.add_message(record, "system", text, now_us, console=[("error", text)], outcome=outcome)
        record.exit_status = packed_pieces(split_pieces(values.encode(f"Error: {message}")))

    def end_with_text(self, record: JobRecord, reminder: Reminder | None, now_us: int) -> ChatItem | None:
        """Note that a text ends the job, unless a reminder is due: then it goes on with that, which is given."""
        if reminder is None or not reminder.is_due(record.dialog_length):
            record.answered = True
            return None
        return self.add_message(record, "reminder", reminder.text, now_us, console=[("note", reminder.text)])

    def reminder(self, role: str) -> Reminder | None:
        """The kept reminder of a role.

        Raises:
            InvalidRequest: its class is not known in this process.
        """
        root = self.root()
        text = (unpack(root.reminders) or {}).get(role) if root is not None else None
        return None if text is None else reminder_from_text(text)

    def keep_reminder(self, role: str, reminder: Reminder | None) -> None:
        """Keep the reminder of a role, or forget it."""
        kept = unpack(self.made_root().reminders) or {}
        if reminder is not None:
            kept[role] = reminder.to_text()
        else:
            kept.pop(role, None)
        self.made_root().reminders = pack(kept)

    def keep_agents(self, known: Mapping[str, AgentView]) -> None:
        """Keep what is known of the agents."""
        kept = {}
        for role, view in known.items():
            fields = asdict(view)
            kept[role] = {name: value for name, value in fields.items() if name not in {"role", "running"}}
        self.made_root().agents = pack(kept)

    def finish(
        self,
        record: JobRecord,
        now_us: int,
        *,
        failure: dict[str, str] | None,
        reason: str = "",
        policy: Policy | None = None,
    ) -> None:
        """End the job; its parent is told, and its children end with it where it was cancelled.

        Args:
            record: the job.
            now_us: microseconds UTC.
            failure: of it, or None.
            reason: short text for lists.
            policy: for its agent: which objects it may hand on.
        """
        self.set_status(record, JobStatus.DONE, now_us, reason)
        record.awaited = ""
        record.failure = pack(failure) if failure else ""
        if failure is not None and failure["kind"] == FailureKind.WARMUP.value:
            last = self.last_item(record)
            trace = last.usage.get("traceback") if last is not None else None
            error = JobDefError(
                failure["kind"], failure["message"], None if trace is None else tuple(trace), job_id(record.number)
            )
            note_error(self.made_root(), record.definition, error)
        durable.untag(record, ACTIVE_TAG)
        if failure is None:
            emit(record, "job.done")
        else:
            emit(record, _FAILED.get(failure["kind"], "job.failed"), failure["kind"], message=failure["message"])
            FutureStore().cancel_of(record.number, f"job {job_id(record.number)} has ended: {failure['kind']}", now_us)
        settle_end(record, failure, policy)
        if failure is not None and failure["kind"] != FailureKind.CANCELLED.value and record.error_handlers:
            durable.tag(record, HANDLERS_TAG)
        if failure is not None and failure["kind"] == FailureKind.CANCELLED.value:
            cancel_children(record, failure["message"])

    def abandon(self, record: JobRecord, now_us: int, *, kind: str, message: str) -> None:
        """End a job that nobody can drive: its step in flight dies with it, its grants end."""
        if record.flight:
            outcome = StepOutcome(
                state="died",
                outcome="died",
                error_type="StepDied",
                error_message=message,
                console=[("error", f"StepDied: {message}")],
                counts_as_exception=True,
            )
            self.end_step(record, outcome, end_commit=self.commit_count(record) - 1, now_us=now_us)
        self.finish(record, now_us, failure={"kind": kind, "message": message}, reason=kind)
        Grants(record.grants, max_grants=0).close()


def _set_changed(record: JobRecord, name: str, value: object) -> None:
    """Write an attribute that has another value."""
    if getattr(record, name) != value:
        setattr(record, name, value)
