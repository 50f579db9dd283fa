"""The blocking client: the service's verbs over its socket, from any process and thread."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, cast

import grpc
from google.protobuf.message import Message

from orchestrator.api.errors import DETAIL_KEY, error_of
from orchestrator.api.joining import (
    ItemJoiner,
    join_variables,
    read_awaited,
    read_call,
    read_commit,
    read_file_view,
    read_future,
    read_inbox,
    read_queue,
    read_summary,
)
from orchestrator.api.limits import DEFAULT_COMMITS, DEFAULT_NEWEST, MAX_MESSAGE_BYTES
from orchestrator.api.socket_file import grpc_address
from orchestrator.api.texts import from_wire, to_wire
from orchestrator.api.v1 import service_pb2 as pb
from orchestrator.api.v1 import service_pb2_grpc as pb_grpc
from sandbox_runner.wire import values
from statek.exceptions import ConfigurationError, InternalError, InvalidRequest, LimitExceeded
from statek.executors.history import CommitDiff, CommitState, CommitView, Focus, compared, focused
from statek.executors.views import (
    CallView,
    FileView,
    FutureView,
    ItemView,
    JobSummary,
    JobView,
    QueueView,
    VariableView,
)

__all__ = ["ServiceStatus", "StatekClient"]

RequestT = TypeVar("RequestT", bound=Message)
AnswerT = TypeVar("AnswerT", bound=Message)

_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # The default authority is the quoted path, which HTTP/2 may refuse.
    ("grpc.default_authority", "localhost"),
)


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """What a service says about itself.

    Attributes:
        version: of the distribution.
        pid: its process.
        started_us: microseconds UTC.
        statistics: counters for operators.
    """

    version: str
    pid: int
    started_us: int
    statistics: dict[str, Any]


class StatekClient:
    """Speaks to one service; use it as a context manager, or close it.

    Every method raises the ``StatekError`` that the service raised, ``ConfigurationError`` when nobody
    answers at the socket, and ``TimeoutError`` when the answer takes longer than allowed.
    """

    def __init__(self, socket_path: str | Path, *, timeout_seconds: float = 60.0) -> None:
        """Nothing is sent yet.

        Args:
            socket_path: the service's API socket (``statek config`` shows it).
            timeout_seconds: for a whole answer; ``wait`` and ``follow`` have no such limit.
        """
        self._path = Path(socket_path)
        self._timeout = timeout_seconds
        self._channel = grpc.insecure_channel(grpc_address(self._path), options=_OPTIONS)
        self._stub = pb_grpc.StatekServiceStub(self._channel)  # type: ignore[no-untyped-call]  # generated

    def __enter__(self) -> Self:
        """Give the client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """End the connection and every call on it."""
        self._channel.close()

    # -------------------------------------------------------------------------------------- verbs

    def submit(
        self,
        role: str,
        *,
        shared_vars: Mapping[str, Any] | None = None,
        message: str = "",
        principal: str = "",
        params: Mapping[str, Any] | None = None,
    ) -> str:
        """Make a job durable and runnable; gives its id.

        Args:
            role: role of an agent of the service.
            shared_vars: startup variables by name (values of the graph form, no durable objects).
            message: what the user says first.
            principal: on whose behalf the job acts.
            params: values for the prompt's placeholders.

        Raises:
            InvalidRequest: a value has no form that can be sent.
            LimitExceeded: the whole is too large for one message.
        """
        request = pb.SubmitJobRequest(
            role=_plain("role", role),
            variables=_named_values("variables", shared_vars or {}),
            message_text=to_wire(message),
            principal=_plain("principal", principal),
            params=_named_values("params", params or {}),
        )
        return str(self._unary(self._stub.SubmitJob, request).id)

    def jobs(self, *, newest: int = DEFAULT_NEWEST) -> list[JobSummary]:
        """Summaries of the newest jobs, oldest first."""
        pages = self._pages(self._stub.ListJobs, pb.ListJobsRequest(newest=newest))
        return [read_summary(job) for page in pages for job in page.jobs]

    def job(self, id_: str) -> JobView:
        """A job with its whole chat log.

        Raises:
            NotFound: there is no such job.
        """
        head: pb.JobHead | None = None
        joiner = ItemJoiner()
        items: list[ItemView] = []
        for page in self._pages(self._stub.GetJob, pb.GetJobRequest(id=_plain("id", id_))):
            if page.HasField("head"):
                head = page.head
            for part in page.items:
                items.extend(joiner.add(part))
        items.extend(joiner.finish())
        if head is None:
            raise InternalError("the service sent a job without its head")
        waiting = tuple(map(read_inbox, head.inbox))
        awaited = read_awaited(head.awaited) if head.HasField("awaited") else None
        return JobView(read_summary(head.summary), tuple(items), head.commits, head.image_digest, waiting, awaited)

    def variables(self, id_: str, *, at: str = "") -> list[VariableView]:
        """The variables of a job as of a commit: number, tag, first digits of its hash; empty for the newest."""
        pages = self._pages(self._stub.GetVariables, pb.GetVariablesRequest(id=_plain("id", id_), at=_plain("at", at)))
        return join_variables(part for page in pages for part in page.variables)

    def files(self, id_: str, *, at: str = "") -> list[FileView]:
        """The files below ``/work`` of a job as of a commit (as in ``variables``), sorted by path."""
        pages = self._pages(self._stub.ListFiles, pb.ListFilesRequest(id=_plain("id", id_), at=_plain("at", at)))
        return [read_file_view(file) for page in pages for file in page.files]

    def file(self, id_: str, path: str) -> Iterator[bytes]:
        """The content of one of these files in pieces; the sandbox wrote it.

        Args:
            id_: the job.
            path: as ``files`` shows it.

        Raises:
            NotFound: there is no such job, or it has no such file.
        """
        request = pb.ReadFileRequest(id=_plain("id", id_), path_text=to_wire(path))
        for page in self._pages(self._stub.ReadFile, request):
            yield page.data

    def commits(self, id_: str, *, newest: int = DEFAULT_COMMITS) -> list[CommitView]:
        """The newest commits of a job, oldest first."""
        pages = self._pages(self._stub.ListCommits, pb.ListCommitsRequest(id=_plain("id", id_), newest=newest))
        return [read_commit(commit) for page in pages for commit in page.commits]

    def view(self, id_: str, at: str = "", *, focus: Focus = "full") -> CommitState:
        """Variables and files of a job as of a commit; with focus ``recent`` those that it changed.

        Raises:
            NotFound: there is no such job or commit.
            InvalidRequest: ``at`` names no commit.
        """
        request = pb.GetCommitRequest(id=_plain("id", id_), at=_plain("at", at))
        commit = read_commit(self._unary(self._stub.GetCommit, request).commit)
        return focused(self._state(id_, commit), focus)

    def diff(self, id_: str, before: str, after: str = "") -> CommitDiff:
        """What differs from one commit of a job to another (by default the newest).

        Raises:
            NotFound: there is no such job or commit.
            InvalidRequest: an argument names no commit.
        """
        request = pb.DiffCommitsRequest(
            id=_plain("id", id_), before=_plain("before", before), after=_plain("after", after)
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
        request = pb.TagCommitRequest(id=_plain("id", id_), at=_plain("at", at), name=_plain("name", name))
        return read_commit(self._unary(self._stub.TagCommit, request).commit)

    def untag(self, id_: str, name: str) -> None:
        """Take a name away.

        Raises:
            NotFound: no commit of the job has it.
        """
        request = pb.TagCommitRequest(id=_plain("id", id_), name=_plain("name", name), delete=True)
        self._unary(self._stub.TagCommit, request)

    def rollback(self, id_: str, at: str, *, principal: str = "") -> CommitView:
        """Put variables and files of a job back to a commit, by a new commit; gives that.

        Raises:
            NotFound: there is no such job or commit.
            InvalidRequest: the job is at work, or ``at`` names no commit.
        """
        request = pb.RollbackJobRequest(
            id=_plain("id", id_), at=_plain("at", at), principal=_plain("principal", principal)
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
            id=_plain("id", id_),
            at=_plain("at", at),
            message_text=to_wire(message),
            principal=_plain("principal", principal),
        )
        return str(self._unary(self._stub.ForkJob, request).id)

    def follow(self, id_: str, *, start: int = 0) -> Iterator[ItemView]:
        """Finished chat items from index ``start`` as they come, until the job is done."""
        joiner = ItemJoiner()
        index = start
        request = pb.FollowJobRequest(id=_plain("id", id_), start=start)
        for page in self._pages(self._stub.FollowJob, request, timeout=None):
            for part in page.items:
                yield from joiner.add(part)
            if page.next_index > index:
                index = page.next_index
                yield from joiner.finish()

    def wait(self, id_: str, *, timeout_seconds: float | None = None) -> JobSummary:
        """Wait until the job is done, suspended, or cannot go on for now (its reason says why)."""
        request = pb.WaitJobRequest(id=_plain("id", id_))
        return read_summary(self._unary(self._stub.WaitJob, request, timeout=timeout_seconds).summary)

    def cancel(self, id_: str, reason: str = "") -> JobSummary:
        """End a job; what it did stays done."""
        request = pb.CancelJobRequest(id=_plain("id", id_), reason_text=to_wire(reason))
        return read_summary(self._unary(self._stub.CancelJob, request).summary)

    def push(self, id_: str, text: str, *, request_id: str = "") -> bool:
        """Tell a job something on behalf of its user; gives whether the job will hear it.

        Args:
            id_: the job; one that is done goes on.
            text: what the user says.
            request_id: the same for a repeated push, so that the job is not told twice.

        Raises:
            LimitExceeded: it is too long, or too much waits for the job already.
        """
        request = pb.PushMessageRequest(
            id=_plain("id", id_), message_text=to_wire(text), request_id=_plain("request_id", request_id)
        )
        return bool(self._unary(self._stub.PushMessage, request).delivered)

    def queues(self) -> list[QueueView]:
        """Every queue: what waits, and what could not be delivered."""
        pages = self._pages(self._stub.ListQueues, pb.ListQueuesRequest())
        return [read_queue(queue) for page in pages for queue in page.queues]

    def calls(self) -> list[CallView]:
        """Every call in doubt."""
        pages = self._pages(self._stub.ListCalls, pb.ListCallsRequest())
        return [read_call(call) for page in pages for call in page.calls]

    def resolve(
        self,
        id_: str,
        call: int,
        verdict: Literal["happened", "failed", "retry"],
        *,
        value: object = None,
        message: str = "",
    ) -> JobSummary:
        """Decide what became of a call in doubt, and let its job go on.

        Args:
            id_: the job.
            call: number of the call as ``calls`` shows it.
            verdict: what the operator found out.
            value: what the code gets, for ``happened``.
            message: text of the code's error, for ``failed``.

        Raises:
            InvalidRequest: that call is not in doubt.
        """
        request = pb.ResolveCallRequest(id=_plain("id", id_), call=call)
        if verdict == "happened":
            request.happened.CopyFrom(pb.NamedValue(graph=_graph("value", value)))
        elif verdict == "failed":
            request.failed_text = to_wire(message)
        else:
            request.retry.SetInParent()
        return read_summary(self._unary(self._stub.ResolveCall, request).summary)

    def futures(self) -> list[FutureView]:
        """Every open future, oldest first."""
        pages = self._pages(self._stub.ListFutures, pb.ListFuturesRequest())
        return [read_future(future) for page in pages for future in page.futures]

    def future(self, id_: str) -> FutureView:
        """One future, an ended one too.

        Raises:
            NotFound: there is none of that id.
        """
        return read_future(self._unary(self._stub.GetFuture, pb.GetFutureRequest(id=_plain("id", id_))).future)

    def resolve_future(self, id_: str, value: object = None) -> FutureView:
        """Give a future its value, once; the jobs that wait for it go on.

        Raises:
            NotFound: there is none of that id.
            FutureSettled: it has come to an end before.
            InvalidRequest: the value has no form that can be sent or kept.
        """
        request = pb.SettleFutureRequest(id=_plain("id", id_))
        request.value.CopyFrom(pb.NamedValue(graph=_graph("value", value)))
        return self._settle_future(request)

    def fail_future(self, id_: str, message: str) -> FutureView:
        """Let a future end without a value: the code gets a FutureFailed. Raises as ``resolve_future``."""
        return self._settle_future(pb.SettleFutureRequest(id=_plain("id", id_), failed_text=to_wire(message)))

    def cancel_future(self, id_: str, reason: str = "") -> FutureView:
        """Call a future off: the code gets a FutureCancelled. Raises as ``resolve_future``."""
        return self._settle_future(pb.SettleFutureRequest(id=_plain("id", id_), cancelled_text=to_wire(reason)))

    def _settle_future(self, request: pb.SettleFutureRequest) -> FutureView:
        return read_future(self._unary(self._stub.SettleFuture, request).future)

    def status(self) -> ServiceStatus:
        """What the service is and how busy it is."""
        answer = self._unary(self._stub.GetStatus, pb.GetStatusRequest())
        return ServiceStatus(answer.version, answer.pid, answer.started_us, json.loads(answer.statistics_json))

    # --------------------------------------------------------------------------------------- calls

    def _unary(
        self,
        call: Callable[..., AnswerT],
        request: Message,
        timeout: float | None = -1.0,
    ) -> AnswerT:
        """One request, one answer."""
        self._check_size(request)
        limit = self._timeout if timeout == -1.0 else timeout
        try:
            return call(request, timeout=limit)
        except grpc.RpcError as error:
            raise self._translated(error, limit) from None

    def _pages(self, call: Callable[..., Any], request: Message, timeout: float | None = -1.0) -> Iterator[Any]:
        """One request, a stream of pages; closing the iterator cancels the call."""
        self._check_size(request)
        limit = self._timeout if timeout == -1.0 else timeout
        stream = call(request, timeout=limit)
        try:
            yield from stream
        except grpc.RpcError as error:
            raise self._translated(error, limit) from None
        finally:
            stream.cancel()

    def _check_size(self, request: Message) -> None:
        size = request.ByteSize()
        if size > MAX_MESSAGE_BYTES:
            raise LimitExceeded(
                "api_message_bytes", MAX_MESSAGE_BYTES, size, "send less, or give the job a tool to read it"
            )

    def _translated(self, error: grpc.RpcError, limit: float | None) -> Exception:
        """The error that the other side raised, or what became of the connection."""
        # What gRPC raises is the call itself; only its stubs do not say so.
        call = cast("grpc.Call", error)
        for key, value in call.trailing_metadata() or ():
            if key == DETAIL_KEY and isinstance(value, bytes):
                return error_of(value)
        status = call.code()
        if status is grpc.StatusCode.UNAVAILABLE:
            return ConfigurationError(f"no service answers at {self._path}; statek serve starts one")
        if status is grpc.StatusCode.DEADLINE_EXCEEDED:
            return TimeoutError(f"the service at {self._path} gave no answer within {limit:g} s")
        return InternalError(f"the service at {self._path} failed: {status.name}: {call.details()}")


def _plain(field: str, text: str) -> str:
    """A text that the wire carries as a string.

    Raises:
        InvalidRequest: it has lone surrogates.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidRequest(f"{field} {text!r} is no valid text") from None
    return text


def _named_values(field: str, found: Mapping[str, Any]) -> list[pb.NamedValue]:
    """Values by name in graph form."""
    return [
        pb.NamedValue(name=_plain(f"{field} name", name), graph=_graph(f"{field}[{name!r}]", value))
        for name, value in found.items()
    ]


def _graph(where: str, value: object) -> bytes:
    """The graph form of a value.

    Raises:
        InvalidRequest: it has none.
    """
    try:
        return values.encode(value)
    except values.GraphError as error:
        raise InvalidRequest(f"{where} cannot be sent: {error}") from None
