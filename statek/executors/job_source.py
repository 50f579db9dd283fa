"""What a ``Job`` reads from and acts through: the service of this process, as far as the core knows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from statek.artifacts import FileSource
from statek.chat_history import ChatHistoryItem
from statek.difficulty import TaskDifficulty
from statek.error_handlers import ErrorHandler
from statek.executors.history import CommitDiff, CommitView, Focus, HistoricalView
from statek.executors.porting import ExportSource
from statek.executors.views import JobView, VariableView
from statek.future import FutureResult
from statek.inbox import Pushed
from statek.job_definition import DefinitionSource, JobDefinition
from statek.upkeep import Compacted

if TYPE_CHECKING:
    from statek.sub_task_handler import SubTaskHandler

__all__ = ["JobSource", "PastSource", "RetentionSource"]


class PastSource(Protocol):
    """Where a ``Job`` asks about its commits."""

    def commits_sync(self, id_: str) -> list[CommitView]:
        """Its commits, oldest first."""
        ...

    def view_sync(self, id_: str, at: int | str | None = None, *, focus: Focus = "full") -> HistoricalView:
        """A read-only look at one of them."""
        ...

    def diff_sync(self, id_: str, before: int | str | None, after: int | str | None) -> CommitDiff:
        """What differs between two."""
        ...

    def tag_sync(self, id_: str, at: int | str | None, name: str) -> CommitView:
        """Name one; durable on return."""
        ...

    def roll_back_sync(self, id_: str, at: int | str | None) -> CommitView:
        """Go back to one; durable on return."""
        ...

    def fork_sync(self, id_: str, at: int | str | None = None, *, message: str = "") -> str:
        """Go on from one in a new job; durable on return."""
        ...


class RetentionSource(Protocol):
    """What drops commits of a ``Job``."""

    def compact_sync(
        self, id_: str, *, keep_last: int | None = None, keep_tagged: bool = True, dry_run: bool = False
    ) -> Compacted:
        """Drop those that are not to be kept; durable on return."""
        ...


class JobSource(FileSource, DefinitionSource, Protocol):
    """Where a ``Job`` reads from: the service of this process."""

    @property
    def past(self) -> PastSource:
        """The commits of the jobs."""
        ...

    @property
    def retention(self) -> RetentionSource:
        """What drops their commits."""
        ...

    @property
    def porter(self) -> ExportSource:
        """What exports the jobs."""
        ...

    def job_sync(self, id_: str) -> JobView:
        """The job as of now."""
        ...

    def look_sync(self, id_: str) -> JobView:
        """The job as of now without its chat log, which may be long."""
        ...

    def history_sync(self, id_: str, turn: int | None = None) -> tuple[list[ChatHistoryItem], TaskDifficulty]:
        """What its model was asked with at a turn, or would be asked with now, and at which difficulty."""
        ...

    def memory_sync(self, id_: str) -> dict[str, Any]:
        """What its tools remember."""
        ...

    def error_handlers_sync(self, id_: str) -> list[ErrorHandler]:
        """The error handlers that it keeps."""
        ...

    def add_error_handlers_sync(self, id_: str, handlers: Sequence[ErrorHandler]) -> None:
        """Let it keep handlers of other jobs too; durable on return."""
        ...

    def definition_sync(self, id_: str) -> tuple[JobDefinition, str]:
        """Its frozen setup, and the letter of the difficulty that it was raised to (empty for none)."""
        ...

    def variables_sync(self, id_: str) -> list[VariableView]:
        """Its variables as of its newest commit."""
        ...

    def exit_status_sync(self, id_: str) -> Any:
        """What it passed to exit(...); None while it did not."""
        ...

    def push_sync(self, id_: str, text: str, request_id: str = "") -> Pushed:
        """Tell it something on behalf of its user; durable on return."""
        ...

    def push_notification_sync(self, id_: str, handler: SubTaskHandler) -> Pushed:
        """Tell it of the end of a sub-task; durable on return."""
        ...

    def find_handler_sync(self, id_: str, task: str | None) -> SubTaskHandler | None:
        """The handler of one of its sub-tasks."""
        ...

    def add_locals_sync(self, id_: str, variables: Mapping[str, Any]) -> None:
        """Give a job that has not begun further variables; durable on return."""
        ...

    def future(self, id_: str, what: str) -> FutureResult:
        """A durable future of that id."""
        ...

    def cancel_sync(self, id_: str, reason: str) -> None:
        """Ask for its end; durable on return."""
        ...

    def raise_difficulty_sync(self, id_: str) -> TaskDifficulty:
        """Raise its difficulty by one level; durable on return."""
        ...
