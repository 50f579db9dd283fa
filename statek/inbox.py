"""The inbox of a job: messages and notifications that wait for a safe moment.

An entry is durable at once and becomes an entry of the chat log before a model request, in one atomic block
with its removal from here: nothing is lost and nothing is shown twice. Entries for a job that has ended
make it go on, unless it ended by a failure that no message can mend (`REVIVABLE_FAILURES`): then they are
kept and shown with the job.

Every function runs on the store thread; those that change something inside its atomic block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from statek import durable
from statek.event_feed import emit
from statek.exceptions import LimitExceeded
from statek.job_status import ACTIVE_TAG, JobStatus, check_transition
from statek.packing import pack, unpack
from statek.records import JobRecord
from statek.runnable import announce

__all__ = [
    "MAX_INBOX_BYTES",
    "MAX_INBOX_MESSAGES",
    "MAX_MESSAGE_BYTES",
    "MAX_REQUEST_ID_CHARS",
    "NOTIFICATION",
    "REVIVABLE_FAILURES",
    "USER",
    "InboxEntry",
    "Pushed",
    "entries",
    "open_children_tag",
    "push",
    "take_all",
]

USER = "user"
"""Kind of an entry that the user says."""

NOTIFICATION = "notification"
"""Kind of an entry by which the service tells the job something."""

MAX_INBOX_MESSAGES = 256
"""User messages that may wait in one inbox; notifications are bounded by what they tell of."""

MAX_INBOX_BYTES = 1 << 20
"""Sum of what waits in one inbox, as it is stored."""

MAX_MESSAGE_BYTES = 256 << 10
"""One message, as it is stored (a character outside ASCII takes 6 bytes)."""

MAX_REQUEST_ID_CHARS = 200

_REMEMBERED_IDS = 256

REVIVABLE_FAILURES = frozenset({"", "limit", "model"})
"""How a job may have ended that goes on when its user says something: by itself, by a harness limit (which may be
wider since), or because the model did not answer. A notification does not revive one that its limit ended: it would
only run into it again, once for each that comes."""


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """What waits for a job.

    Attributes:
        kind: ``user`` or ``notification``.
        text: what the job is told.
        at_us: when it was pushed, microseconds UTC.
        request_id: chosen by whoever pushed it, so that a repeated push is recognised; may be empty.
        lookup: of a notification: code that shows the result it tells of; empty for none.
        result: of a notification with a lookup: what that code prints.
        task: id of the sub-task that a notification tells of; empty for none.
    """

    kind: str
    text: str
    at_us: int
    request_id: str = ""
    lookup: str = ""
    result: str = ""
    task: str = ""

    def to_text(self) -> str:
        """Its stored form."""
        return pack([self.kind, self.text, self.at_us, self.request_id, self.lookup, self.result, self.task])

    @classmethod
    def from_text(cls, text: str) -> InboxEntry:
        """The entry of a stored form."""
        return cls(*unpack(text))


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of a push.

    Attributes:
        repeated: the request id was seen before; nothing was added.
        delivered: the entry reaches the job at its next turn; else it is kept, because the job ended by failure.
        revived: the job was done and goes on now.
    """

    repeated: bool
    delivered: bool
    revived: bool = False


def entries(record: JobRecord) -> list[InboxEntry]:
    """What waits, in order."""
    return [InboxEntry.from_text(text) for text in record.inbox or ()]


def push(record: JobRecord, entry: InboxEntry, now_us: int) -> Pushed:
    """Add an entry; a job that is done goes on.

    Raises:
        LimitExceeded: the message is too long, or too much waits already.
    """
    if entry.request_id and not _remember(record, entry.request_id):
        return Pushed(repeated=True, delivered=_is_deliverable(record, entry.kind))
    text = entry.to_text()
    if entry.kind == USER:
        _check_limits(record, text)
    if record.inbox is None:
        record.inbox = []
    record.inbox.append(text)
    emit(record, "message.pushed", entry.kind, text=entry.text)
    if record.status != JobStatus.DONE.value:
        return Pushed(repeated=False, delivered=True)
    if not _is_deliverable(record, entry.kind):
        return Pushed(repeated=False, delivered=False)
    _revive(record, now_us, by_user=entry.kind == USER)
    return Pushed(repeated=False, delivered=True, revived=True)


def take_all(record: JobRecord) -> list[InboxEntry]:
    """Take what waits; the caller writes it into the chat log in the same atomic block."""
    found = entries(record)
    if found:
        record.inbox.clear()
    return found


def _is_deliverable(record: JobRecord, kind: str) -> bool:
    """Whether an entry makes the job look at its inbox (again)."""
    if record.status != JobStatus.DONE.value:
        return True
    failure: dict[str, Any] = unpack(record.failure) or {}
    ended = failure.get("kind", "")
    return ended in REVIVABLE_FAILURES and not (ended == "limit" and kind == NOTIFICATION)


def _revive(record: JobRecord, now_us: int, *, by_user: bool) -> None:
    """Let a job that is done go on; its grants come back when it is driven."""
    old = record.status
    check_transition(JobStatus[old], JobStatus.STARTED)
    record.status = JobStatus.STARTED.value
    record.reason = ""
    record.failure = ""
    record.exit_status = None
    record.answered = False
    record.changed_us = now_us
    if by_user:
        record.num_completions += 1
    durable.tag(record, ACTIVE_TAG)
    emit(record, "job.status", record.status, old=old, reason="")
    if record.parent is not None:
        durable.tag(record, open_children_tag(record.parent))
    announce(record.number, record.tenant)


def open_children_tag(parent: JobRecord) -> str:
    """Tag of the jobs that a job has given work to and that have not ended."""
    return f"statek-children-{parent.number}"


def _check_limits(record: JobRecord, text: str) -> None:
    waiting = record.inbox or ()
    if len(text) > MAX_MESSAGE_BYTES:
        raise LimitExceeded("message_bytes", MAX_MESSAGE_BYTES, len(text), "send less, or a tool that reads it")
    if len(waiting) >= MAX_INBOX_MESSAGES:
        raise LimitExceeded("inbox_messages", MAX_INBOX_MESSAGES, len(waiting) + 1, "wait until the job has read them")
    total = len(text) + sum(len(other) for other in waiting)
    if total > MAX_INBOX_BYTES:
        raise LimitExceeded("inbox_bytes", MAX_INBOX_BYTES, total, "wait until the job has read what is there")


def _remember(record: JobRecord, request_id: str) -> bool:
    """Note a request id; False when it is known. The last ones of a job are remembered, so this stays short."""
    if len(request_id) > MAX_REQUEST_ID_CHARS:
        raise LimitExceeded("request_id_chars", MAX_REQUEST_ID_CHARS, len(request_id))
    known: list[str] = unpack(record.request_ids) or []
    if request_id in known:
        return False
    record.request_ids = pack([*known, request_id][-_REMEMBERED_IDS:])
    return True
