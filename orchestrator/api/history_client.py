"""The blocking client's verbs on the history of a job."""

from __future__ import annotations

from orchestrator.api.connection import Connection, plain_text
from orchestrator.api.joining import join_variables, read_commit, read_file_view
from orchestrator.api.limits import DEFAULT_COMMITS
from orchestrator.api.texts import from_wire, to_wire
from orchestrator.api.v1 import service_pb2 as pb
from statek.exceptions import InternalError
from statek.executors.history import CommitDiff, CommitState, CommitView, Focus, compared, focused
from statek.executors.views import FileView, VariableView

__all__ = ["HistoryVerbs"]


class HistoryVerbs(Connection):
    """What a client does with the commits of a job: look, compare, name, go back, fork."""

    def variables(self, id_: str, *, at: str = "") -> list[VariableView]:
        """The variables of a job as of a commit: number, tag, first digits of its hash; empty for the newest."""
        pages = self._pages(
            self._stub.GetVariables, pb.GetVariablesRequest(id=plain_text("id", id_), at=plain_text("at", at))
        )
        return join_variables(part for page in pages for part in page.variables)

    def files(self, id_: str, *, at: str = "") -> list[FileView]:
        """The files below ``/work`` of a job as of a commit (as in ``variables``), sorted by path."""
        pages = self._pages(
            self._stub.ListFiles, pb.ListFilesRequest(id=plain_text("id", id_), at=plain_text("at", at))
        )
        return [read_file_view(file) for page in pages for file in page.files]

    def commits(self, id_: str, *, newest: int = DEFAULT_COMMITS) -> list[CommitView]:
        """The newest commits of a job, oldest first."""
        pages = self._pages(self._stub.ListCommits, pb.ListCommitsRequest(id=plain_text("id", id_), newest=newest))
        return [read_commit(commit) for page in pages for commit in page.commits]

    def view(self, id_: str, at: str = "", *, focus: Focus = "full") -> CommitState:
        """Variables and files of a job as of a commit; with focus ``recent`` those that it changed.

        Raises:
            NotFound: there is no such job or commit.
            InvalidRequest: ``at`` names no commit.
        """
        request = pb.GetCommitRequest(id=plain_text("id", id_), at=plain_text("at", at))
        commit = read_commit(self._unary(self._stub.GetCommit, request).commit)
        return focused(self._state(id_, commit), focus)

    def diff(self, id_: str, before: str, after: str = "") -> CommitDiff:
        """What differs from one commit of a job to another (by default the newest).

        Raises:
            NotFound: there is no such job or commit.
            InvalidRequest: an argument names no commit.
        """
        request = pb.DiffCommitsRequest(
            id=plain_text("id", id_), before=plain_text("before", before), after=plain_text("after", after)
        )
        commits: list[CommitView] = []
        names: set[str] = set()
        for page in self._pages(self._stub.DiffCommits, request):
            if page.HasField("before"):
                commits = [read_commit(page.before), read_commit(page.after)]
            names.update(map(from_wire, page.name_texts))
        if not commits:
            raise InternalError("the service sent a difference without its commits")
        first, second = (self._state(id_, commit) for commit in commits)
        return compared(first, second, names)

    def _state(self, id_: str, commit: CommitView) -> CommitState:
        """What a job had at a commit."""
        at = str(commit.number)
        return CommitState(commit, tuple(self.variables(id_, at=at)), tuple(self.files(id_, at=at)))

    def tag(self, id_: str, name: str, at: str = "") -> CommitView:
        """Give a commit of a job a name; a name that is there already moves.

        Raises:
            NotFound: there is no such job or commit.
            InvalidRequest: it cannot be a tag.
        """
        request = pb.TagCommitRequest(id=plain_text("id", id_), at=plain_text("at", at), name=plain_text("name", name))
        return read_commit(self._unary(self._stub.TagCommit, request).commit)

    def untag(self, id_: str, name: str) -> None:
        """Take a name away.

        Raises:
            NotFound: no commit of the job has it.
        """
        request = pb.TagCommitRequest(id=plain_text("id", id_), name=plain_text("name", name), delete=True)
        self._unary(self._stub.TagCommit, request)

    def rollback(self, id_: str, at: str, *, principal: str = "") -> CommitView:
        """Put variables and files of a job back to a commit, by a new commit; gives that.

        Raises:
            NotFound: there is no such job or commit.
            InvalidRequest: the job is at work, or ``at`` names no commit.
        """
        request = pb.RollbackJobRequest(
            id=plain_text("id", id_), at=plain_text("at", at), principal=plain_text("principal", principal)
        )
        return read_commit(self._unary(self._stub.RollbackJob, request).commit)

    def fork(self, id_: str, at: str = "", *, message: str = "", principal: str = "") -> str:
        """Make a job that goes on from a commit of another one; gives its id.

        Args:
            id_: the job.
            at: the commit; empty for the newest.
            message: what the user says to the new job first.
            principal: on whose behalf it acts; empty for that of the job.

        Raises:
            NotFound: there is no such job or commit.
            InvalidRequest: ``at`` names no commit.
        """
        request = pb.ForkJobRequest(
            id=plain_text("id", id_),
            at=plain_text("at", at),
            message_text=to_wire(message),
            principal=plain_text("principal", principal),
        )
        return str(self._unary(self._stub.ForkJob, request).id)
