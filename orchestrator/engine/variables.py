"""The variables of a job as the host can see them: values in graph form, previews for the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any

from orchestrator.engine.jobs import JobRepository
from orchestrator.engine.manifest import PlacedWorkspace
from orchestrator.sandboxes.step import Component, Form, Workspace
from orchestrator.store.store import Store
from sandbox_runner.wire import values
from statek.executors.views import VariableView
from statek.pyenv import UnreadableValue
from statek.records import JobRecord

__all__ = ["FromFuture", "FromHandle", "plain_variable", "read_value", "read_variables", "read_variables_sync"]

FromHandle = Callable[[values.Handle], object]
FromFuture = Callable[[values.FutureRef], object]

MAX_READ_BYTES = 4 << 20
"""Larger components are shown by their preview only."""

MAX_READ_TOGETHER_BYTES = 16 << 20
"""Sum of the components that one look reads, the smallest first: thousands of them may share their blocks."""

_SMALL_BYTES = 4 << 10
"""Components up to this size are read on the store thread without a thought."""

_LIMITS = values.GraphLimits(
    max_bytes=MAX_READ_BYTES, max_nodes=500_000, max_depth=1_000, max_text_bytes=MAX_READ_BYTES
)


async def read_variables(
    store: Store, jobs: JobRepository, number: int, *, at: int | None = None
) -> list[VariableView]:
    """Read the variables of a job as of commit ``at`` (None: the newest), sorted by name.

    Raises:
        NotFound: there is no such job or commit.
    """
    placed, blocks = await store.read(lambda: _load(jobs, number, at))
    read = _read_components(placed.workspace)
    for digest in _stored(placed, read):
        blocks[digest] = await store.blocks.get(digest)
    return _views(placed, read, blocks)


def read_variables_sync(
    store: Store,
    jobs: JobRepository,
    number: int,
    *,
    at: int | None = None,
    only: frozenset[str] | None = None,
    from_handle: FromHandle | None = None,
    from_future: FromFuture | None = None,
) -> list[VariableView]:
    """``read_variables`` for other threads than the event loop's.

    Args:
        store: where the job is.
        jobs: its records.
        number: which job.
        at: number of the commit; None for the newest.
        only: names that are asked for; None for all. Variables that share objects with one of these come along.
        from_handle: makes what stands for a durable object; without it a ``Handle`` does. It gets whatever the
            sandbox wrote, ids that are not granted included.
        from_future: makes what stands for a value that is not there yet; without it a ``FutureRef`` does. It gets
            whatever the sandbox wrote, too.
    """
    placed, blocks = store.read_sync(lambda: _load(jobs, number, at, only))
    read = _read_components(placed.workspace)
    for digest in _stored(placed, read):
        blocks[digest] = store.blocks.get_sync(digest)
    return _views(placed, read, blocks, from_handle, from_future)


def plain_variable(jobs: JobRepository, record: JobRecord, placed: PlacedWorkspace, name: str, default: Any) -> Any:
    """A small variable of a workspace that travels in its commits (store thread); the default for any other.

    Args:
        jobs: the records.
        record: of the job.
        placed: the workspace.
        name: of the variable.
        default: given where there is no such variable, or none that can be read here.
    """
    for component in placed.workspace.components:
        if name in component.names and component.form is Form.GRAPH and component.size_bytes <= _SMALL_BYTES:
            blocks = jobs.inline_blocks(record, {digest: placed.places[digest] for digest in component.blocks})
            if all(digest in blocks for digest in component.blocks):
                return _decode(b"".join(blocks[digest] for digest in component.blocks), None).get(name, default)
    return default


def read_value(data: bytes, *, from_handle: FromHandle | None = None, from_future: FromFuture | None = None) -> Any:
    """A value that a sandbox wrote in graph form; an ``UnreadableValue`` where it is over a limit of the host."""
    try:
        return values.decode(data, from_handle=from_handle, from_future=from_future, limits=_LIMITS)
    except values.GraphError as error:
        return UnreadableValue(f"<{len(data)} bytes: {error}>", "opaque")


def _load(
    jobs: JobRepository, number: int, at: int | None, only: frozenset[str] | None = None
) -> tuple[PlacedWorkspace, dict[str, bytes]]:
    """A workspace, or the part of it that has these names, and its inline blocks (store thread)."""
    record = jobs.get(number)
    placed = jobs.kept_workspace(record, jobs.commit_count(record) - 1 if at is None else at)
    if only is not None:
        kept = tuple(part for part in placed.workspace.components if not only.isdisjoint(part.names))
        lost = tuple(value for value in placed.workspace.lost if value.name in only)
        places = {digest: placed.places[digest] for part in kept for digest in part.blocks}
        placed = PlacedWorkspace(Workspace(kept, (), lost), places)
    return placed, jobs.inline_blocks(record, placed.places)


def _readable(component: Component) -> bool:
    """Whether the host reads the component at all."""
    return component.form is Form.GRAPH and component.size_bytes <= MAX_READ_BYTES


def _read_components(workspace: Workspace) -> set[int]:
    """Places of the components that one look reads."""
    by_size = sorted((part.size_bytes, at) for at, part in enumerate(workspace.components) if _readable(part))
    sums = accumulate(size for size, _ in by_size)
    return {at for (_, at), total in zip(by_size, sums, strict=True) if total <= MAX_READ_TOGETHER_BYTES}


def _stored(placed: PlacedWorkspace, read: set[int]) -> set[str]:
    """Digests of what is read that are in the block store."""
    digests = {digest for at in read for digest in placed.workspace.components[at].blocks}
    return {digest for digest in digests if placed.places[digest].commit < 0}


def _views(
    placed: PlacedWorkspace,
    read: set[int],
    blocks: Mapping[str, bytes],
    from_handle: FromHandle | None = None,
    from_future: FromFuture | None = None,
) -> list[VariableView]:
    """The variables from the data of their blocks."""
    views = [VariableView(lost.name, lost.reason, "lost", None, 0) for lost in placed.workspace.lost]
    for at, component in enumerate(placed.workspace.components):
        found: Mapping[str, Any] = {}
        if at in read:
            found = _decode(b"".join(blocks[digest] for digest in component.blocks), from_handle, from_future)
        for name, preview in zip(component.names, component.previews, strict=False):
            form = "graph" if name in found else "unread" if _readable(component) and at not in read else "opaque"
            views.append(VariableView(name, preview, form, found.get(name), component.size_bytes))
    return sorted(views, key=lambda view: view.name)


def _decode(data: bytes, from_handle: FromHandle | None, from_future: FromFuture | None = None) -> Mapping[str, Any]:
    """The names and values of a graph component; empty when it is over a limit of the host."""
    try:
        found = values.decode(data, from_handle=from_handle, from_future=from_future, limits=_LIMITS)
    except values.GraphError:
        return {}
    return found if isinstance(found, dict) else {}
