"""What the commit of a step keeps, by the job's mode."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestrator.engine.active_job import ActiveJob
from orchestrator.engine.events_changes import state_changes
from orchestrator.engine.jobs import NewCommit
from orchestrator.engine.manifest import MAX_INLINE_BYTES, BlockPlace, PlacedWorkspace, changed_names, encode_manifest
from orchestrator.sandboxes.step import RestoreOptions, StepResult, Workspace
from statek.job_mode import JobMode

__all__ = ["kept_commit", "moved_head", "prepare_commit", "restore_options", "same_workspace", "saved_commit"]

_ON_LOOP_NAMES = 500
"""A workspace with more variables, files and lost names is prepared and encoded away from the event loop and the store
thread: ten thousand names take 10 ms of the one and 30 ms of the other."""


def restore_options(job: ActiveJob) -> RestoreOptions:
    """How an executor is to treat the workspace of a job."""
    return RestoreOptions(
        shared_context=job.uses_shared_context,
        unsaved=job.mode is not JobMode.DURABLE,
        one_step=job.mode is JobMode.STATELESS,
    )


async def prepare_commit(job: ActiveJob, end: StepResult, image_digest: str, usage: dict[str, Any]) -> NewCommit:
    """The commit of a step that ended by itself.

    One of a stateless job keeps what the job began with. One of a live job is never written: the record of its step is
    all that is durable.

    Args:
        job: the job.
        end: what the sandbox gave.
        image_digest: of the runner.
        usage: JSON-able sandbox usage.

    Raises:
        HistoryFull: the job, or the store, may not keep so much.
    """
    if job.mode is not JobMode.DURABLE:
        held = end.held if job.mode is JobMode.LIVE else job.head.held
        return NewCommit(job.head.workspace, dict(job.head.places), {}, True, [], held, image_digest, usage)
    job.check_room(sum(map(len, end.new_blocks.values())))
    new = await saved_commit(job.head.workspace, job.places, end, image_digest)
    return replace(new, usage=usage)


async def saved_commit(
    before: Workspace, known: Mapping[str, BlockPlace], end: StepResult, image_digest: str
) -> NewCommit:
    """A commit of what a sandbox saved.

    Args:
        before: the workspace that it was given.
        known: places of the blocks that earlier commits brought.
        end: what it gave.
        image_digest: of the runner.
    """
    found = end.workspace
    if len(found.components) + len(found.files) + len(found.lost) <= _ON_LOOP_NAMES:
        return _commit_of(before, known, end, image_digest)
    return await asyncio.to_thread(_large_commit, before, known, end, image_digest)


def _commit_of(before: Workspace, known: Mapping[str, BlockPlace], end: StepResult, image_digest: str) -> NewCommit:
    new_blocks = dict(end.new_blocks)
    changed = changed_names(before, end.workspace)
    return NewCommit(
        workspace=end.workspace,
        places={digest: known[digest] for digest in end.workspace.digests() - new_blocks.keys()},
        new_blocks=new_blocks,
        inline=sum(map(len, new_blocks.values())) <= MAX_INLINE_BYTES,
        changed=changed,
        held=end.held,
        image_digest=image_digest,
        changes=state_changes(before, end.workspace, changed),
    )


def kept_commit(before: Workspace, kept: PlacedWorkspace, image_digest: str) -> NewCommit:
    """A commit that brings no block: a workspace of blocks that earlier commits brought.

    Args:
        before: the workspace that it comes after.
        kept: its own.
        image_digest: of the image that this was saved on.
    """
    changed = changed_names(before, kept.workspace)
    told = state_changes(before, kept.workspace, changed)
    return NewCommit(kept.workspace, dict(kept.places), {}, True, changed, kept.held, image_digest, changes=told)


def _large_commit(before: Workspace, known: Mapping[str, BlockPlace], end: StepResult, image_digest: str) -> NewCommit:
    """One whose blocks go to the block store, so that its manifest needs no commit number and is made here."""
    new = replace(_commit_of(before, known, end, image_digest), inline=False)
    return replace(new, manifest=encode_manifest(PlacedWorkspace(new.workspace, new.places_at(-1), new.held)))


def same_workspace(job: ActiveJob) -> NewCommit:
    """A commit of a step that ran no code."""
    return NewCommit(job.head.workspace, dict(job.head.places), {}, True, [], job.head.held)


def moved_head(job: ActiveJob, seq: int, new: NewCommit) -> None:
    """Make a commit that was written the one that the job goes on from."""
    places = new.places_at(seq)
    job.places.update(places)
    job.head = PlacedWorkspace(new.workspace, {d: places[d] for d in new.workspace.digests()}, new.held)
    job.head_seq = seq
