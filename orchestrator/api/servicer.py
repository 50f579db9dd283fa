"""Answers the calls of ``StatekService``: checks the request, asks the service, sends pages.

A ``StatekError`` becomes a status with an ErrorDetail. Any other exception is our bug: it is logged here
with its traceback, and the caller learns its type only.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

import grpc

from orchestrator.api import outbound
from orchestrator.api.errors import DETAIL_KEY, detail_of, status_of
from orchestrator.api.inbound import read_named_values, read_newest, read_resolution, read_settlement, read_text
from orchestrator.api.limits import DEFAULT_COMMITS, MAX_COMMITS
from orchestrator.api.texts import pieces, to_wire
from orchestrator.api.v1 import service_pb2 as pb
from orchestrator.api.v1 import service_pb2_grpc as pb_grpc
from orchestrator.engine.events import DEFAULT_PAGE_EVENTS, EventPage
from orchestrator.engine.retention import Choice
from orchestrator.engine.service import Service
from statek.exceptions import InternalError, InvalidRequest, StatekError
from statek.executors.views import ItemView, JobView, VariableView

__all__ = ["Servicer"]

_log = logging.getLogger("statek.api")

RequestT = TypeVar("RequestT")
AnswerT = TypeVar("AnswerT")
Context = grpc.aio.ServicerContext[Any, Any]

_DETAILS_CHARS = 200
_NAMES = 500
"""Names in one message of an answer."""

_SHOWN_LOST = 1000


async def _refuse(context: Context, error: Exception) -> NoReturn:
    """End a call with an error."""
    known = error if isinstance(error, StatekError) else None
    if known is None:
        _log.error("an API call failed by a fault of this service", exc_info=error)
        known = InternalError(f"{type(error).__name__} in the service; its log has the details; please report it")
    detail = detail_of(known)
    summary = f"{known.code}: {known}".encode("ascii", "backslashreplace").decode("ascii")[:_DETAILS_CHARS]
    await context.abort(status_of(known), summary, ((DETAIL_KEY, detail.SerializeToString()),))
    raise AssertionError("abort always raises")


def _unary(
    handler: Callable[[Any, RequestT], Awaitable[AnswerT]],
) -> Callable[[Any, RequestT, Context], Awaitable[AnswerT]]:
    """A call with one answer, its errors translated."""

    @functools.wraps(handler)
    async def answer(self: Any, request: RequestT, context: Context) -> AnswerT:
        try:
            return await handler(self, request)
        except Exception as error:  # noqa: BLE001 -- the boundary: everything becomes a status
            await _refuse(context, error)

    return answer


def _stream(
    handler: Callable[[Any, RequestT], AsyncIterator[AnswerT]],
) -> Callable[[Any, RequestT, Context], AsyncIterator[AnswerT]]:
    """A call with pages, its errors translated."""

    @functools.wraps(handler)
    async def answer(self: Any, request: RequestT, context: Context) -> AsyncIterator[AnswerT]:
        try:
            async with aclosing(cast("AsyncGenerator[AnswerT, None]", handler(self, request))) as found:
                async for page in found:
                    yield page
        except Exception as error:  # noqa: BLE001 -- the boundary: everything becomes a status
            await _refuse(context, error)

    return answer


class Servicer(pb_grpc.StatekServiceServicer):
    """The service behind the socket."""

    def __init__(self, service: Service) -> None:
        """The service may be used on this event loop only."""
        self._service = service
        self._started_us = time.time_ns() // 1000

    @_unary
    async def SubmitJob(self, request: pb.SubmitJobRequest) -> pb.SubmitJobResponse:  # noqa: N802 -- the wire's name
        """Make a job."""
        variables = await read_named_values("variables", request.variables)
        params = await read_named_values("params", request.params, parameters=True)
        id_ = await self._service.submit(
            request.role,
            shared_vars=variables,
            message=read_text("message_text", request.message_text),
            principal=request.principal,
            locale=request.locale or None,
            chat_style=request.chat_style or None,
            mode=request.mode or None,
            **params,
        )
        return pb.SubmitJobResponse(id=id_)

    @_stream
    async def ListJobs(self, request: pb.ListJobsRequest) -> AsyncIterator[pb.ListJobsResponse]:  # noqa: N802
        """Show the newest jobs."""
        found = await self._service.jobs(newest=read_newest(request.newest), before=request.before)
        for page in outbound.pages(map(outbound.summary_to_wire, found), lambda jobs: pb.ListJobsResponse(jobs=jobs)):
            yield page

    @_stream
    async def GetJob(self, request: pb.GetJobRequest) -> AsyncIterator[pb.GetJobResponse]:  # noqa: N802
        """Show a whole job."""
        view: JobView = await self._service.job(request.id)
        head = pb.JobHead(
            summary=outbound.summary_to_wire(view.summary),
            commits=view.commits,
            image_digest=view.image_digest,
            inbox=map(outbound.inbox_to_wire, view.inbox),
            awaited=outbound.awaited_to_wire(view.awaited),
            blocks_text=to_wire(view.blocks),
        )
        yield pb.GetJobResponse(head=head)
        parts = (part for index, item in enumerate(view.items) for part in outbound.item_parts(index, item))
        for page in outbound.pages(parts, lambda items: pb.GetJobResponse(items=items)):
            yield page

    @_stream
    async def GetVariables(  # noqa: N802
        self, request: pb.GetVariablesRequest
    ) -> AsyncIterator[pb.GetVariablesResponse]:
        """Show the variables of a job."""
        found = await self._service.variables(request.id, request.at or None)
        for index, variable in enumerate(found):
            # Encoding megabytes takes longer than the loop may be held.
            parts = await asyncio.to_thread(_variable_parts, index, variable)
            for page in outbound.pages(parts, lambda variables: pb.GetVariablesResponse(variables=variables)):
                yield page

    @_stream
    async def ListFiles(self, request: pb.ListFilesRequest) -> AsyncIterator[pb.ListFilesResponse]:  # noqa: N802
        """Show the files of a job."""
        found = await self._service.files(request.id, request.at or None)
        for page in outbound.pages(map(outbound.file_to_wire, found), lambda files: pb.ListFilesResponse(files=files)):
            yield page

    @_stream
    async def ReadFile(self, request: pb.ReadFileRequest) -> AsyncIterator[pb.ReadFileResponse]:  # noqa: N802
        """Send a file of a job."""
        content = self._service.file(request.id, read_text("path_text", request.path_text))
        async with aclosing(cast("AsyncGenerator[bytes, None]", content)) as blocks:
            async for block in blocks:
                for piece in pieces(block):
                    yield pb.ReadFileResponse(data=piece)

    @_stream
    async def ListCommits(self, request: pb.ListCommitsRequest) -> AsyncIterator[pb.ListCommitsResponse]:  # noqa: N802
        """Show the commits of a job."""
        if request.newest > MAX_COMMITS:
            raise InvalidRequest(f"newest is {request.newest}, at most {MAX_COMMITS} commits are shown at once")
        found = await self._service.past.commits(request.id, newest=request.newest or DEFAULT_COMMITS)
        parts = map(outbound.commit_to_wire, found)
        for page in outbound.pages(parts, lambda commits: pb.ListCommitsResponse(commits=commits)):
            yield page

    @_unary
    async def GetCommit(self, request: pb.GetCommitRequest) -> pb.GetCommitResponse:  # noqa: N802
        """Show a commit."""
        commit = await self._service.past.commit(request.id, request.at or None)
        return pb.GetCommitResponse(commit=outbound.commit_to_wire(commit))

    @_stream
    async def DiffCommits(self, request: pb.DiffCommitsRequest) -> AsyncIterator[pb.DiffCommitsResponse]:  # noqa: N802
        """Name what differs between two commits."""
        past = self._service.past
        before = await past.commit(request.id, request.before or None)
        after = await past.commit(request.id, request.after or None)
        names = sorted(await past.changed(request.id, before.number, after.number))
        yield pb.DiffCommitsResponse(before=outbound.commit_to_wire(before), after=outbound.commit_to_wire(after))
        for start in range(0, len(names), _NAMES):
            yield pb.DiffCommitsResponse(name_texts=map(to_wire, names[start : start + _NAMES]))

    @_unary
    async def TagCommit(self, request: pb.TagCommitRequest) -> pb.TagCommitResponse:  # noqa: N802
        """Name a commit, or take a name away."""
        if request.delete:
            await self._service.past.untag(request.id, request.name)
            return pb.TagCommitResponse()
        commit = await self._service.past.tag(request.id, request.at or None, request.name)
        return pb.TagCommitResponse(commit=outbound.commit_to_wire(commit))

    @_unary
    async def RollbackJob(self, request: pb.RollbackJobRequest) -> pb.RollbackJobResponse:  # noqa: N802
        """Put a job back to a commit."""
        if not request.at:
            raise InvalidRequest("at is missing: the commit to go back to")
        commit = await self._service.past.roll_back(request.id, request.at, by=request.principal)
        return pb.RollbackJobResponse(commit=outbound.commit_to_wire(commit))

    @_unary
    async def ForkJob(self, request: pb.ForkJobRequest) -> pb.ForkJobResponse:  # noqa: N802
        """Go on from a commit in a new job."""
        message = read_text("message_text", request.message_text)
        past = self._service.past
        id_ = await past.fork(request.id, request.at or None, message=message, principal=request.principal)
        return pb.ForkJobResponse(id=id_)

    @_stream
    async def ExportJob(self, request: pb.ExportJobRequest) -> AsyncIterator[pb.ExportJobResponse]:  # noqa: N802
        """Send a job as an archive."""
        archive = self._service.porter.export(request.id)
        async with aclosing(cast("AsyncGenerator[bytes, None]", archive)) as parts:
            async for part in parts:
                for piece in pieces(part):
                    yield pb.ExportJobResponse(data=piece)

    @_unary
    async def ImportJob(self, request: AsyncIterator[pb.ImportJobRequest]) -> pb.ImportJobResponse:  # noqa: N802
        """Make a job of an archive."""
        first = await anext(request, pb.ImportJobRequest())

        async def data() -> AsyncIterator[bytes]:
            yield first.data
            async for part in request:
                yield part.data

        head = first.head
        found = await self._service.porter.import_job(data(), principal=head.principal, request_id=head.request_id)
        lost = list(map(to_wire, found.lost[:_SHOWN_LOST]))
        return pb.ImportJobResponse(id=found.id, repeated=found.repeated, lost_texts=lost)

    @_stream
    async def MigrateJob(self, request: pb.MigrateJobRequest) -> AsyncIterator[pb.MigrateJobResponse]:  # noqa: N802
        """Move a job to the image in force."""
        found = await self._service.migrate(request.id, request.image, dry_run=request.dry_run)
        yield pb.MigrateJobResponse(saved_on=found.saved_on, image=found.image, commit=found.commit)
        for page in outbound.pages(
            map(outbound.migrated_name_to_wire, found.names), lambda names: pb.MigrateJobResponse(names=names)
        ):
            yield page

    @_stream
    async def FollowJob(self, request: pb.FollowJobRequest) -> AsyncIterator[pb.FollowJobResponse]:  # noqa: N802
        """Show items as they are finished."""
        index = request.start
        async with aclosing(
            cast("AsyncGenerator[ItemView, None]", self._service.follow(request.id, start=index))
        ) as items:
            async for item in items:
                parts = list(outbound.item_parts(index, item))
                for position, part in enumerate(parts):
                    done = position == len(parts) - 1
                    yield pb.FollowJobResponse(items=[part], next_index=index + done)
                index += 1

    @_unary
    async def ListEvents(self, request: pb.ListEventsRequest) -> pb.ListEventsResponse:  # noqa: N802
        """Show events."""
        count = request.count or DEFAULT_PAGE_EVENTS
        page = await self._service.feed.page(request.after, request.match, tenant=request.tenant, count=count)
        events = map(outbound.event_to_wire, page.events)
        return pb.ListEventsResponse(events=events, cursor=page.cursor, last=page.last)

    @_stream
    async def FollowEvents(  # noqa: N802
        self, request: pb.FollowEventsRequest
    ) -> AsyncIterator[pb.FollowEventsResponse]:
        """Show events as they come."""
        found = self._service.feed.pages(request.after, request.match, tenant=request.tenant)
        async with aclosing(cast("AsyncGenerator[EventPage, None]", found)) as read:
            async for page in read:
                yield pb.FollowEventsResponse(events=map(outbound.event_to_wire, page.events), cursor=page.cursor)

    @_unary
    async def WaitJob(self, request: pb.WaitJobRequest) -> pb.WaitJobResponse:  # noqa: N802
        """Wait for the job's rest."""
        summary = await self._service.wait(request.id)
        return pb.WaitJobResponse(summary=outbound.summary_to_wire(summary))

    @_unary
    async def CancelJob(self, request: pb.CancelJobRequest) -> pb.CancelJobResponse:  # noqa: N802
        """End a job."""
        summary = await self._service.cancel(request.id, read_text("reason_text", request.reason_text))
        return pb.CancelJobResponse(summary=outbound.summary_to_wire(summary))

    @_unary
    async def PushMessage(self, request: pb.PushMessageRequest) -> pb.PushMessageResponse:  # noqa: N802
        """Tell a job something."""
        text = read_text("message_text", request.message_text)
        pushed = await self._service.push(request.id, text, request_id=request.request_id)
        return pb.PushMessageResponse(delivered=pushed.delivered, repeated=pushed.repeated)

    @_stream
    async def ListAgents(self, request: pb.ListAgentsRequest) -> AsyncIterator[pb.ListAgentsResponse]:  # noqa: N802
        """Show the agents."""
        del request
        found = map(outbound.agent_to_wire, await self._service.agents())
        for page in outbound.pages(found, lambda agents: pb.ListAgentsResponse(agents=agents)):
            yield page

    @_stream
    async def ListQueues(self, request: pb.ListQueuesRequest) -> AsyncIterator[pb.ListQueuesResponse]:  # noqa: N802
        """Show the queues."""
        del request
        found = await self._service.queues()
        made = map(outbound.queue_to_wire, found)
        for page in outbound.pages(made, lambda queues: pb.ListQueuesResponse(queues=queues)):
            yield page

    @_stream
    async def ListCalls(self, request: pb.ListCallsRequest) -> AsyncIterator[pb.ListCallsResponse]:  # noqa: N802
        """Show the calls in doubt."""
        del request
        found = await self._service.calls()
        for page in outbound.pages(map(outbound.call_to_wire, found), lambda calls: pb.ListCallsResponse(calls=calls)):
            yield page

    @_unary
    async def ResolveCall(self, request: pb.ResolveCallRequest) -> pb.ResolveCallResponse:  # noqa: N802
        """Decide about a call in doubt."""
        if not request.call:
            raise InvalidRequest("call is missing: the number of the call within its step, from 1")
        resolution = await read_resolution(request)
        summary = await self._service.resolve(request.id, request.call, resolution)
        return pb.ResolveCallResponse(summary=outbound.summary_to_wire(summary))

    @_stream
    async def ListFutures(self, request: pb.ListFuturesRequest) -> AsyncIterator[pb.ListFuturesResponse]:  # noqa: N802
        """Show the open futures."""
        del request
        found = map(outbound.future_to_wire, await self._service.futures())
        for page in outbound.pages(found, lambda futures: pb.ListFuturesResponse(futures=futures)):
            yield page

    @_unary
    async def GetFuture(self, request: pb.GetFutureRequest) -> pb.GetFutureResponse:  # noqa: N802
        """Show one future."""
        return pb.GetFutureResponse(future=outbound.future_to_wire(await self._service.future(request.id)))

    @_unary
    async def SettleFuture(self, request: pb.SettleFutureRequest) -> pb.SettleFutureResponse:  # noqa: N802
        """End a future."""
        found = await self._service.settle_future(request.id, await read_settlement(request))
        return pb.SettleFutureResponse(future=outbound.future_to_wire(found))

    @_stream
    async def BackupStore(  # noqa: N802
        self, request: pb.BackupStoreRequest
    ) -> AsyncIterator[pb.BackupStoreResponse]:
        """Write a backup."""
        folder = Path(read_text("folder_text", request.folder_text))
        async for said in self._service.upkeep.back_up(folder):
            if isinstance(said, str):
                yield pb.BackupStoreResponse(progress=said)
            else:
                yield pb.BackupStoreResponse(backup=outbound.backup_to_wire(said))

    @_stream
    async def VerifyStore(  # noqa: N802
        self, request: pb.VerifyStoreRequest
    ) -> AsyncIterator[pb.VerifyStoreResponse]:
        """Read everything."""
        del request
        async for said in self._service.upkeep.verify():
            if isinstance(said, str):
                yield pb.VerifyStoreResponse(progress=said)
                continue
            found = map(outbound.finding_to_wire, said.findings)
            for page in outbound.pages(found, lambda findings: pb.VerifyStoreResponse(findings=findings)):
                yield page
            counts = pb.VerifiedCounts(jobs=said.jobs, entries=said.entries, commits=said.commits, blocks=said.blocks)
            yield pb.VerifyStoreResponse(counts=counts)

    @_stream
    async def CompactStore(  # noqa: N802
        self, request: pb.CompactStoreRequest
    ) -> AsyncIterator[pb.CompactStoreResponse]:
        """Drop commits."""
        choice = Choice(request.id or None, request.keep_last or None, not request.drop_tagged, request.dry_run)
        async for said in self._service.retention.compact(choice):
            if isinstance(said, str):
                yield pb.CompactStoreResponse(progress=said)
                continue
            parts = (part for job in said.jobs for part in outbound.compacted_job_parts(job))
            for page in outbound.pages(parts, lambda jobs: pb.CompactStoreResponse(jobs=jobs)):
                yield page
            counts = pb.CompactedCounts(freed_blocks=said.freed_blocks, freed_bytes=said.freed_bytes)
            yield pb.CompactStoreResponse(counts=counts)

    @_unary
    async def GetStatus(self, request: pb.GetStatusRequest) -> pb.GetStatusResponse:  # noqa: N802
        """Say what this service is."""
        del request
        counters = json.dumps(self._service.statistics(), default=str, ensure_ascii=True)
        return pb.GetStatusResponse(
            version=metadata.version("statek-sandbox"),
            pid=os.getpid(),
            started_us=self._started_us,
            statistics_json=counters.encode("ascii"),
        )


def _variable_parts(index: int, variable: VariableView) -> list[pb.VariablePart]:
    """The parts of a variable (any thread)."""
    return list(outbound.variable_parts(index, variable))
