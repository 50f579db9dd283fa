"""Builds the plain-data views of jobs from their records (on the store thread)."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from orchestrator.engine.active_job import PAGE_SECONDS
from orchestrator.engine.elements import ChatItem
from orchestrator.engine.gateway import EXIT_TYPE
from orchestrator.engine.jobs import JobRepository, job_id
from orchestrator.engine.journal import Journal, RecordedCall
from sandbox_runner.wire import values
from statek import inbox
from statek.executors.views import CallView, InboxView, ItemView, JobSummary, JobView
from statek.job_mode import JobMode
from statek.job_status import JobStatus
from statek.packing import join_pieces, pieces_of, unpack
from statek.records import JobRecord
from statek.rendering import render_value

__all__ = ["CallView", "ChatPage", "ItemView", "JobSummary", "JobView", "RawItem", "chat_page", "job_summary"]


MAX_SHORT_CHARS = 200
"""Longest text of a value or of arguments in a view."""


MAX_EXIT_CHARS = 2000


def short(data: bytes, limit: int = MAX_SHORT_CHARS) -> str:
    """A bounded text of a value in graph form."""
    if not data:
        return ""
    try:
        text = _quoted(values.decode(data))
    except (values.GraphError, RecursionError) as error:
        text = f"<{len(data)} bytes: {error}>"
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _quoted(value: object) -> str:
    """A value as print shows it inside a list: texts in quotes, durable objects by their class."""
    return render_value([value])[1:-1]


def arguments_text(args: bytes) -> str:
    """Bounded text of encoded arguments as in a call: ``1, day=date``; empty where they were not kept."""
    try:
        found = values.decode(args) if args else None
    except values.GraphError:
        return ""
    if not (isinstance(found, list) and len(found) == 2 and isinstance(found[0], list) and isinstance(found[1], dict)):
        return short(args)
    parts = [_quoted(value) for value in found[0]]
    parts += [f"{name}={_quoted(value)}" for name, value in found[1].items()]
    text = ", ".join(parts)
    return text if len(text) <= MAX_SHORT_CHARS else text[: MAX_SHORT_CHARS - 3] + "..."


_EXIT_LIMITS = values.GraphLimits(max_nodes=5000)
"""Of what a line about a job shows; every list of jobs reads it on the store thread."""


def exit_text(record: JobRecord) -> str:
    """What was passed to exit(...), as print shows it; empty while there is nothing."""
    if record.exit_status is None:
        return ""
    data = join_pieces(pieces_of(record.exit_status))
    try:
        text = render_value(values.decode(data, limits=_EXIT_LIMITS))
    except values.GraphError as error:
        text = f"<{len(data)} bytes: {error}>"
    return text if len(text) <= MAX_EXIT_CHARS else text[: MAX_EXIT_CHARS - 3] + "..."


def _origin(record: JobRecord) -> str:
    """Where an imported job comes from; empty for others."""
    found = unpack(record.origin)
    return f"{found['job']} of store {found['store']}" if found else ""


def job_summary(record: JobRecord) -> JobSummary:
    """Summarise a job (store thread)."""
    return JobSummary(
        id=job_id(record.number),
        role=record.role,
        tenant=record.tenant,
        principal=record.principal,
        status=record.status,
        reason=record.reason,
        failure=unpack(record.failure),
        steps=record.next_step - 1,
        turns=record.turns,
        tier=record.tier,
        created_us=record.created_us,
        changed_us=record.changed_us,
        input_tokens=record.input_tokens,
        output_tokens=record.output_tokens,
        cost_microusd=record.cost_microusd,
        exit_status=exit_text(record),
        num_completions=record.num_completions,
        cached_tokens=record.cached_tokens,
        repeated_replies=record.repeated_replies,
        origin=_origin(record),
        parent=job_id(record.parent.number) if record.parent is not None else "",
        mode=record.mode or JobMode.DURABLE.value,
    )


def call_view(job: str, step: int, call: RecordedCall) -> CallView:
    """One recorded call as plain data."""
    answer = call.answer
    if answer is None:
        state, result = "in doubt", ""
    elif answer.error_type and answer.error_type != EXIT_TYPE:
        state, result = "failed", f"{answer.error_type}: {answer.error_message}"[:500]
    else:
        state, result = "done", short(answer.value)
    return CallView(
        job=job,
        step=step,
        number=call.number,
        name=call.key.name,
        kind=call.key.kind.name.lower(),
        handle=call.key.handle,
        target=call.target,
        arguments=arguments_text(call.args),
        effect=call.effect,
        state=state,
        result=result,
        idempotency_key=call.idempotency_key,
    )


@dataclass(frozen=True, slots=True)
class RawItem:
    """A chat item as it is stored, read on the store thread and decoded elsewhere: a journal may be long."""

    view: ItemView
    job: str
    journal: list[bytes]

    def decoded(self) -> ItemView:
        """The item with its calls."""
        if not self.journal:
            return self.view
        calls = Journal.load(self.journal).calls
        return replace(self.view, calls=tuple(call_view(self.job, self.view.step, call) for call in calls))


@dataclass(frozen=True, slots=True)
class ChatPage:
    """Some chat items from one moment, and the rest of the job from the same moment if they are the last.

    Attributes:
        items: in order.
        rest: the job without its items when the page reaches the end, else None.
    """

    items: list[RawItem]
    rest: JobView | None


def chat_page(jobs: JobRepository, record: JobRecord, start: int) -> ChatPage:
    """Read the chat items from index ``start`` on for a few milliseconds (store thread)."""
    started, position, found = time.perf_counter(), start, []
    count = jobs.item_count(record)
    while position < count:
        found.append(_raw_item(jobs, record, jobs.item(record, position)))
        position += 1
        if time.perf_counter() - started > PAGE_SECONDS:
            break
    rest = None
    if position >= count:
        waiting = tuple(InboxView(entry.kind, entry.text, entry.at_us) for entry in inbox.entries(record))
        rest = JobView(
            job_summary(record),
            (),
            jobs.commit_count(record),
            record.image_digest,
            waiting,
            warmup_block=_warmup_block(record),
        )
    return ChatPage(found, rest)


def _warmup_block(record: JobRecord) -> int | None:
    """Index of the warmup block that runs, waits or comes next; None once there is none."""
    if record.turns or record.status == JobStatus.DONE.value:
        return None
    blocks = len(unpack(record.definition)["warmup"])
    return record.warmup_next if record.warmup_next < blocks else None


def _raw_item(jobs: JobRepository, record: JobRecord, item: ChatItem) -> RawItem:
    """One chat item without its calls (store thread)."""
    changed: tuple[str, ...] = ()
    if item.end_commit > item.start_commit >= 0:
        changed = jobs.commit(record, item.end_commit).changed
    view = ItemView(
        kind=item.kind,
        at_us=item.at_us,
        text=item.text,
        step=item.step,
        code=item.code,
        state=item.state,
        attempts=item.attempts,
        console=tuple((kind, text) for kind, text in item.console),
        outcome=item.outcome,
        changed=changed,
        calls=(),
        start_commit=item.start_commit,
        end_commit=item.end_commit,
        usage=item.usage,
    )
    return RawItem(view, job_id(record.number), jobs.journal_blobs(record, item) if item.step else [])
