"""The blocks of a starting commit on their way to a runner."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from orchestrator.digests import content_digest
from orchestrator.sandboxes.step import WorkFile, Workspace
from sandbox_runner.wire.v1 import runner_pb2 as pb
from statek.exceptions import NotFound
from tests.contract.conftest import Talk


async def test_blocks_travel_together_as_far_as_frames_go(talk: Talk) -> None:
    data = {content_digest(piece): piece for piece in (bytes([n]) * (30 << 10) for n in range(3))}
    asked: list[int] = []

    async def fetch(digests: Sequence[str]) -> dict[str, bytes]:
        asked.append(len(digests))
        return {digest: data[digest] for digest in digests}

    workspace = Workspace(files=(WorkFile("f", 0o600, 90 << 10, tuple(data)),))
    restoring = asyncio.create_task(talk.sandbox.restore(workspace, fetch))
    frames = [(await talk.runner.hear_frame())[0] for _ in range(3)]
    await talk.runner.say(restored=pb.Restored())

    assert await restoring == ()
    assert asked == [3]
    assert [frames[0].block.id, *(block.id for block in frames[1].blocks.blocks)] == [2, 4, 6]
    assert list(frames[2].restore.files[0].blocks) == [2, 4, 6]


async def test_blocks_are_fetched_while_others_are_sent_and_each_once(talk: Talk) -> None:
    pieces = [n.to_bytes(4, "little") * 256 for n in range(150)]
    data = {content_digest(piece): piece for piece in pieces}
    asked: list[str] = []

    async def fetch(digests: Sequence[str]) -> dict[str, bytes]:
        asked.extend(digests)
        return {digest: data[digest] for digest in digests}

    workspace = Workspace(files=(WorkFile("f", 0o600, 150 << 10, tuple(data)),))
    restoring = asyncio.create_task(talk.sandbox.restore(workspace, fetch))
    received: list[bytes] = []
    while True:
        frame = (await talk.runner.hear_frame())[0]
        if frame.WhichOneof("body") == "restore":
            break
        received += [block.data for block in frame.blocks.blocks] or [frame.block.data]
    await talk.runner.say(restored=pb.Restored())
    assert await restoring == ()
    assert (received, asked) == (pieces, list(data))


async def test_a_block_that_is_missing_ends_the_restore_with_its_own_error(talk: Talk) -> None:
    data = {content_digest(piece): piece for piece in (n.to_bytes(4, "little") for n in range(150))}

    async def fetch(digests: Sequence[str]) -> dict[str, bytes]:
        if digests[0] != next(iter(data)):
            raise NotFound(f"no block {digests[0]}")
        return {digest: data[digest] for digest in digests}

    workspace = Workspace(files=(WorkFile("f", 0o600, 600, tuple(data)),))
    missing = list(data)[64]
    with pytest.raises(NotFound, match=f"^no block {missing}$"):
        await talk.sandbox.restore(workspace, fetch)
