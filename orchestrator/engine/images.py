"""A job goes on upon the image that its newest commit names, or not at all.

Values in opaque form are pickles that fit the libraries they were made with, and the recorded part of a step was made
with that interpreter: a job is never restored on another image silently.
"""

from __future__ import annotations

from orchestrator.engine.jobs import JobRepository, job_id
from orchestrator.engine.manifest import decode_manifest
from orchestrator.sandboxes.step import Workspace
from statek.exceptions import ImageMismatch
from statek.records import JobRecord

__all__ = ["check_image"]


def check_image(jobs: JobRepository, record: JobRecord, in_force: str) -> None:
    """Refuse to go on with variables or files that were saved on another image (store thread).

    The start commit was made by no runner, and an empty workspace is the same on every image.

    Args:
        jobs: reads the record.
        record: the job.
        in_force: digest of the image that this service runs.

    Raises:
        ImageMismatch: the newest commit was made on another image; both are named.
    """
    commit = jobs.commit(record, jobs.commit_count(record) - 1)
    saved_on = commit.image_digest
    if saved_on in {"", in_force} or decode_manifest(commit.manifest).workspace == Workspace():
        return
    raise ImageMismatch(
        f"job {job_id(record.number)} was saved (commit {commit.seq}) on the image {saved_on}, and this service runs "
        f"{in_force}: start the service with that image to go on with it, or move it (statek jobs migrate)"
    )
