"""The blocking client's verbs on the upkeep of a store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from orchestrator.api.connection import Connection, plain_text
from orchestrator.api.texts import from_wire, to_wire
from orchestrator.api.v1 import service_pb2 as pb
from statek.exceptions import InternalError, InvalidRequest
from statek.upkeep import BackedUp, Compacted, CompactedJob, Finding, Migrated, MigratedName, Verified

__all__ = ["UpkeepVerbs"]

Progress = Callable[[str], None]


def _silent(_line: str) -> None:
    """Progress that nobody reads."""


class UpkeepVerbs(Connection):
    """What a client does with the store as a whole (docs/backup.md)."""

    def backup(self, folder: Path, progress: Progress = _silent) -> BackedUp:
        """Let the service write a backup of its store while it works.

        Args:
            folder: on the service's machine; must not exist, or be empty.
            progress: gets a line for whatever takes long.

        Raises:
            InvalidRequest: the folder is in use, or its path is not absolute.
            StoreFull: its disk is full.
            StoreError: the store cannot be copied; nothing is left behind.
        """
        request = pb.BackupStoreRequest(folder_text=to_wire(str(folder)))
        for page in self._pages(self._stub.BackupStore, request, timeout=None):
            if page.HasField("backup"):
                found = page.backup
                damaged = tuple(found.damaged_blocks)
                return BackedUp(found.store_id, found.prefix, found.at_us, found.blocks, found.size_bytes, damaged)
            progress(page.progress)
        raise InternalError("the service ended a backup without a word on it")

    def compact(
        self,
        id_: str | None = None,
        *,
        keep_last: int | None = None,
        keep_tagged: bool = True,
        dry_run: bool = False,
        progress: Progress = _silent,
    ) -> Compacted:
        """Drop variables and files of older commits, and remove the blocks that no commit names any more.

        Args:
            id_: the job; None for all.
            keep_last: how many of the newest commits of each job stay; None for all of them.
            keep_tagged: whether those that have a name stay too.
            dry_run: only say what would go.
            progress: gets a line for whatever takes long.

        Raises:
            NotFound: there is no such job.
            InvalidRequest: no commit would stay.
            StoreDamaged: a commit does not read; nothing was removed.
        """
        if keep_last is not None and not 1 <= keep_last < 1 << 32:
            raise InvalidRequest(f"keep_last must be at least 1, not {keep_last}: the newest commit stays")
        request = pb.CompactStoreRequest(
            id=plain_text("id", id_ or ""), keep_last=keep_last or 0, drop_tagged=not keep_tagged, dry_run=dry_run
        )
        jobs: dict[str, CompactedJob] = {}
        for page in self._pages(self._stub.CompactStore, request, timeout=None):
            for part in page.jobs:
                found = jobs.get(part.id) or CompactedJob(part.id, (), part.kept, part.freed_blocks, part.freed_bytes)
                jobs[part.id] = replace(found, dropped=(*found.dropped, *part.dropped))
            if page.HasField("counts"):
                counts = page.counts
                return Compacted(tuple(jobs.values()), counts.freed_blocks, counts.freed_bytes, dry_run)
            if page.progress:
                progress(page.progress)
        raise InternalError("the service ended a compaction without its result")

    def migrate(self, id_: str, image: str, *, dry_run: bool = False) -> Migrated:
        """Move a job that was saved on another image to the one that the service runs, and let it go on.

        Args:
            id_: the job.
            image: the image that the service runs, or its first seven or more characters.
            dry_run: only say what would become of each variable and file.

        Raises:
            NotFound: there is no such job.
            InvalidRequest: the service runs another image, or a step of the job is in flight.
            RestoreFailed: the job's variables end every runner that restores them.
        """
        request = pb.MigrateJobRequest(id=plain_text("id", id_), image=plain_text("image", image), dry_run=dry_run)
        found = Migrated(id_, "", "")
        names: list[MigratedName] = []
        for page in self._pages(self._stub.MigrateJob, request, timeout=None):
            if page.image:
                found = Migrated(id_, page.saved_on, page.image, page.commit)
            names += [MigratedName(from_wire(n.name_text), n.state, from_wire(n.reason_text)) for n in page.names]
        return replace(found, names=tuple(names))

    def verify(self, progress: Progress = _silent) -> Verified:
        """Let the service read everything in its store; gives what is damaged."""
        findings: list[Finding] = []
        for page in self._pages(self._stub.VerifyStore, pb.VerifyStoreRequest(), timeout=None):
            findings += [
                Finding(from_wire(found.problem_text), found.job, found.commit, from_wire(found.done_text))
                for found in page.findings
            ]
            if page.HasField("counts"):
                counts = page.counts
                return Verified(counts.jobs, counts.entries, counts.commits, counts.blocks, tuple(findings))
            if page.progress:
                progress(page.progress)
        raise InternalError("the service ended a verification without its result")
