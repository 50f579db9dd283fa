"""Variables whose sum is too much for one look of the host."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from orchestrator.digests import content_digest
from orchestrator.engine import variables
from orchestrator.engine.jobs import JobRepository, NewCommit
from orchestrator.engine.manifest import BlockPlace
from orchestrator.engine.objects.grants import GrantTable
from orchestrator.engine.variables import MAX_READ_TOGETHER_BYTES, read_variables, read_variables_sync
from orchestrator.sandboxes.step import Component, Form, Workspace
from orchestrator.store.store import Store
from sandbox_runner.wire import values

from .conftest import Open, code

pytestmark = pytest.mark.timeout(60)


async def test_the_sum_of_what_is_read_is_bounded_and_the_rest_named(
    open_with: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = code("large, small, medium = ['l' * 9] * 900, [1], ['m'] * 100\nfn = lambda: 1")
    async with open_with([made, code("exit(1)")]) as service:
        id_ = await service.submit("helper")
        await service.wait(id_)
        whole = {view.name: view for view in await service.variables(id_)}
        assert {name: view.form for name, view in whole.items()} == {
            "fn": "opaque", "large": "graph", "medium": "graph", "small": "graph",
        }  # fmt: skip
        monkeypatch.setattr(
            variables, "MAX_READ_TOGETHER_BYTES", whole["small"].size_bytes + whole["medium"].size_bytes
        )
        cut = {view.name: view for view in await service.variables(id_)}
        assert {name: (view.form, view.value) for name, view in cut.items()} == {
            "fn": ("opaque", None), "large": ("unread", None),
            "medium": ("graph", ["m"] * 100), "small": ("graph", [1]),
        }  # fmt: skip
        assert cut["large"].preview == whole["large"].preview
        monkeypatch.setattr(variables, "MAX_READ_TOGETHER_BYTES", whole["large"].size_bytes)
        seen = await asyncio.to_thread(service.past.view_sync, id_)
        assert (seen["large"], seen["small"]) == (["l" * 9] * 900, [1])


async def test_a_thousand_variables_of_one_block_are_read_up_to_the_bound(tmp_path: Path) -> None:
    store, jobs = Store.open(tmp_path), JobRepository()
    data = values.encode({"x": ["y" * 1000] * 100})
    digest = content_digest(data)
    component = Component(("x",), Form.GRAPH, (digest,), len(data), ("...",))
    count = 4 * MAX_READ_TOGETHER_BYTES // len(data)
    workspace = Workspace((component,) * count)

    def make() -> None:
        record = jobs.create(tenant="t", role="r", principal="", definition="{}", grants=GrantTable(), now_us=1)
        jobs.add_commit(record, "start", 0, NewCommit(workspace, {digest: BlockPlace(-1, 0)}, {}, True, []), 1, 1)

    await store.blocks.put_many({digest: data})
    await store.commit(make)
    expected = MAX_READ_TOGETHER_BYTES // len(data)
    for views in (
        await read_variables(store, jobs, 1),
        await asyncio.to_thread(read_variables_sync, store, jobs, 1),
    ):
        assert [sum(view.form == form for view in views) for form in ("graph", "unread")] == [
            expected,
            count - expected,
        ]
    store.close()
