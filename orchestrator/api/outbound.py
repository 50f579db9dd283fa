"""Views to wire: bounded parts, grouped into pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from google.protobuf.message import Message

from orchestrator.api.limits import PAGE_BYTES
from orchestrator.api.texts import pieces, to_wire
from orchestrator.api.v1 import service_pb2 as pb
from sandbox_runner.wire import values
from statek.events import Event
from statek.executors.history import CommitView
from statek.executors.views import (
    AgentView,
    AwaitedView,
    CallView,
    FileView,
    FutureView,
    InboxView,
    ItemView,
    JobSummary,
    QueueView,
    VariableView,
)
from statek.packing import pack
from statek.upkeep import BackedUp, CompactedJob, Finding, MigratedName

__all__ = [
    "agent_to_wire",
    "awaited_to_wire",
    "backup_to_wire",
    "call_to_wire",
    "commit_to_wire",
    "compacted_job_parts",
    "event_to_wire",
    "file_to_wire",
    "finding_to_wire",
    "future_to_wire",
    "inbox_to_wire",
    "item_parts",
    "migrated_name_to_wire",
    "pages",
    "queue_to_wire",
    "summary_to_wire",
    "variable_parts",
]

_PART_COMMITS = 10_000
_SHOWN_BLOCKS = 1000
_PROBLEM_CHARS = 2000


PartT = TypeVar("PartT", bound=Message)
PageT = TypeVar("PageT", bound=Message)


def pages(parts: Iterable[PartT], page: Callable[[list[PartT]], PageT]) -> Iterator[PageT]:
    """Group parts into pages of about ``PAGE_BYTES``; no parts make no page."""
    held: list[PartT] = []
    size = 0
    for part in parts:
        held.append(part)
        size += part.ByteSize()
        if size >= PAGE_BYTES:
            yield page(held)
            held, size = [], 0
    if held:
        yield page(held)


def summary_to_wire(summary: JobSummary) -> pb.JobSummary:
    """One line about a job."""
    failure = summary.failure
    return pb.JobSummary(
        id=summary.id,
        role_text=to_wire(summary.role),
        tenant_text=to_wire(summary.tenant),
        principal_text=to_wire(summary.principal),
        status=summary.status,
        reason_text=to_wire(summary.reason),
        failure=None
        if failure is None
        else pb.Failure(
            kind_text=to_wire(failure.get("kind", "")),
            type_text=to_wire(failure.get("type", "")),
            message_text=to_wire(failure.get("message", "")),
        ),
        steps=summary.steps,
        turns=summary.turns,
        tier=summary.tier,
        created_us=summary.created_us,
        changed_us=summary.changed_us,
        input_tokens=summary.input_tokens,
        output_tokens=summary.output_tokens,
        cached_tokens=summary.cached_tokens,
        cost_microusd=summary.cost_microusd,
        exit_text=to_wire(summary.exit_status),
        num_completions=summary.num_completions,
        repeated_replies=summary.repeated_replies,
        parent=summary.parent,
        origin=summary.origin,
        mode=summary.mode,
    )


def event_to_wire(event: Event) -> pb.Event:
    """Something that happened to a job."""
    return pb.Event(
        seq=event.seq,
        at_us=event.at_us,
        tenant=event.tenant,
        job=event.job,
        kind=event.kind,
        name_text=to_wire(event.name),
        commit=event.commit,
        step=event.step,
        payload_json=pack(event.payload).encode("ascii"),
    )


def awaited_to_wire(awaited: AwaitedView | None) -> pb.Awaited | None:
    """What a job waits for."""
    if awaited is None:
        return None
    futures = [
        pb.AwaitedFuture(id=id_, what_text=to_wire(what))
        for id_, what in zip(awaited.futures, awaited.what, strict=True)
    ]
    return pb.Awaited(mode=awaited.mode, futures=futures, statement=awaited.statement)


def inbox_to_wire(entry: InboxView) -> pb.InboxEntry:
    """What waits for a job."""
    return pb.InboxEntry(kind=entry.kind, text=to_wire(entry.text), at_us=entry.at_us)


def agent_to_wire(agent: AgentView) -> pb.Agent:
    """One agent."""
    return pb.Agent(
        role_text=to_wire(agent.role),
        class_text=to_wire(agent.agent_class),
        source_text=to_wire(agent.source),
        made_in_text=to_wire(agent.made_in),
        digest=agent.digest,
        description_text=to_wire(agent.description),
        created_us=agent.created_us,
        changed_us=agent.changed_us,
        seen_us=agent.seen_us,
        running=agent.running,
    )


def queue_to_wire(queue: QueueView) -> pb.Queue:
    """One queue."""
    entries = [
        pb.HeldEntry(
            at_us=held.at_us, target=held.target, value_text=to_wire(held.value), reason_text=to_wire(held.reason)
        )
        for held in queue.entries
    ]
    return pb.Queue(role_text=to_wire(queue.role), waiting=queue.waiting, held=queue.held, entries=entries)


def call_to_wire(call: CallView) -> pb.Call:
    """One recorded call."""
    return pb.Call(
        job=call.job,
        step=call.step,
        number=call.number,
        name_text=to_wire(call.name),
        kind=call.kind,
        handle=call.handle,
        arguments_text=to_wire(call.arguments),
        effect=call.effect,
        state=call.state,
        result_text=to_wire(call.result),
        idempotency_key=call.idempotency_key,
        target_text=to_wire(call.target),
    )


def file_to_wire(file: FileView) -> pb.WorkFile:
    """One file of a job."""
    return pb.WorkFile(path_text=to_wire(file.path), size_bytes=file.size_bytes, mode=file.mode)


def commit_to_wire(commit: CommitView) -> pb.Commit:
    """One commit of a job."""
    return pb.Commit(
        number=commit.number,
        hash=commit.hash,
        parent=commit.parent,
        kind=commit.kind,
        step=commit.step,
        at_us=commit.at_us,
        changed_texts=map(to_wire, commit.changed),
        image_digest=commit.image_digest,
        tags=commit.tags,
        mode=commit.mode,
        dropped_us=commit.dropped_us,
    )


def future_to_wire(future: FutureView) -> pb.Future:
    """One future."""
    return pb.Future(
        id=future.id,
        job=future.job,
        what_text=to_wire(future.what),
        kind=future.kind,
        state=future.state,
        details_text=to_wire(future.details),
        result_text=to_wire(future.result),
        created_us=future.created_us,
        deadline_us=future.deadline_us,
        settled_us=future.settled_us,
    )


def item_parts(index: int, item: ItemView) -> Iterator[pb.ItemPart]:
    """One chat item as parts of about a piece each; short ones are a single part."""
    part = pb.ItemPart(
        index=index,
        kind=item.kind,
        at_us=item.at_us,
        step=item.step,
        state=item.state,
        attempts=item.attempts,
        start_commit=item.start_commit,
        end_commit=item.end_commit,
    )
    size = 0
    for add, weight in _contents(item):
        if size and size + weight > PAGE_BYTES // 2:
            yield part
            part = pb.ItemPart(index=index)
            size = 0
        add(part)
        size += weight
    yield part


def _contents(item: ItemView) -> Iterator[tuple[Callable[[pb.ItemPart], None], int]]:
    """What of an item can be long, in pieces: how to add each, and its weight in bytes."""
    for field, data in (
        ("text", to_wire(item.text)),
        ("code", to_wire(item.code)),
        ("outcome_json", _json(item.outcome)),
        ("usage_json", _json(item.usage)),
    ):
        for piece in pieces(data):
            yield _appender(field, piece), len(piece)
    for kind, text in item.console:
        cut = list(pieces(to_wire(text))) or [b""]
        for position, piece in enumerate(cut):
            element = pb.ConsoleElement(kind=kind, text=piece, continues=position < len(cut) - 1)
            yield _adder("console", element), len(piece) + 16
    for name in item.changed:
        wired = to_wire(name)
        yield _adder("changed_texts", wired), len(wired) + 4
    for call in item.calls:
        message = call_to_wire(call)
        yield _adder("calls", message), message.ByteSize() + 4


def _appender(field: str, piece: bytes) -> Callable[[pb.ItemPart], None]:
    """Appends bytes to a field of a part."""

    def append(part: pb.ItemPart) -> None:
        setattr(part, field, getattr(part, field) + piece)

    return append


def _adder(field: str, element: object) -> Callable[[pb.ItemPart], None]:
    """Adds an element to a list of a part."""

    def add(part: pb.ItemPart) -> None:
        getattr(part, field).append(element)

    return add


def _json(value: dict[str, object]) -> bytes:
    """A JSON object in ASCII; nothing for an empty one."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode("ascii") if value else b""


