"""The only route from sandbox code to a side effect: one host call at a time.

A call is matched against the step's journal first (a re-run is answered from it), then decided by
the one access decision, carried out by its effect class, and recorded:

=========  ==========================================================================================
effect     what is durable when
=========  ==========================================================================================
none       the answer is an entry, written with the next effect or at the step's end
store      mutation and entry in one atomic block; flushed with the next flush, lost together or not
external   intent flushed before the call, outcome flushed before the answer
=========  ==========================================================================================
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Any

from orchestrator.digests import content_digest
from orchestrator.engine.call_errors import error_answer, timeout_answer, value_or_exit
from orchestrator.engine.console import Console
from orchestrator.engine.durability import Durability
from orchestrator.engine.events_calls import tell_call
from orchestrator.engine.future_arguments import takes_futures
from orchestrator.engine.future_calls import FutureCalls
from orchestrator.engine.job_futures import CallFutures, FutureWaits
from orchestrator.engine.jobs import JobRepository, job_id
from orchestrator.engine.journal import EXIT_TYPE, PIECE_BYTES, CallKey, Journal, RecordedCall
from orchestrator.engine.objects.failures import run_application
from orchestrator.engine.shown import Shown, showing_prints
from orchestrator.engine.step_aborted import CallInDoubt, Diverged, StepAborted
from orchestrator.engine.step_scope import StepScope
from orchestrator.engine.tool_runner import ToolNotStarted, ToolRunner, ToolTimeout
from orchestrator.sandboxes.step import CallAnswer, CallKind, CallRequest, OutputItem
from sandbox_runner.wire import values
from statek.access import AccessRequest, ResourceKind, decide
from statek.exceptions import AccessDenied, InvalidRequest, JobExit, LimitExceeded, StoreError
from statek.printing import prints_as_usual, prints_taken
from statek.tools import NotHappened, ToolContext, ToolDef, bind_arguments, tool_context

__all__ = ["EXIT_TYPE", "CallInDoubt", "Diverged", "StepAborted", "StepGateway", "StepScope"]

_log = logging.getLogger("statek.gateway")

_READ_OPERATIONS = frozenset({"page", "get", "contains"})
"""Collection operations that change nothing (docs/handles.md)."""

MAX_JOURNAL_BYTES = 32 << 20
"""What the answers and arguments of one step may add to its journal; later calls are refused."""


class _RolledBack(Exception):
    def __init__(self, answer: CallAnswer, target: str) -> None:
        self.answer = answer
        self.target = target


class StepGateway:
    """Answers the host calls of one run of one step (a ``CallHandler``)."""

    def __init__(
        self,
        scope: StepScope,
        journal: Journal,
        console: Console,
        *,
        durability: Durability,
        jobs: JobRepository,
        tool_runner: ToolRunner,
        waits: FutureWaits,
    ) -> None:
        self._scope = scope
        self._futures = FutureCalls(
            scope.record, scope.number, scope.futures, scope.objects, waits=waits, store=durability.store
        )
        self._journal = journal
        self._console = console
        self._durability = durability
        self._store = durability.store
        self._jobs = jobs
        self._tool_runner = tool_runner
        self._took_futures = False

    def output(self, item: OutputItem) -> None:
        """Take one console element."""
        self._console.add(item)

    async def call(self, request: CallRequest) -> CallAnswer:
        """Decide, carry out and record one host call.

        Raises:
            StepAborted: the call is in doubt, the re-run diverged, or the step waits for a future.
            StoreError: the store refused; nothing was acknowledged.
        """
        key = CallKey(request.kind, request.handle, request.name, content_digest(request.args))
        recorded = self._journal.match(key)
        if recorded is not None:
            return await self._recorded(recorded)
        if self._journal.size_bytes > MAX_JOURNAL_BYTES:
            used = self._journal.size_bytes
            return error_answer(LimitExceeded("journal_bytes", MAX_JOURNAL_BYTES, used, "end the step and go on"))
        tool = self._scope.tools.get(request.name) if request.kind is CallKind.TOOL else None
        if request.kind is CallKind.AWAIT:
            answer = await self._futures.answer(request)
        else:
            refused = await self._futures.arguments_there(request, tool)
            if refused is None:
                return await self._carry_out(request, tool, key)
            answer = refused
        self._journal.record_call(key, answer, "none", args=request.args)
        await self._write_long_buffer()
        return answer

    async def _carry_out(self, request: CallRequest, tool: ToolDef | None, key: CallKey) -> CallAnswer:
        """Make a new call whose arguments are there."""
        if request.kind is CallKind.TOOL:
            return await self._tool(tool, request, key)
        if request.kind is CallKind.NAME:
            return await self._on_store(request, key, partial(self._shared_variable, request.name), "store")
        reads = request.kind is CallKind.GET_ATTRIBUTE or (
            request.kind is CallKind.ITEM and request.name in _READ_OPERATIONS
        )
        perform = partial(
            self._scope.objects.perform, request.kind, request.handle, request.name, request.args, request.version
        )
        return await self._on_store(request, key, partial(showing_prints, perform), "none" if reads else "store")

    async def call_by_host(self, name: str, arguments: Mapping[str, Any]) -> CallAnswer:
        """Call one of the step's host tools as the step's code would: decided by nobody, recorded all the same.

        Preconditions:
            before the code runs, so that what a re-run's code asks for cannot be answered by its record.

        Raises:
            StepAborted: the call is in doubt, or the re-run diverged.
            StoreError: the store refused; nothing was acknowledged.
        """
        args = values.encode([[], dict(arguments)])
        request = CallRequest(self._scope.step, 0, CallKind.TOOL, 0, name, args, b"")
        key = CallKey(request.kind, 0, name, content_digest(args))
        recorded = self._journal.match(key)
        if recorded is not None:
            return await self._recorded(recorded)
        return await self._tool(self._scope.host_tools[name], request, key)

    async def _recorded(self, call: RecordedCall) -> CallAnswer:
        """The answer of the first run; the objects must know what states it brings."""
        if call.answer is None:
            return await self.settle(call)
        if call.answer.handles:
            await self._store.read(partial(self._scope.objects.note_sent, call.answer.handles))
        return call.answer

    # ------------------------------------------------------------------------------ store effects

    async def _on_store(
        self, request: CallRequest, key: CallKey, perform: Callable[[], CallAnswer], effect: str
    ) -> CallAnswer:
        """Carry out a call on the store thread; an error answer undoes what it had changed."""
        if effect == "store":
            self._check_divergence(key)
        mark = self._journal.mark()

        def apply() -> CallAnswer:
            target = self._scope.objects.label(request.handle)
            answer = perform()
            if answer.error_type and answer.error_type != EXIT_TYPE:
                raise _RolledBack(answer, target)
            call = self._journal.record_call(key, answer, effect, args=request.args, target=target)
            if effect == "store":
                self._keep(call, self._journal.drain())
            return answer

        try:
            answer = await self._store.write(apply)
            self._futures.done(stands=True)
        except _RolledBack as rolled_back:
            self._futures.done(stands=False)
            answer = rolled_back.answer
            self._journal.record_call(key, answer, "none", args=request.args, target=rolled_back.target)
        except BaseException:
            # The block did not stand, or nobody will go on with this journal: entries and drains are undone.
            self._futures.done(stands=False)
            self._journal.go_back(mark)
            raise
        await self._write_long_buffer()
        return answer

    def _shared_variable(self, name: str) -> CallAnswer:
        """The shared variable of a name that the workspace does not have (store thread)."""
        shared = self._scope.control.shared_context()
        found = shared.get(name, count=True) if shared is not None else None
        if found is None:
            return CallAnswer(error_type="NameError", error_message=f"name '{name}' is not defined")
        try:
            return self._scope.objects.answer(found.value)
        except (AccessDenied, InvalidRequest, LimitExceeded) as error:
            return error_answer(error)

    def _check_divergence(self, key: CallKey) -> None:
        """A new effect may not overtake a recorded one."""
        waiting = self._journal.unmatched_effect()
        if waiting is not None:
            raise Diverged(f"the re-run asks for {key}, the recorded step had {waiting.key} there")

    # -------------------------------------------------------------------------------------- tools

    async def _tool(self, tool: ToolDef | None, request: CallRequest, key: CallKey) -> CallAnswer:
        """Carry out a tool call by its effect class."""
        try:
            if tool is None:
                raise NameError(f"tool {request.name!r} not found")
            self._require(tool)
            if tool.effect == "store":
                return await self._call_store_tool(tool, request, key)
            call = await self._bound(tool, request.args)
        except (StepAborted, StoreError):
            raise
        except Exception as error:  # noqa: BLE001 -- whatever binding raises is the caller's answer
            answer = error_answer(error)
            self._journal.record_call(key, answer, "none", args=request.args)
            return answer
        if tool.effect == "none":
            answer = await self._answer_of(tool, call, "", partial(self._record_maker, key, request.args))
            if not self._took_futures:
                self._journal.record_call(key, answer, "none", args=request.args)
            await self._write_long_buffer()
            return answer
        self._check_divergence(key)
        recorded = self._journal.record_intent(key, self._idempotency_key, request.args)
        await self._flush_journal(recorded)
        return await self._call_external(tool, call, recorded)

    def _require(self, tool: ToolDef) -> None:
        """May this job call the tool now? The service's own calls are not the job's.

        Raises:
            AccessDenied: no.
        """
        if self._is_of_host(tool):
            return
        request = AccessRequest(ResourceKind.TOOL, tool.name, hidden=tool.hidden, hidden_block=self._scope.hidden_block)
        decide(request, self._scope.policy).require()

    def _is_of_host(self, tool: ToolDef) -> bool:
        return self._scope.host_tools.get(tool.name) is tool

    def _prints(self, tool: ToolDef, shown: Shown) -> AbstractContextManager[None]:
        """Where a call's prints go; what sends messages for the service may print them for people."""
        return prints_as_usual() if self._is_of_host(tool) else prints_taken(shown.add)

    def _idempotency_key(self, number: int) -> str:
        """A key for call ``number`` of this step, unique over all stores."""
        scope = self._scope
        return f"{self._store.store_id}.{job_id(scope.number)}.{scope.step}.{number}"

    async def _bound(self, tool: ToolDef, args: bytes) -> Callable[[], Any]:
        """Decode and bind a tool's arguments; durable objects become host proxies."""
        plain = None if takes_futures(tool) else self._scope.objects.plain_args(args)
        if plain is None:
            return await self._store.write(partial(self._bind, tool, args))
        return self._fitted(tool, *plain)

    def _bind(self, tool: ToolDef, args: bytes) -> Callable[[], Any]:
        """Decode and bind a tool's arguments (store thread)."""
        positional, keywords = self._futures.decoded(tool, args)
        return self._fitted(tool, *self._scope.objects.proxy((positional, keywords), self._store))

    def _fitted(self, tool: ToolDef, positional: list[Any], keywords: dict[str, Any]) -> Callable[[], Any]:
        bound = bind_arguments(tool, positional, keywords, named=self._scope.named)
        return partial(tool.function, *bound.args, **bound.kwargs)

    def _record_maker(self, key: CallKey, args: bytes, answer: CallAnswer) -> None:
        """Record a call that changed nothing but made futures: it stands or falls with them (store thread)."""
        call = self._journal.record_call(key, answer, "store", args=args)
        self._keep(call, self._journal.drain())

    async def _call_store_tool(self, tool: ToolDef, request: CallRequest, key: CallKey) -> CallAnswer:
        """Run a tool on the store thread, in one block with its journal entry and the futures that it makes."""
        made = self._futures.call("")
        perform = partial(self._call_on_store, tool, request.args, made)
        try:
            return await self._on_store(request, key, perform, "store")
        finally:
            made.close()

    def _call_on_store(self, tool: ToolDef, args: bytes, made: CallFutures) -> CallAnswer:
        """Run a store-effect tool with the raw objects (store thread, inside the atomic block)."""
        shown = Shown()
        try:
            positional, keywords = self._futures.decoded(tool, args)
            bound = bind_arguments(tool, positional, keywords, named=self._scope.named)
            with tool_context(self._context("", shown, made)), self._prints(tool, shown):
                value = run_application(partial(value_or_exit, tool.function, bound.args, bound.kwargs))
            answer = self._answer(value)
            self._futures.write(made)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 -- a tool's exception is an answer
            answer = error_answer(error)
        return replace(answer, shown=shown.texts())

    async def _call_external(self, tool: ToolDef, call: Callable[[], Any], recorded: RecordedCall) -> CallAnswer:
        """Make an external call whose intent is durable, and make its outcome durable."""
        try:
            record = partial(self._record_outcome, recorded)
            answer = await self._answer_of(tool, call, recorded.idempotency_key, record)
            if self._took_futures:
                await self._durability.commit(lambda: None)
                return answer
        except ToolTimeout as error:
            if tool.idempotent:
                answer = timeout_answer(error)
            elif tool.reconcile is not None:
                # Not made again even if it has not happened yet: its thread may still be at it.
                answer = await self._reconcile(tool, recorded)
            else:
                raise CallInDoubt(recorded) from error
        self._journal.record_outcome(recorded, answer)
        await self._flush_journal(recorded)
        return answer

    def _record_outcome(self, recorded: RecordedCall, answer: CallAnswer) -> None:
        """Record the outcome of an external call with the futures that it made (store thread)."""
        self._journal.record_outcome(recorded, answer)
        self._keep(recorded, self._journal.drain())

    def _keep(self, call: RecordedCall, noted: bytes) -> None:
        """Write everything noted so far, with the event of a call (store thread)."""
        self._jobs.add_journal(self._scope.record, noted)
        tell_call(self._scope.record, self._scope.step, call)

    def _context(self, key: str, shown: Shown, made: CallFutures) -> ToolContext:
        """What a tool may know about the call that it serves."""
        scope = self._scope
        return ToolContext(
            job_id=job_id(scope.number),
            tenant=scope.tenant,
            principal=scope.principal,
            idempotency_key=key,
            progress=self._console.progress,
            store=self._store.write_sync,
            show=shown.add,
            job=scope.control,
            futures=made,
        )

    def _answer(self, value: Any) -> CallAnswer:
        """The answer of a tool that gave a value, or raised JobExit (store thread)."""
        if isinstance(value, JobExit):
            return replace(self._scope.objects.answer(value.status, of_call=True), error_type=EXIT_TYPE)
        return self._scope.objects.answer(value, of_call=True)

    async def _answer_of(
        self,
        tool: ToolDef,
        call: Callable[[], Any],
        key: str,
        record: Callable[[CallAnswer], None],
        *,
        reconciles: bool = False,
    ) -> CallAnswer:
        """Run a tool, or its reconcile, outside the store and turn what it gives or raises into an answer.

        Where the tool made futures, ``record`` is called with the answer in the block that makes them durable, and
        ``_took_futures`` is true afterwards.
        """
        shown, made = Shown(), self._futures.call(key)
        self._took_futures = False

        def at_once(value: Any) -> CallAnswer | None:
            return self._scope.objects.plain_answer(value) if made.is_empty else None

        def encode(value: Any) -> CallAnswer:
            answer = replace(self._answer(value), shown=shown.texts())
            if self._futures.write(made):
                record(answer)
                self._took_futures = True
            return answer

        context = self._context(key, shown, made)
        try:
            with self._prints(tool, shown):
                answer = await self._plain_answer(tool, call, context, at_once, encode, reconciles=reconciles)
        finally:
            made.close()
        return replace(answer, shown=shown.texts())

    async def _plain_answer(
        self,
        tool: ToolDef,
        call: Callable[[], Any],
        context: ToolContext,
        at_once: Callable[[Any], CallAnswer | None],
        encode: Callable[[Any], CallAnswer],
        *,
        reconciles: bool,
    ) -> CallAnswer:
        """The answer without what the tool shows."""
        value: Any
        try:
            value = await self._tool_runner.run(tool, call, context)
        except ToolTimeout as error:
            if context.idempotency_key:
                raise
            return timeout_answer(error)
        except ToolNotStarted as error:
            return timeout_answer(error)
        except StoreError:
            raise
        except JobExit as stop:
            value = stop
        except Exception as error:
            if reconciles and isinstance(error, NotHappened):
                raise
            return error_answer(error)
        plain = at_once(value)
        if plain is not None:
            return plain
        mark = self._journal.mark()
        try:
            answer = await self._store.write(partial(encode, value))
        except BaseException as error:
            self._took_futures = False
            self._futures.done(stands=False)
            self._journal.go_back(mark)
            if isinstance(error, StoreError) or not isinstance(error, Exception):
                raise
            return error_answer(error)  # what it gave cannot cross; the call was made all the same
        self._futures.done(stands=True)
        return answer

    async def _write_long_buffer(self) -> None:
        """Write what waits for the next effect when it is long; order is kept, only the piece is bounded."""
        if self._journal.buffered_bytes > PIECE_BYTES:
            await self._store.write(partial(self._jobs.add_journal, self._scope.record, self._journal.drain()))

    async def _flush_journal(self, call: RecordedCall) -> None:
        """Make everything noted so far durable, with the event of a call."""
        await self._durability.commit(partial(self._keep, call, self._journal.drain()))

    # -------------------------------------------------------------------------------------- doubt

    async def settle(self, recorded: RecordedCall) -> CallAnswer:
        """Answer a recorded intent without outcome, where its tool allows it.

        An idempotent tool is called again with the same key; a tool with ``reconcile`` is asked what
        became of it; for any other only an operator can tell.
        """
        name = recorded.key.name
        tool = self._scope.host_tools.get(name) or self._scope.tools.get(name)
        if tool is None:
            raise CallInDoubt(recorded)
        if tool.idempotent:
            return await self._call_again(tool, recorded)
        try:
            answer = await self._reconcile(tool, recorded)
        except CallInDoubt as doubt:
            if not isinstance(doubt.__cause__, NotHappened):
                raise
            return await self._call_again(tool, recorded)
        self._journal.record_outcome(recorded, answer)
        await self._flush_journal(recorded)
        return answer

    async def _call_again(self, tool: ToolDef, recorded: RecordedCall) -> CallAnswer:
        """Make a recorded call again, with its key; one that is not allowed or does not fit any more stays in doubt."""
        try:
            self._require(tool)
            call = await self._bound(tool, recorded.args)
        except StoreError:
            raise
        except Exception as error:
            _log.warning("%s cannot be made again: %s", recorded.key, error)
            raise CallInDoubt(recorded) from error
        return await self._call_external(tool, call, recorded)

    async def _reconcile(self, tool: ToolDef, recorded: RecordedCall) -> CallAnswer:
        """Ask the tool what became of a call.

        Raises:
            CallInDoubt: it cannot tell; caused by NotHappened if it says that the call took no effect.
        """
        if tool.reconcile is None:
            raise CallInDoubt(recorded)
        try:
            answer = await self._answer_of(
                tool, partial(tool.reconcile, recorded.idempotency_key), "", lambda _: None, reconciles=True
            )
        except NotHappened as error:
            raise CallInDoubt(recorded) from error
        if answer.error_type:
            _log.warning("reconcile of %s failed: %s", recorded.key, answer.error_message)
            raise CallInDoubt(recorded)
        return answer
