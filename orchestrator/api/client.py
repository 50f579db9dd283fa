"""The blocking client: the service's verbs over its socket, from any process and thread."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from orchestrator.api.connection import graph_value, named_values, plain_text
from orchestrator.api.event_client import EventVerbs
from orchestrator.api.future_client import FutureVerbs
from orchestrator.api.history_client import HistoryVerbs
from orchestrator.api.joining import (
    ItemJoiner,
    read_agent,
    read_awaited,
    read_call,
    read_inbox,
    read_queue,
    read_summary,
)
from orchestrator.api.limits import DEFAULT_NEWEST
from orchestrator.api.porting_client import PortingVerbs
from orchestrator.api.texts import from_wire, to_wire
from orchestrator.api.upkeep_client import UpkeepVerbs
from orchestrator.api.v1 import service_pb2 as pb
from statek.exceptions import InternalError
from statek.executors.views import (
    AgentView,
    CallView,
    ItemView,
    JobSummary,
    JobView,
    QueueView,
)

__all__ = ["ServiceStatus", "StatekClient"]


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


class StatekClient(HistoryVerbs, EventVerbs, FutureVerbs, PortingVerbs, UpkeepVerbs):
    """Speaks to one service; use it as a context manager, or close it.

    Every method raises the ``StatekError`` that the service raised, ``ConfigurationError`` when nobody
    answers at the socket, and ``TimeoutError`` when the answer takes longer than allowed.
    """

    def submit(
        self,
        role: str,
        *,
        shared_vars: Mapping[str, Any] | None = None,
        message: str = "",
        principal: str = "",
        mode: str = "",
        params: Mapping[str, Any] | None = None,
        locale: str = "",
        chat_style: str = "",
    ) -> str:
        """Make a job durable and runnable; gives its id.

        Args:
            role: role of an agent of the service.
            shared_vars: startup variables by name (values of the graph form, no durable objects).
            message: what the user says first.
            principal: on whose behalf the job acts.
            mode: ``stateless``, ``live`` or ``durable``; empty for the agent's default.
            params: values for the prompt's placeholders.
            locale: ``LANG-COUNTRY``; empty for none.
            chat_style: of the conversation; empty for the agent's own.

        Raises:
            InvalidRequest: a value has no form that can be sent.
            LimitExceeded: the whole is too large for one message.
        """
        request = pb.SubmitJobRequest(
            role=plain_text("role", role),
            variables=named_values("variables", shared_vars or {}),
            message_text=to_wire(message),
            principal=plain_text("principal", principal),
            mode=plain_text("mode", mode),
            params=named_values("params", params or {}),
            locale=plain_text("locale", locale),
            chat_style=plain_text("chat_style", chat_style),
        )
        return str(self._unary(self._stub.SubmitJob, request).id)

    def jobs(self, *, newest: int = DEFAULT_NEWEST, before: str = "") -> list[JobSummary]:
        """Summaries of the newest jobs, oldest first; of those made before the job ``before`` where it is given."""
        request = pb.ListJobsRequest(newest=newest, before=plain_text("before", before))
        pages = self._pages(self._stub.ListJobs, request)
        return [read_summary(job) for page in pages for job in page.jobs]

    def job(self, id_: str) -> JobView:
        """A job with its whole chat log.

        Raises:
            NotFound: there is no such job.
        """
        head: pb.JobHead | None = None
        joiner = ItemJoiner()
        items: list[ItemView] = []
        for page in self._pages(self._stub.GetJob, pb.GetJobRequest(id=plain_text("id", id_))):
            if page.HasField("head"):
                head = page.head
            for part in page.items:
                items.extend(joiner.add(part))
        items.extend(joiner.finish())
        if head is None:
            raise InternalError("the service sent a job without its head")
        waiting = tuple(map(read_inbox, head.inbox))
        awaited = read_awaited(head.awaited) if head.HasField("awaited") else None
        return JobView(
            read_summary(head.summary),
            tuple(items),
            head.commits,
            head.image_digest,
            waiting,
            awaited,
            blocks=from_wire(head.blocks_text),
        )

    def file(self, id_: str, path: str) -> Iterator[bytes]:
        """The content of one of these files in pieces; the sandbox wrote it.

        Args:
            id_: the job.
            path: as ``files`` shows it.

        Raises:
            NotFound: there is no such job, or it has no such file.
        """
        request = pb.ReadFileRequest(id=plain_text("id", id_), path_text=to_wire(path))
        for page in self._pages(self._stub.ReadFile, request):
            yield page.data

    def follow(self, id_: str, *, start: int = 0) -> Iterator[ItemView]:
        """Finished chat items from index ``start`` as they come, until the job is done."""
        joiner = ItemJoiner()
        index = start
        request = pb.FollowJobRequest(id=plain_text("id", id_), start=start)
        for page in self._pages(self._stub.FollowJob, request, timeout=None):
            for part in page.items:
                yield from joiner.add(part)
            if page.next_index > index:
                index = page.next_index
                yield from joiner.finish()

    def wait(self, id_: str, *, timeout_seconds: float | None = None) -> JobSummary:
        """Wait until the job is done, suspended, or cannot go on for now (its reason says why)."""
        request = pb.WaitJobRequest(id=plain_text("id", id_))
        return read_summary(self._unary(self._stub.WaitJob, request, timeout=timeout_seconds).summary)

    def cancel(self, id_: str, reason: str = "") -> JobSummary:
        """End a job; what it did stays done."""
        request = pb.CancelJobRequest(id=plain_text("id", id_), reason_text=to_wire(reason))
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
            id=plain_text("id", id_), message_text=to_wire(text), request_id=plain_text("request_id", request_id)
        )
        return bool(self._unary(self._stub.PushMessage, request).delivered)

    def agents(self) -> list[AgentView]:
        """Every agent that services of this store have run, by role."""
        pages = self._pages(self._stub.ListAgents, pb.ListAgentsRequest())
        return [read_agent(agent) for page in pages for agent in page.agents]

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
        request = pb.ResolveCallRequest(id=plain_text("id", id_), call=call)
        if verdict == "happened":
            request.happened.CopyFrom(pb.NamedValue(graph=graph_value("value", value)))
        elif verdict == "failed":
            request.failed_text = to_wire(message)
        else:
            request.retry.SetInParent()
        return read_summary(self._unary(self._stub.ResolveCall, request).summary)

    def status(self) -> ServiceStatus:
        """What the service is and how busy it is."""
        answer = self._unary(self._stub.GetStatus, pb.GetStatusRequest())
        return ServiceStatus(answer.version, answer.pid, answer.started_us, json.loads(answer.statistics_json))
