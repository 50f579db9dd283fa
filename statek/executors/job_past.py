"""What a job says of its commits, and what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statek.executors.history import CommitDiff, CommitView, HistoricalView, parse_focus
from statek.upkeep import Compacted

if TYPE_CHECKING:
    from statek.executors.job_source import JobSource

__all__ = ["JobPast"]


class JobPast:
    """The commits of a job; a part of ``Job``."""

    _source: JobSource
    id: str

    @property
    def commits(self) -> tuple[CommitView, ...]:
        """Its commits, oldest first: one per step, and one per rollback."""
        return tuple(self._source.past.commits_sync(self.id))

    def view(self, at: int | str | None = None, focus: str = "full") -> HistoricalView:
        """A read-only look at its variables and files as of a commit, earlier or later than any other look.

        Args:
            at: number, tag, first digits of the hash, ``"latest"``; None for the newest.
            focus: ``"full"``, or ``"recent"`` for what that commit changed.

        Raises:
            NotFound: there is no such commit.
            InvalidRequest: ``at`` names no commit, or ``focus`` is unknown.
        """
        return self._source.past.view_sync(self.id, at, focus=parse_focus(focus))

    def diff(self, before: int | str, after: int | str | None = None) -> CommitDiff:
        """Which variables and files differ from one commit to another (by default the newest).

        Raises:
            NotFound: there is no such commit.
            InvalidRequest: an argument names no commit.
        """
        return self._source.past.diff_sync(self.id, before, after)

    def tag(self, name: str, at: int | str | None = None) -> CommitView:
        """Give a commit a name; durable on return.

        Raises:
            NotFound: there is no such commit.
            InvalidRequest: it cannot be a tag.
        """
        return self._source.past.tag_sync(self.id, at, name)

    def rollback(self, at: int | str) -> CommitView:
        """Put variables and files back to a commit, by a new commit, so that it can be undone. Durable on return.

        Durable objects and whatever took effect stay as they are; the job's chat log lists what did.

        Raises:
            NotFound: there is no such commit.
            InvalidRequest: the job is at work, or ``at`` names no commit.
        """
        return self._source.past.roll_back_sync(self.id, at)

    def compact(self, *, keep_last: int | None = None, keep_tagged: bool = True, dry_run: bool = False) -> Compacted:
        """Drop the variables and files of older commits, and remove the blocks that nothing names any more.

        The chat log stays. The newest commit stays, and so does one that another job was forked from. Durable on
        return; the job may be at work.

        Args:
            keep_last: how many of its newest commits stay; None for all of them.
            keep_tagged: whether those that have a name stay too.
            dry_run: only say what would go.

        Raises:
            InvalidRequest: no commit would stay.
        """
        return self._source.retention.compact_sync(
            self.id, keep_last=keep_last, keep_tagged=keep_tagged, dry_run=dry_run
        )
