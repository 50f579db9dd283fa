"""What a runner may send of a workspace that is not saved: nothing but the handles in use."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from orchestrator.sandboxes.step import Death, DeathCause, RestoreOptions, StepResult, Workspace
from sandbox_runner.wire.v1 import runner_pb2 as pb
from tests.contract.conftest import Talk
from tests.contract.test_hostile_steps import finished


@pytest.mark.parametrize(
    "sent",
    [
        {"block": pb.Block(id=1, data=b"abc")},
        {"finished": finished(components=[pb.Component(names=["x"], form=pb.FORM_GRAPH, size_bytes=0, blocks=[])])},
        {"finished": finished(files=[pb.File(path="a", mode=0o644, size_bytes=0)])},
        {"finished": finished(lost=[pb.Lost(name="g", reason="generator")])},
    ],
    ids=["block", "component", "file", "lost"],
)
async def test_a_workspace_that_is_not_saved_may_not_be_sent(talk: Talk, sent: dict[str, Any]) -> None:
    async def nothing(digests: Sequence[str]) -> dict[str, bytes]:
        raise AssertionError(digests)

    restoring = asyncio.create_task(talk.sandbox.restore(Workspace(), nothing, RestoreOptions(unsaved=True)))
    await talk.runner.accept_restore()
    await restoring
    step = talk.begin_step()
    await talk.runner.accept_step()
    await talk.runner.say(**sent)
    end = await step
    assert isinstance(end, Death)
    assert end.cause is DeathCause.VIOLATION


async def test_a_workspace_that_is_not_saved_still_names_its_handles(talk: Talk) -> None:
    async def nothing(digests: Sequence[str]) -> dict[str, bytes]:
        raise AssertionError(digests)

    restoring = asyncio.create_task(talk.sandbox.restore(Workspace(), nothing, RestoreOptions(unsaved=True)))
    await talk.runner.accept_restore()
    await restoring
    step = talk.begin_step()
    await talk.runner.accept_step()
    await talk.runner.say(finished=finished(held=[3]))
    end = await step
    assert isinstance(end, StepResult)
    assert (end.held, talk.sandbox.held, end.workspace) == ((3,), (3,), Workspace())
