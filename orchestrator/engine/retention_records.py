"""Drops the workspaces of commits in the records; everything else of a commit stays."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from orchestrator.engine.element_lists import forget_element, to_element
from orchestrator.engine.elements import encode_commit
from orchestrator.engine.jobs import JobRepository
from statek.records import JobRecord

__all__ = ["CompactedJobs"]


class CompactedJobs(JobRepository):
    """The jobs of one prefix, whose commits may be dropped."""

    def drop_commit(self, record: JobRecord, seq: int, needed: Collection[int], now_us: int) -> int:
        """Drop the workspace of one of the job's own commits; gives the length of what is left of it.

        Number, hash, kind, step and time stay, and those of its blocks that other commits name. One that was dropped
        before only loses the blocks that were needed then and are not any more.

        Args:
            record: the job.
            seq: the commit.
            needed: indices of the blocks in it that commits which stay, or runners, name.
            now_us: microseconds UTC.
        """
        commit = self.commit(record, seq)
        blocks = tuple(data if index in needed else b"" for index, data in enumerate(commit.blocks))
        while blocks and not blocks[-1]:
            blocks = blocks[:-1]
        left = replace(commit, changed=(), manifest=b"", blocks=blocks, dropped_us=commit.dropped_us or now_us)
        encoded = encode_commit(left)
        if left != commit:
            forget_element(record, record.commits[seq - record.base_commits])
            record.commits[seq - record.base_commits] = to_element(record, encoded)
        return len(encoded)