def backup_to_wire(backup: BackedUp) -> pb.Backup:
    """What a backup holds."""
    return pb.Backup(
        store_id=backup.store_id,
        prefix=backup.prefix,
        at_us=backup.at_us,
        blocks=backup.blocks,
        size_bytes=backup.size_bytes,
        damaged_blocks=backup.damaged_blocks[:_SHOWN_BLOCKS],
    )


def compacted_job_parts(job: CompactedJob) -> Iterator[pb.CompactedJob]:
    """What goes of a job, a bounded number of commits in each part."""
    for at in range(0, len(job.dropped), _PART_COMMITS):
        whole = at == 0
        yield pb.CompactedJob(
            id=job.job,
            dropped=job.dropped[at : at + _PART_COMMITS],
            kept=job.kept if whole else 0,
            freed_blocks=job.freed_blocks if whole else 0,
            freed_bytes=job.freed_bytes if whole else 0,
        )


def finding_to_wire(finding: Finding) -> pb.Finding:
    """Something that is damaged."""
    problem = to_wire(finding.problem[:_PROBLEM_CHARS])
    return pb.Finding(problem_text=problem, job=finding.job, commit=finding.commit, done_text=to_wire(finding.done))


def migrated_name_to_wire(found: MigratedName) -> pb.MigratedName:
    """What became of a variable or file on another image."""
    return pb.MigratedName(
        name_text=to_wire(found.name), state=found.state, reason_text=to_wire(found.reason[:_PROBLEM_CHARS])
    )


def variable_parts(index: int, variable: VariableView) -> Iterator[pb.VariablePart]:
    """One variable with its value in graph form."""
    data = values.encode(variable.value) if variable.form == "graph" else b""
    first, *more = list(pieces(data)) or [b""]
    yield pb.VariablePart(
        index=index,
        name_text=to_wire(variable.name),
        preview_text=to_wire(variable.preview),
        form=variable.form,
        value=first,
        size_bytes=variable.size_bytes,
    )
    for piece in more:
        yield pb.VariablePart(index=index, value=piece)
