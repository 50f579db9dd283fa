"""Makes a job: its record, its grants and the start commit with its startup variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.digests import content_digest
from orchestrator.engine.jobs import JobRepository, NewCommit
from orchestrator.engine.objects import ObjectGateway
from orchestrator.engine.step_run import now_us
from orchestrator.sandboxes.step import Component, Form, Workspace
from statek.exceptions import InvalidRequest, LimitExceeded
from statek.packing import MAX_PIECE_BYTES
from statek.records import JobRecord
from statek.rendering import render_value

__all__ = ["add_start_commit", "check_variable_names"]

MAX_STARTUP_BYTES = 1 << 20
"""Sum of the encoded startup variables; data beyond it belongs into durable objects or files."""

_MAX_PREVIEW_CHARS = 200


def check_variable_names(names: Mapping[str, object]) -> None:
    """Refuse names that Python code could not use or that belong to the workspace itself.

    Raises:
        InvalidRequest: naming the variable.
    """
    for name in names:
        if not name.isidentifier() or name.startswith("_"):
            raise InvalidRequest(f"startup variable {name!r} must be a Python name without a leading underscore")


def add_start_commit(
    jobs: JobRepository, record: JobRecord, objects: ObjectGateway, variables: Mapping[str, Any], state_num: int
) -> None:
    """Write commit 0: the startup variables, durable objects among them as handles (store thread).

    Raises:
        LimitExceeded: they are too large.
        UnsupportedValue: one cannot cross into a sandbox.
    """
    components: list[Component] = []
    blocks: dict[str, bytes] = {}
    total = 0
    for name, value in variables.items():
        data = objects.encode_variables({name: value})
        total += len(data)
        if len(data) > MAX_PIECE_BYTES or total > MAX_STARTUP_BYTES:
            raise LimitExceeded(
                "startup_variable_bytes",
                MAX_PIECE_BYTES,
                len(data),
                f"variable {name!r} is too large to start with; give a durable object or a tool that reads it",
            )
        digest = content_digest(data)
        blocks[digest] = data
        preview = render_value(value)[:_MAX_PREVIEW_CHARS]
        components.append(Component((name,), Form.GRAPH, (digest,), len(data), (preview,)))
    workspace = Workspace(tuple(components))
    commit = NewCommit(workspace, {}, blocks, True, sorted(variables), objects.all_ids())
    jobs.add_commit(record, "start", 0, commit, now_us(), state_num)
