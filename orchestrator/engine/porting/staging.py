"""The record of a job that is being imported: filled page by page, and a job of the store in one last block.

Until then it has a tag of its own and no number, so that nobody sees it; what a crash left of one is removed at the
next start or import. Beside ``orchestrator.engine.jobs`` this alone writes the lists of a job.

Preconditions:
    every method: on the store thread; those that change something inside its atomic block.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from orchestrator.digests import content_digest
from orchestrator.engine.element_lists import extend, length_of, to_element
from orchestrator.engine.elements import ChatItem, Commit, StepEnd, encode_commit, encode_end, encode_item
from orchestrator.engine.jobs import JobRepository
from orchestrator.engine.objects.grants import GrantTable
from statek import durable
from statek.packing import split_pieces
from statek.records import JobRecord

__all__ = ["StagedJobs"]

_STAGED_TAG = "statek-import"
_PAGE_SECONDS = 0.004
_LISTS = ("chat", "ends", "commits", "journal", "overflow")


class StagedJobs(JobRepository):
    """The jobs of one prefix, and those that are to become some."""

    def imported(self, request_id: str) -> JobRecord | None:
        """The job that an import of this request id made; None where there was none."""
        found = list(durable.find(JobRecord, _request_tag(request_id))) if request_id else []
        return found[0] if found else None

    def stage(self, *, tenant: str, role: str, principal: str, definition: str, handles: int, now_us: int) -> JobRecord:
        """Begin a job that nobody sees yet.

        Args:
            tenant: who owns it.
            role: of its agent.
            principal: on whose behalf it acts.
            definition: its setup.
            handles: ids that stand for nothing: those that its variables hold must not come to mean something else.
            now_us: microseconds UTC.
        """
        grants = GrantTable()
        grants.objects = [None] * handles
        grants.origins = [""] * handles
        record = JobRecord(0, tenant, role, principal, definition, now_us, grants)
        durable.tag(record, _STAGED_TAG)
        return record

    def take_item(self, record: JobRecord, item: ChatItem) -> None:
        """Add a chat item as it was when it was added."""
        record.chat.append(to_element(record, encode_item(item)))

    def take_end(self, record: JobRecord, end: StepEnd, journal: Sequence[bytes]) -> None:
        """Add the end of the newest step, with the pieces of its journal that were written before it."""
        first = length_of(record.journal)
        for blob in journal:
            pieces = split_pieces(blob)
            last = len(pieces) - 1
            extend(record, "journal", [(b"." if at == last else b"+") + piece for at, piece in enumerate(pieces)])
        placed = replace(end, first_piece=first, last_piece=length_of(record.journal))
        record.ends.append(to_element(record, encode_end(placed)))

    def take_commit(self, record: JobRecord, commit: Commit) -> None:
        """Add a commit as it was made."""
        encoded = encode_commit(commit)
        record.commits.append(to_element(record, encoded))
        record.history_bytes += len(encoded)

    def publish(self, record: JobRecord, request_id: str) -> int:
        """Make it a job of the store; gives its number."""
        root = self.made_root()
        number = len(root.jobs) + 1
        record.number = number
        root.jobs.append(record)
        if request_id:
            durable.tag(record, _request_tag(request_id))
        durable.untag(record, _STAGED_TAG)
        return number

    def remove_staged(self) -> bool:
        """Remove some of what imports have left that did not come to their end; whether there is more.

        Preconditions:
            nothing is being imported.
        """
        begun = time.perf_counter()
        for record in list(durable.find(JobRecord, _STAGED_TAG)):
            for name in _LISTS:
                found = getattr(record, name)
                while length_of(found):
                    found.pop()
                    if time.perf_counter() - begun > _PAGE_SECONDS:
                        return True
            durable.untag(record, _STAGED_TAG)
        return False


def _request_tag(request_id: str) -> str:
    return f"statek-import-{content_digest(request_id.encode('utf-8', 'surrogatepass'))}"
