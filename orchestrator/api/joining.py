"""Wire to views, on the caller's side: parts are joined, nothing is evaluated."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from orchestrator.api.texts import from_wire
from orchestrator.api.v1 import service_pb2 as pb
from sandbox_runner.wire import values
from statek.executors.history import CommitView
from statek.executors.views import (
    AgentView,
    AwaitedView,
    CallView,
    FileView,
    FutureView,
    HeldView,
    InboxView,
    ItemView,
    JobSummary,
    QueueView,
    VariableView,
)

__all__ = [
    "ItemJoiner",
    "join_variables",
    "read_agent",
    "read_awaited",
    "read_call",
    "read_commit",
    "read_file_view",
    "read_future",
    "read_inbox",
    "read_queue",
    "read_summary",
]


_VALUE_LIMITS = values.GraphLimits(max_bytes=16 << 20, max_nodes=2_000_000, max_depth=1_000, max_text_bytes=16 << 20)
"""Wider than the service's own limits, so whatever it shows can be read."""


def read_summary(message: pb.JobSummary) -> JobSummary:
    """One line about a job."""
    failure = None
    if message.HasField("failure"):
        failure = {
            "kind": from_wire(message.failure.kind_text),
            "type": from_wire(message.failure.type_text),
            "message": from_wire(message.failure.message_text),
        }
    return JobSummary(
        id=message.id,
        role=from_wire(message.role_text),
        tenant=from_wire(message.tenant_text),
        principal=from_wire(message.principal_text),
        status=message.status,
        reason=from_wire(message.reason_text),
        failure=failure,
        steps=message.steps,
        turns=message.turns,
        tier=message.tier,
        created_us=message.created_us,
        changed_us=message.changed_us,
        input_tokens=message.input_tokens,
        output_tokens=message.output_tokens,
        cached_tokens=message.cached_tokens,
        cost_microusd=message.cost_microusd,
        exit_status=from_wire(message.exit_text),
        num_completions=message.num_completions,
        repeated_replies=message.repeated_replies,
        parent=message.parent,
        origin=message.origin,
        mode=message.mode,
    )


def read_awaited(message: pb.Awaited) -> AwaitedView:
    """What a job waits for."""
    ids = tuple(future.id for future in message.futures)
    whats = tuple(from_wire(future.what_text) for future in message.futures)
    return AwaitedView(message.mode, ids, whats, message.statement)


def read_inbox(entry: pb.InboxEntry) -> InboxView:
    """What waits for a job."""
    return InboxView(entry.kind, from_wire(entry.text), entry.at_us)


def read_agent(message: pb.Agent) -> AgentView:
    """One agent."""
    return AgentView(
        role=from_wire(message.role_text),
        agent_class=from_wire(message.class_text),
        source=from_wire(message.source_text),
        made_in=from_wire(message.made_in_text),
        digest=message.digest,
        description=from_wire(message.description_text),
        created_us=message.created_us,
        changed_us=message.changed_us,
        seen_us=message.seen_us,
        running=message.running,
    )


def read_queue(message: pb.Queue) -> QueueView:
    """One queue."""
    entries = tuple(
        HeldView(held.at_us, held.target, from_wire(held.value_text), from_wire(held.reason_text))
        for held in message.entries
    )
    return QueueView(from_wire(message.role_text), message.waiting, message.held, entries)


def read_call(message: pb.Call) -> CallView:
    """One recorded call."""
    return CallView(
        job=message.job,
        step=message.step,
        number=message.number,
        name=from_wire(message.name_text),
        kind=message.kind,
        handle=message.handle,
        arguments=from_wire(message.arguments_text),
        effect=message.effect,
        state=message.state,
        result=from_wire(message.result_text),
        idempotency_key=message.idempotency_key,
        target=from_wire(message.target_text),
    )


def read_file_view(message: pb.WorkFile) -> FileView:
    """One file of a job."""
    return FileView(path=from_wire(message.path_text), size_bytes=message.size_bytes, mode=message.mode)


def read_commit(message: pb.Commit) -> CommitView:
    """One commit of a job."""
    return CommitView(
        number=message.number,
        hash=message.hash,
        parent=message.parent,
        kind=message.kind,
        step=message.step,
        at_us=message.at_us,
        changed=tuple(map(from_wire, message.changed_texts)),
        image_digest=message.image_digest,
        tags=tuple(message.tags),
        mode=message.mode,
        dropped_us=message.dropped_us,
    )


def read_future(message: pb.Future) -> FutureView:
    """One future."""
    return FutureView(
        id=message.id,
        job=message.job,
        what=from_wire(message.what_text),
        kind=message.kind,
        state=message.state,
        details=from_wire(message.details_text),
        result=from_wire(message.result_text),
        created_us=message.created_us,
        deadline_us=message.deadline_us,
        settled_us=message.settled_us,
    )


class ItemJoiner:
    """Joins the parts of chat items, which come in order."""

    def __init__(self) -> None:
        self._parts: list[pb.ItemPart] = []

    def add(self, part: pb.ItemPart) -> Iterator[ItemView]:
        """Take a part; gives the item before it when this part begins another one."""
        if self._parts and self._parts[0].index != part.index:
            yield self._joined()
        self._parts.append(part)

    def finish(self) -> Iterator[ItemView]:
        """Give the last item, if there is one."""
        if self._parts:
            yield self._joined()

    def _joined(self) -> ItemView:
        parts, self._parts = self._parts, []
        head = parts[0]
        return ItemView(
            kind=head.kind,
            at_us=head.at_us,
            text=from_wire(b"".join(part.text for part in parts)),
            step=head.step,
            code=from_wire(b"".join(part.code for part in parts)),
            state=head.state,
            attempts=head.attempts,
            console=tuple(_console(element for part in parts for element in part.console)),
            outcome=_json(b"".join(part.outcome_json for part in parts)),
            changed=tuple(from_wire(name) for part in parts for name in part.changed_texts),
            calls=tuple(read_call(call) for part in parts for call in part.calls),
            start_commit=head.start_commit,
            end_commit=head.end_commit,
            usage=_json(b"".join(part.usage_json for part in parts)),
        )


def _console(elements: Iterable[pb.ConsoleElement]) -> Iterator[tuple[str, str]]:
    """Console elements with their pieces joined."""
    held: list[bytes] = []
    for element in elements:
        held.append(element.text)
        if not element.continues:
            yield element.kind, from_wire(b"".join(held))
            held = []


def _json(data: bytes) -> dict[str, Any]:
    """A JSON object; empty for no bytes."""
    return dict(json.loads(data)) if data else {}


def join_variables(parts: Iterable[pb.VariablePart]) -> list[VariableView]:
    """Variables from their parts, in order."""
    grouped: dict[int, list[pb.VariablePart]] = {}
    for part in parts:
        grouped.setdefault(part.index, []).append(part)
    return [_variable(found) for found in grouped.values()]


def _variable(parts: list[pb.VariablePart]) -> VariableView:
    head = parts[0]
    data = b"".join(part.value for part in parts)
    return VariableView(
        name=from_wire(head.name_text),
        preview=from_wire(head.preview_text),
        form=head.form,
        value=values.decode(data, limits=_VALUE_LIMITS) if head.form == "graph" else None,
        size_bytes=head.size_bytes,
    )
