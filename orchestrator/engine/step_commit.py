"""What the commit of a step keeps, by the job's mode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestrator.engine.active_job import ActiveJob
from orchestrator.engine.jobs import NewCommit
from orchestrator.engine.manifest import MAX_INLINE_BYTES, BlockPlace, PlacedWorkspace, changed_names
from orchestrator.sandboxes.step import RestoreOptions, StepResult, Workspace
from statek.job_mode import JobMode

__all__ = ["moved_head", "new_commit", "restore_options", "same_workspace", "saved_commit"]


def restore_options(job: ActiveJob) -> RestoreOptions:
    """How an executor is to treat the workspace of a job."""
    return RestoreOptions(
        shared_context=job.uses_shared_context,
        unsaved=job.mode is not JobMode.DURABLE,
        one_step=job.mode is JobMode.STATELESS,
    )


def new_commit(job: ActiveJob, end: StepResult, image_digest: str, usage: dict[str, Any]) -> NewCommit:
    """The commit of a step that ended by itself.

    One of a stateless job keeps what the job began with. One of a live job is never written: the record of its step is
    all that is durable.

    Args:
        job: the job.
        end: what the sandbox gave.
        image_digest: of the runner.
        usage: JSON-able sandbox usage.
    """
    if job.mode is not JobMode.DURABLE:
        held = end.held if job.mode is JobMode.LIVE else job.head.held
        return NewCommit(job.head.workspace, dict(job.head.places), {}, True, [], held, image_digest, usage)
    return replace(saved_commit(job.head.workspace, job.places, end, image_digest), usage=usage)


def saved_commit(before: Workspace, known: Mapping[str, BlockPlace], end: StepResult, image_digest: str) -> NewCommit:
    """A commit of what a sandbox saved.

    Args:
        before: the workspace that it was given.
        known: places of the blocks that earlier commits brought.
        end: what it gave.
        image_digest: of the runner.
    """
    new_blocks = dict(end.new_blocks)
    return NewCommit(
        workspace=end.workspace,
        places={digest: known[digest] for digest in end.workspace.digests() - new_blocks.keys()},
        new_blocks=new_blocks,
        inline=sum(map(len, new_blocks.values())) <= MAX_INLINE_BYTES,
        changed=changed_names(before, end.workspace),
        held=end.held,
        image_digest=image_digest,
    )


def same_workspace(job: ActiveJob) -> NewCommit:
    """A commit of a step that ran no code."""
    return NewCommit(job.head.workspace, dict(job.head.places), {}, True, [], job.head.held)


def moved_head(job: ActiveJob, seq: int, new: NewCommit) -> None:
    """Make a commit that was written the one that the job goes on from."""
    places = dict(new.places)
    for index, digest in enumerate(new.new_blocks):
        places[digest] = BlockPlace(seq, index) if new.inline else BlockPlace(-1, 0)
    job.places.update(places)
    job.head = PlacedWorkspace(new.workspace, {d: places[d] for d in new.workspace.digests()}, new.held)
    job.head_seq = seq
