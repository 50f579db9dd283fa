"""Moves a job to another image: its newest workspace is restored in a runner of that image and saved again.

What was saved as a pickle fits the libraries that it was made with. Whether it still reads is only known by trying, in
a sandbox, as at every start of a step; so a dry run does everything but write. No step runs, and a call to the host
ends the try.
"""

from __future__ import annotations

from functools import partial

from orchestrator.engine.clock import now_us
from orchestrator.engine.durability import Durability
from orchestrator.engine.jobs import JobRepository, NewCommit, job_id, job_number
from orchestrator.engine.manifest import PlacedWorkspace
from orchestrator.engine.restoring import restore_workspace
from orchestrator.engine.step_commit import saved_commit
from orchestrator.sandboxes.pool import Pool
from orchestrator.sandboxes.sandbox import Sandbox
from orchestrator.sandboxes.step import (
    CallAnswer,
    CallRequest,
    Death,
    OutputItem,
    RestoreOptions,
    StepInput,
    StepResult,
    Workspace,
)
from statek import durable
from statek.exceptions import InvalidRequest, RestoreFailed, RunnerError
from statek.job_mode import JobMode
from statek.records import JobRecord
from statek.upkeep import Migrated, MigratedName

__all__ = ["Migration"]

_CLAIM_SECONDS = 120.0
_SAVE_SECONDS = 60.0
_SHOWN = 20


class Migration:
    """Moves the jobs of one store to the image that its service runs."""

    def __init__(self, durability: Durability, jobs: JobRepository, pool: Pool) -> None:
        """Args are the store's durable writes, its job records, and the runners of the image in force."""
        self._durability = durability
        self._store = durability.store
        self._jobs = jobs
        self._pool = pool

    async def migrate(self, id_: str, image: str, *, dry_run: bool) -> Migrated:
        """Restore and save a job on the image in force; gives what became of each variable and file.

        Args:
            id_: the job.
            image: the image in force, or the first seven or more characters of it: what the operator means.
            dry_run: only say what would become of it.

        Raises:
            NotFound: there is no such job.
            InvalidRequest: another image is in force, or a step of the job is in flight.
            RestoreFailed: the runner did not survive the workspace, or blocks of it are nowhere any more.
        """
        in_force = self._pool.image_digest
        if in_force != image and not (len(image) >= 7 and in_force.startswith(image)):
            raise InvalidRequest(f"this service runs the image {in_force}, not {image}: start it with that one")
        number = job_number(id_)
        seq, saved_on, head, step, shared = await self._store.read(partial(self._head, number))
        if saved_on in {"", in_force}:
            return Migrated(id_, saved_on or in_force, in_force)
        sandbox = await self._pool.claim(timeout=_CLAIM_SECONDS)
        try:
            end = await self._save_again(number, step, sandbox, head, RestoreOptions(shared_context=shared))
        finally:
            await self._pool.destroy(sandbox)
        names = _compared(head.workspace, end.workspace)
        if dry_run:
            return Migrated(id_, saved_on, in_force, names=names)
        new = await saved_commit(head.workspace, head.places, end, in_force)
        made = await self._durability.commit(partial(self._write, number, seq, new, names), blocks=new.stored_blocks)
        return Migrated(id_, saved_on, in_force, made, names)

    def _head(self, number: int) -> tuple[int, str, PlacedWorkspace, int, bool]:
        """Number, image, workspace of the newest commit; number of the next step; whether it has a shared context."""
        record = self._jobs.get(number)
        _check_at_rest(record)
        seq = self._jobs.commit_count(record) - 1
        saved_on = self._jobs.commit(record, seq).image_digest
        return seq, saved_on, self._jobs.workspace(record, seq), record.next_step, bool(record.shared_binding)

    async def _save_again(
        self, number: int, step: int, sandbox: Sandbox, head: PlacedWorkspace, how: RestoreOptions
    ) -> StepResult:
        """Restore a workspace and save it, without running anything."""
        inline = await self._store.read(lambda: self._jobs.inline_blocks(self._jobs.get(number), head.places))
        try:
            await restore_workspace(sandbox, head.workspace, inline, self._store.blocks, how)
            end = await sandbox.run_step(
                StepInput(step=step, code="pass", time_us=now_us(), seed=0, deadline_seconds=_SAVE_SECONDS), _NoCalls()
            )
        except RunnerError as error:
            raise RestoreFailed(f"job {job_id(number)} cannot be restored on this image: {error}") from error
        if isinstance(end, Death):
            raise RestoreFailed(f"job {job_id(number)} cannot be saved on this image: {end.cause.value}: {end.detail}")
        return end

    def _write(self, number: int, seq: int, new: NewCommit, names: tuple[MigratedName, ...]) -> int:
        """Append the commit (store thread); gives its number."""
        record = self._jobs.get(number)
        _check_at_rest(record)
        if self._jobs.commit_count(record) - 1 != seq:
            raise InvalidRequest(f"job {job_id(number)} went on meanwhile; migrate it again")
        at = now_us()
        lost = [name.name for name in names if name.state == "lost"]
        if lost:
            more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
            text = f"This job was moved to another image. Lost with that: {', '.join(lost[:_SHOWN])}{more}."
            self._jobs.add_message(record, "system", text, at)
        made = self._jobs.add_commit(record, "migration", 0, new, at, durable.state_number())
        record.image_digest = new.image_digest
        return made


class _NoCalls:
    """Answers no call: saving needs none, and what values do when they are saved must have no effect."""

    async def call(self, request: CallRequest) -> CallAnswer:
        """Refuse; ends the runner."""
        raise InvalidRequest(f"a value of the job calls {request.name[:80]!r} when it is saved; it cannot be migrated")

    def output(self, item: OutputItem) -> None:
        """Drop it."""


def _check_at_rest(record: JobRecord) -> None:
    """Refuse a job that cannot be moved now.

    Raises:
        InvalidRequest: a step is in flight, or no step saves its variables.
    """
    if record.mode not in {"", JobMode.DURABLE.value}:
        raise InvalidRequest(f"job {job_id(record.number)} is {record.mode}: its variables are not saved")
    if record.flight:
        raise InvalidRequest(
            f"job {job_id(record.number)} has a step in flight, whose first part was made on the image that it was "
            "begun on; let it end there, cancel it, or fork it"
        )


def _compared(before: Workspace, after: Workspace) -> tuple[MigratedName, ...]:
    """What became of every variable and file."""
    lost = {value.name: value.reason for value in after.lost}
    earlier = {value.name for value in before.lost}
    kept: dict[str, tuple[str, ...]] = {
        name: component.blocks for component in after.components for name in component.names
    }
    kept |= {f"/work/{file.path}": file.blocks for file in after.files}
    found = []
    was = {name: component.blocks for component in before.components for name in component.names}
    was |= {f"/work/{file.path}": file.blocks for file in before.files}
    for name, blocks in sorted(was.items()):
        if name in kept:
            found.append(MigratedName(name, "restored" if kept[name] == blocks else "saved anew"))
        else:
            found.append(MigratedName(name, "lost", lost.get(name, "it was not there after it was restored")))
    found += [MigratedName(name, "lost before", lost.get(name, "")) for name in sorted(earlier - was.keys())]
    return tuple(found)
