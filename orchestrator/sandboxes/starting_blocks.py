"""Sends the blocks of a starting commit to a fresh runner: as few frames as they fit into."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing

from orchestrator.sandboxes.block_ledger import BlockLedger
from orchestrator.sandboxes.link import RunnerLink
from orchestrator.sandboxes.outbound import blocks_frame
from orchestrator.sandboxes.step import FetchBlocks, Workspace
from statek.exceptions import LimitExceeded

__all__ = ["BlockSender"]

_FETCH_BLOCKS = 64  # asked for at once: each of them may have 256 KB
_BATCH_BYTES = 256 << 10  # blocks that travel in one frame
_BLOCK_HEAD_BYTES = 32  # more than a block's id and lengths take


class BlockSender:
    """Sends blocks over one link, once in its life: the ids of the host begin at 2 and are even.

    Args:
        link: of the runner.
        ledger: learns what the runner has.
        frame_bytes: largest frame that the runner takes.
    """

    def __init__(self, link: RunnerLink, ledger: BlockLedger, frame_bytes: int) -> None:
        self._link = link
        self._ledger = ledger
        self._frame_bytes = frame_bytes

    async def send(self, workspace: Workspace, fetch: FetchBlocks) -> dict[str, int]:
        """Send every block of a workspace once; gives the ids by digest.

        Raises:
            LimitExceeded: a block does not fit into a frame.
            RunnerError: the runner is gone.
        """
        lists = [item.blocks for item in workspace.components] + [item.blocks for item in workspace.files]
        digests = list(dict.fromkeys(itertools.chain.from_iterable(lists)))
        ids: dict[str, int] = {}
        batch: list[tuple[int, bytes]] = []
        batch_bytes = 0
        async with aclosing(_fetched(digests, fetch)) as fetched:
            async for digest, data in fetched:
                if batch and batch_bytes + len(data) > _BATCH_BYTES:
                    await self._send(batch)
                    batch, batch_bytes = [], 0
                block_id = ids[digest] = 2 * len(ids) + 2
                self._ledger.know(block_id, digest, len(data))
                batch.append((block_id, data))
                batch_bytes += len(data) + _BLOCK_HEAD_BYTES
        if batch:
            await self._send(batch)
        return ids

    async def _send(self, batch: Sequence[tuple[int, bytes]]) -> None:
        frame = blocks_frame(batch)
        if len(frame) > self._frame_bytes and len(batch) > 1:
            middle = len(batch) // 2  # frames may be smaller than usual here
            await self._send(batch[:middle])
            await self._send(batch[middle:])
            return
        if len(frame) > self._frame_bytes:
            raise LimitExceeded("frame_bytes", self._frame_bytes, len(frame))
        await self._link.send_frame(frame)


async def _fetched(digests: Sequence[str], fetch: FetchBlocks) -> AsyncGenerator[tuple[str, bytes], None]:
    """Each block in order; while some are sent, the next ones are on their way."""
    pieces = [digests[at : at + _FETCH_BLOCKS] for at in range(0, len(digests), _FETCH_BLOCKS)]
    coming: asyncio.Future[Mapping[str, bytes]] | None = None
    try:
        for index, asked in enumerate(pieces):
            found = await (coming or fetch(asked))
            coming = asyncio.ensure_future(fetch(pieces[index + 1])) if index + 1 < len(pieces) else None
            for digest in asked:
                yield digest, found[digest]
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
