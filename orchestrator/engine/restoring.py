"""Puts a workspace into a fresh sandbox, its blocks from commits and from the block store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.sandboxes.sandbox import Sandbox
from orchestrator.sandboxes.step import RestoreOptions, Workspace
from orchestrator.store.block_calls import Blocks
from statek.exceptions import NotFound, RestoreFailed, RunnerError

__all__ = ["restore_workspace"]


async def restore_workspace(
    sandbox: Sandbox, workspace: Workspace, inline: Mapping[str, bytes], blocks: Blocks, how: RestoreOptions
) -> None:
    """Restore what a commit keeps.

    Args:
        sandbox: a fresh one.
        workspace: of the commit.
        inline: data by digest of the blocks that are in commits (``JobRepository.inline_blocks``).
        blocks: has the others.
        how: how the executor treats it.

    Raises:
        RestoreFailed: blocks that the commit names are nowhere any more.
        RunnerError: the runner did not survive it.
    """
    gone: list[RestoreFailed] = []

    async def fetch(digests: Sequence[str]) -> Mapping[str, bytes]:
        stored = [digest for digest in digests if digest not in inline]
        found = {digest: inline[digest] for digest in digests if digest in inline}
        try:
            return {**found, **await blocks.get_many(stored)} if stored else found
        except NotFound as error:
            gone.append(RestoreFailed(f"what the job keeps is gone: {error}; blocks are {blocks.description}"))
            raise gone[0] from error

    try:
        await sandbox.restore(workspace, fetch, how)
    except RunnerError:
        if gone:  # not the runner's fault, as which the sandbox takes it
            raise gone[0] from None
        raise
