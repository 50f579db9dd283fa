"""Children of jobs: their making, and what their end means to the parent.

A child and its handler are made in the atomic block of the tool call that makes them
(``orchestrator.engine.job_tasks``), so a re-run finds both or neither. The end of a child is settled where every job
ends (``settle_end``), in the block that ends it: no child ends without its parent hearing of it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

from orchestrator.engine.objects import ObjectGateway
from orchestrator.engine.objects.grants import EXPLICIT, find_granted
from orchestrator.engine.objects.handing_on import require_handing_on
from sandbox_runner.wire.values import GraphError, GraphLimits, decode
from statek import durable
from statek.access import Policy
from statek.agents.agent import Agent
from statek.agents.dialog_agent import message_tool
from statek.error_handlers import inherited
from statek.event_feed import emit
from statek.exceptions import AccessDenied, InvalidRequest, LimitExceeded
from statek.inbox import entries, open_children_tag
from statek.packing import join_pieces, pieces_of
from statek.records import JobRecord
from statek.runnable import announce
from statek.settings import StatekSettings
from statek.sub_task_handler import SubTaskHandler, find_handler

__all__ = ["adopt", "cancel_children", "grant_results", "muted_agent", "settle_end"]

_EXIT_LIMITS = GraphLimits(max_nodes=20_000, max_depth=60)
"""As for the arguments of a call: 800 KB of empty lists would keep the store thread for a second."""


def adopt(record: JobRecord, parent: JobRecord, settings: StatekSettings, *, detached: bool) -> None:
    """Make a new job the child of another (store thread, in the block that makes it).

    Raises:
        LimitExceeded: there would be too many jobs above it, or beside it.
    """
    depth = parent.depth + 1
    if depth > settings.max_subtask_depth:
        advice = "let a job further up give out the work"
        raise LimitExceeded("max_subtask_depth", settings.max_subtask_depth, depth, advice)
    beside = sum(1 for _ in durable.find(JobRecord, open_children_tag(parent)))
    if beside >= settings.max_open_subtasks:
        advice = "wait until some have ended"
        raise LimitExceeded("max_open_subtasks", settings.max_open_subtasks, beside + 1, advice)
    record.parent = parent
    record.depth = depth
    record.detached = detached
    record.error_handlers = inherited(parent.error_handlers)
    durable.tag(record, open_children_tag(parent))


def settle_end(record: JobRecord, failure: dict[str, str] | None, policy: Policy | None = None) -> None:
    """Tell the parent of a job that has ended without having completed its sub-task (store thread).

    A job that simply exits has completed it with its exit status; any other end is a failure of it.

    Args:
        record: the job.
        failure: of it, or None.
        policy: for its agent; the strictest one by default.
    """
    if record.parent is not None:
        durable.untag(record, open_children_tag(record.parent))
    handler: SubTaskHandler | None = record.handler
    if handler is None or handler.is_completed:
        return
    if failure is not None:
        reason = f"{failure['kind']}: {failure['message']}" if failure["message"] else failure["kind"]
        handler.complete(error=reason)
        return
    try:
        handler.complete(handler.said or _exit_value(record, policy or Policy()))
    except (AccessDenied, InvalidRequest, LimitExceeded) as error:
        handler.complete(error=f"its exit status cannot be handed on: {error}")


def _exit_value(record: JobRecord, policy: Policy) -> Any:
    """What was passed to exit(...): plain data, and those durable objects that the job was granted and may hand on."""
    if record.exit_status is None:
        return None
    given: dict[int, bool] = {}

    def granted(handle: Any) -> object:
        found = find_granted(record.grants, handle.id)
        if found is None:
            raise GraphError(f"it names an object that the job never had ({handle.id})")
        given[id(found)] = record.grants.origins[handle.id - 1] == EXPLICIT
        return found

    try:
        value = decode(join_pieces(pieces_of(record.exit_status)), from_handle=granted, limits=_EXIT_LIMITS)
    except GraphError as error:
        raise InvalidRequest(str(error)) from None
    require_handing_on(value, lambda found: given[id(found)], policy)
    return value


def muted_agent(agent: Agent, record: JobRecord) -> Agent:
    """The agent of a job whose messages are kept for whoever gave it its work (store thread).

    Keeping one is a store effect of the step, so that it is kept once, however often the step runs.
    """

    def keep(body: str) -> None:  # takes no media: a path stays where it stands in the text
        if record.handler is not None:
            record.handler.keep_message(body)

    return agent.writing_to(replace(message_tool(keep), effect="store"))


def grant_results(record: JobRecord, objects: ObjectGateway) -> None:
    """Let a job reach what the sub-tasks gave that it is about to be told of: given explicitly (store thread)."""
    for entry in entries(record):
        handler = find_handler(record, entry.task) if entry.task else None
        for target in handler.references() if handler is not None else ():
            with suppress(LimitExceeded):  # asking for it says so
                objects.grant(target)


def cancel_children(record: JobRecord, reason: str) -> None:
    """Ask the open children of a cancelled job to end too, except detached ones (store thread)."""
    for child in list(durable.find(JobRecord, open_children_tag(record))):
        if not child.detached and not child.cancel_requested:
            child.cancel_requested = f"its parent j{record.number} was cancelled: {reason}"
            emit(child, "job.cancel_requested", reason=child.cancel_requested)
            announce(child.number, child.tenant, cancelled=True)
