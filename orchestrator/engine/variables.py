"""The variables of a job as the host can see them: values in graph form, previews for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.engine.jobs import JobRepository
from orchestrator.engine.manifest import PlacedWorkspace
from orchestrator.sandboxes.step import Form
from orchestrator.store.store import Store
from sandbox_runner.wire import values

__all__ = ["VariableView", "read_variables"]

MAX_READ_BYTES = 4 << 20
"""Larger components are shown by their preview only."""

_LIMITS = values.GraphLimits(max_bytes=MAX_READ_BYTES, max_nodes=500_000, max_depth=1_000, max_text_bytes=MAX_READ_BYTES)


@dataclass(frozen=True, slots=True)
class VariableView:
    """One variable.

    Attributes:
        name: its name.
        preview: one bounded line, made in the sandbox (data, never trusted).
        form: ``graph`` (``value`` is readable), ``opaque`` or ``lost``.
        value: the host value for form graph; durable objects are ``Handle``s.
        size_bytes: of the component that it belongs to.
    """

    name: str
    preview: str
    form: str
    value: Any
    size_bytes: int


async def read_variables(store: Store, jobs: JobRepository, number: int) -> list[VariableView]:
    """Read the variables of a job's newest commit, sorted by name.

    Raises:
        NotFound: there is no such job.
    """

    def load() -> tuple[PlacedWorkspace, Mapping[str, bytes]]:
        record = jobs.get(number)
        placed = jobs.workspace(record, len(record.commits) - 1)
        inline = {d: jobs.inline_block(record, p) for d, p in placed.places.items() if p.commit >= 0}
        return placed, inline

    placed, inline = await store.read(load)
    views = [VariableView(lost.name, lost.reason, "lost", None, 0) for lost in placed.workspace.lost]
    for component in placed.workspace.components:
        readable = component.form is Form.GRAPH and component.size_bytes <= MAX_READ_BYTES
        found: Mapping[str, Any] = {}
        if readable:
            data = b"".join([inline[d] if d in inline else await store.blocks.get(d) for d in component.blocks])
            found = _decode(data)
        for name, preview in zip(component.names, component.previews, strict=False):
            form = "graph" if name in found else "opaque"
            views.append(VariableView(name, preview, form, found.get(name), component.size_bytes))
    return sorted(views, key=lambda view: view.name)


def _decode(data: bytes) -> Mapping[str, Any]:
    """The names and values of a graph component; empty when it is over a limit of the host."""
    try:
        found = values.decode(data, limits=_LIMITS)
    except values.GraphError:
        return {}
    return found if isinstance(found, dict) else {}
