"""Runs the step in flight once: restore, run, answer calls, and write its end.

The end is one durable write: commit, console, status of the step, counters. A death caused by the
code leaves the workspace as it was; a death of the environment leaves nothing and the step runs again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING

from orchestrator.engine.active_job import ActiveJob, StepSource
from orchestrator.engine.clock import now_us
from orchestrator.engine.console import Console
from orchestrator.engine.dead_steps import effects_told, settle_doubts
from orchestrator.engine.durability import Durability
from orchestrator.engine.elements import ChatItem
from orchestrator.engine.events_calls import tell_doubt
from orchestrator.engine.gateway import CallInDoubt, Diverged, StepGateway, StepScope
from orchestrator.engine.job_control import EngineJobControl, shared_context_of
from orchestrator.engine.job_futures import FutureWaits
from orchestrator.engine.job_tasks import JobTasks
from orchestrator.engine.jobs import JobRepository, NewCommit, StepOutcome
from orchestrator.engine.journal import PIECE_BYTES, Journal, StartEntry
from orchestrator.engine.objects.handing_on import require_handing_on
from orchestrator.engine.provider_calls import MAX_CALLS
from orchestrator.engine.requests import HistoryItem
from orchestrator.engine.restoring import restore_workspace
from orchestrator.engine.saying import say
from orchestrator.engine.static_advice import examine
from orchestrator.engine.step_aborted import StepSuspended
from orchestrator.engine.step_actions import ACTION_CONSOLE_BYTES, actions_of, advise, tool_log
from orchestrator.engine.step_commit import moved_head, prepare_commit, restore_options, same_workspace
from orchestrator.engine.tool_runner import ToolRunner
from orchestrator.sandboxes.sandbox import Sandbox
from orchestrator.sandboxes.step import Action, Death, DeathCause, Outcome, StepInput, StepResult, ToolSpec
from statek import durable
from statek.definition_errors import kept_traceback
from statek.executors.decision import Event, FutureAwaited, InDoubt, StepDied, StepEnded, StepLost
from statek.future import LOCAL_ATTRIBUTE
from statek.job_mode import JobMode
from statek.settings import StatekSettings
from statek.static_policy import VIOLATION, StaticPolicy
from statek.styles import EMPTY_REPLY_MESSAGE, NO_CODE_MESSAGE, ParsedReply
from statek.tools import ToolDef

if TYPE_CHECKING:
    from orchestrator.engine.access import JobAccess

__all__ = ["StepRunner", "refuse_code"]

MAX_CODE_BYTES = 200_000
"""Longest source of one step (behaviour reference, section 12)."""


_AFTER_DEATH = {
    JobMode.STATELESS: "The next step begins with the startup variables, as every step of this job.",
    JobMode.LIVE: "The variables are gone with the runner.",
    JobMode.DURABLE: "The variables are as they were before this step.",
}


def refuse_code(parsed: ParsedReply, *, finishes_on_text: bool) -> str | None:
    """Why a reply is not run at all, as its console says it; None when it is run.

    A reply without executable code counts as an exception (behaviour reference, section 7 step 4), unless its style
    ends by text and it says something.
    """
    if parsed.runs_nothing and not (finishes_on_text and parsed.prose.strip()):
        return EMPTY_REPLY_MESSAGE if finishes_on_text else NO_CODE_MESSAGE
    size = len(parsed.code.encode("utf-8", "surrogatepass"))
    if size > MAX_CODE_BYTES:
        return f"LimitExceeded: limit code_bytes is {MAX_CODE_BYTES}, this reply has {size}; send less at a time"
    return None


class StepRunner:
    """Runs steps; holds nothing of a job between two of them."""

    def __init__(
        self,
        settings: StatekSettings,
        durability: Durability,
        jobs: JobRepository,
        tool_runner: ToolRunner,
        access: JobAccess,
        waits: FutureWaits,
    ) -> None:
        self._settings = settings
        self._durability = durability
        self._store = durability.store
        self._jobs = jobs
        self._tool_runner = tool_runner
        self._access = access
        self._waits = waits

    # ---------------------------------------------------------------------------------- workspace

    async def restore(self, job: ActiveJob, sandbox: Sandbox) -> None:
        """Put the job's newest commit into a fresh sandbox.

        Raises:
            RestoreFailed: blocks that the commit names are nowhere any more.
        """
        job.places = dict(job.head.places)
        inline = await self._store.read(partial(self._jobs.inline_blocks, job.record, job.head.places))
        options = restore_options(job)
        await restore_workspace(sandbox, job.head.workspace, inline, self._store.blocks, options)

    # ------------------------------------------------------------------------------------ running

    async def run(self, job: ActiveJob, sandbox: Sandbox) -> Event:
        """Run the step in flight (begun and prepared, durable) and write its end.

        Returns:
            What happened, for the decision.
        """
        source = job.current
        assert source is not None
        journal, job.journal = job.journal, None
        assert journal is not None
        actions = await actions_of(job, source, partial(self.refuse_by_policy, job))
        console = Console(self._console_bytes(len(actions)), listener=job.listener)
        if source.calls_left_out:
            console.note(f"{source.calls_left_out} more calls were not made: limit calls_per_reply is {MAX_CALLS}")
        if source.kind == "reply" and self._static_policy(job) is StaticPolicy.ADVISE:
            await advise(source.code, actions, console)
        gateway = self._gateway(job, source, journal, console)
        try:
            unsaid = await say(gateway, job.agent, source.prose, console)
            end = await sandbox.run_step(self._input(job, source, journal, actions), gateway)
        except CallInDoubt as doubt:
            await self._durability.commit(partial(self._put_down, job, doubt))
            return InDoubt(str(doubt))
        except StepSuspended as suspended:
            await self._durability.commit(partial(self._keep_run, job, console, journal.drain()))
            return FutureAwaited(suspended.what)
        except Diverged as diverged:
            return await self.record_death(job, f"diverged: {diverged}", console, journal)
        if isinstance(end, Death):
            if end.cause is DeathCause.LOST:
                return StepLost(end.detail)
            return await self.record_death(job, f"{end.cause.value}: {end.detail}", console, journal)
        missing = journal.unmatched_effect()
        if missing is not None:
            reason = f"diverged: the recorded step called {missing.key}, the re-run ended without it"
            return await self.record_death(job, reason, console, journal)
        return await self._commit(job, source, end, console, journal, sandbox, unsaid)

    async def run_text(self, job: ActiveJob) -> Event:
        """Say a reply that is text only (begun and prepared, durable) and write its end; no sandbox is needed."""
        source, journal = job.current, job.journal
        assert source is not None
        assert journal is not None
        job.journal = None
        console = Console(self._console_bytes(), listener=job.listener)
        try:
            unsaid = await say(self._gateway(job, source, journal, console), job.agent, source.prose, console)
        except CallInDoubt as doubt:
            await self._durability.commit(partial(self._put_down, job, doubt))
            return InDoubt(str(doubt))
        except Diverged as diverged:
            return await self.record_death(job, f"diverged: {diverged}", console, journal)
        kind, _, message = unsaid.partition(": ")
        outcome = StepOutcome(
            state="committed",
            outcome="error" if unsaid else "ok",
            error_type=kind,
            error_message=message,
            console=console.elements(),
            journal=journal.drain(),
            counts_as_exception=bool(unsaid),
        )

        def write() -> ChatItem | None:
            self._write_end(job, same_workspace(job), outcome)
            reminder = None if unsaid else self._jobs.end_with_text(job.record, job.agent.reminder, now_us())
            job.refresh()
            return reminder

        reminded = await self._durability.commit(write)
        self._remember(job, source, outcome)
        if reminded is not None:
            assert job.agent.reminder is not None
            job.conversation.add(HistoryItem("reminder", job.agent.reminder.text))
        return StepEnded(error=unsaid, final=not unsaid and reminded is None)

    async def load_journal(self, job: ActiveJob) -> Journal:
        """Read what the step in flight has recorded; a long journal off the store thread and off the loop."""
        source = job.current
        assert source is not None
        blobs = await self._store.read(partial(self._jobs.journal_in_flight, job.record))
        if sum(map(len, blobs)) > PIECE_BYTES:
            return await asyncio.to_thread(Journal.load, blobs)
        return Journal.load(blobs)

    def prepare(self, job: ActiveJob) -> None:
        """Give the step in flight its journal with the start entry: recorded, or made now (store thread).

        Part of the write that begins the run: a visit to the store thread of its own would cost every step one.
        """
        source = job.current
        assert source is not None
        journal = job.journal or Journal.load(self._jobs.journal_in_flight(job.record))
        if journal.start is None:
            states = job.objects.states(job.head.held)
            shared = shared_context_of(job.record)
            names = tuple(shared.names()) if shared is not None else None
            journal.record_start(StartEntry(now_us(), secrets.randbits(63), states, names))
        else:
            job.objects.note_sent(journal.start.handles)
        if job.mode is JobMode.LIVE and not source.text_only:
            self._jobs.note_runner(job.record)
        job.journal = journal

    def _console_bytes(self, actions: int = 0) -> int:
        """Twice what an honest executor sends, notes included."""
        own = 2 * (self._settings.output_head_bytes + self._settings.output_tail_bytes)
        return own + actions * ACTION_CONSOLE_BYTES

    def _gateway(self, job: ActiveJob, source: StepSource, journal: Journal, console: Console) -> StepGateway:
        tools = job.visible_tools(source)
        control = EngineJobControl(
            job.record,
            definition=job.definition,
            agent=job.agent,
            policy=job.policy,
            tools=tools,
            objects=job.objects,
            settings=self._settings,
            variable=job.plain_variable,
            store=self._store,
            tasks=JobTasks(
                self._access,
                job.record,
                may_hand_on=partial(require_handing_on, is_explicit=job.objects.is_explicit, policy=job.policy),
            ),
        )
        scope = StepScope(
            record=job.record,
            number=job.number,
            step=source.step,
            tenant=job.tenant,
            principal=job.principal,
            tools=tools,
            policy=job.policy,
            hidden_block=source.hidden,
            objects=job.objects,
            control=control,
            named=partial(job.named, tools),
            host_tools={} if job.agent.message_tool is None else {job.agent.message_tool.name: job.agent.message_tool},
            futures=job.futures,
        )
        return StepGateway(
            scope,
            journal,
            console,
            durability=self._durability,
            jobs=self._jobs,
            tool_runner=self._tool_runner,
            waits=self._waits,
        )

    def _input(self, job: ActiveJob, source: StepSource, journal: Journal, actions: tuple[Action, ...]) -> StepInput:
        """What the sandbox is told."""
        start = journal.start
        assert start is not None
        tools = job.visible_tools(source).values()
        return StepInput(
            step=source.step,
            code=source.code,
            time_us=start.time_us,
            seed=start.seed,
            tools=tuple(_tool_spec(tool) for tool in tools if not getattr(tool.function, LOCAL_ATTRIBUTE, False)),
            handles=start.handles,
            deadline_seconds=self._settings.step_deadline_seconds,
            max_calls=self._settings.max_calls_per_step,
            actions=actions,
            shared_context=start.shared_names is not None,
            shared_names=start.shared_names or (),
            enums=job.enums,
        )

    def _keep_run(self, job: ActiveJob, console: Console, entries: bytes) -> None:
        """Keep what a step that is put down has done (store thread).

        Every call that it made is answered from its entry when it runs again, also one without effects. What it has
        printed is for people; the re-run prints it again and replaces it.
        """
        if entries:
            self._jobs.add_journal(job.record, entries)
        self._jobs.keep_console(job.record, console.elements())
        job.refresh()

    def _put_down(self, job: ActiveJob, doubt: CallInDoubt) -> None:
        self._jobs.put_down(job.record, crashed=False)
        tell_doubt(job.record, self._jobs.require_flight(job.record).step, doubt.call)
        job.refresh()

    @staticmethod
    def is_reusable(event: Event) -> bool:
        """Whether the sandbox may run the next step: only after a step that ended by itself."""
        return isinstance(event, StepEnded)

    # ------------------------------------------------------------------------------------- ending

    async def _commit(
        self,
        job: ActiveJob,
        source: StepSource,
        end: StepResult,
        console: Console,
        journal: Journal,
        sandbox: Sandbox,
        unsaid: str,
    ) -> Event:
        """Write a step that ended by itself, with the blocks that it brought.

        A message that could not be sent counts as an error of the step where its code made none.
        """
        usage = {key: round(value, 6) for key, value in asdict(end.usage).items()}
        new = await prepare_commit(job, end, sandbox.image_digest, usage)
        error = f"{end.error_type}: {end.error_message}" if end.outcome is Outcome.ERROR else unsaid
        failed = bool(unsaid) and end.outcome is Outcome.OK
        outcome = StepOutcome(
            state="committed",
            outcome="error" if failed else end.outcome.name.lower(),
            error_type=unsaid.partition(": ")[0] if failed else end.error_type,
            error_message=unsaid.partition(": ")[2] if failed else end.error_message,
            console=console.elements(),
            journal=journal.drain(),
            exit_status=end.exit_value if end.outcome is Outcome.EXIT else None,
            counts_as_exception=(bool(error) or console.failed_action) and source.kind == "reply",
            cpu_seconds=end.usage.cpu_seconds,
            tier=sandbox.tier.label,
            image_digest=sandbox.image_digest,
            handled=await job.handled_calls(journal),
            usage={
                "sandbox": usage,
                "output_dropped_bytes": end.output_dropped_bytes,
                **_traceback(source, end),
                **tool_log(console.tool_log(len(source.calls))),
            },
        )
        await self._durability.commit(partial(self._write_end, job, new, outcome), blocks=new.stored_blocks)
        self._remember(job, source, outcome)
        return StepEnded(end.outcome is Outcome.EXIT, error, source.kind == "warmup")

    async def refuse_by_policy(self, job: ActiveJob, code: str) -> str | None:
        """Why the job's static policy does not let this code run; None where it does, or only advises."""
        if self._static_policy(job) is not StaticPolicy.ENFORCE:
            return None
        findings = await examine(code, StaticPolicy.ENFORCE)
        return f"{VIOLATION}: {'; '.join(finding.refusal() for finding in findings)}" if findings else None

    def _static_policy(self, job: ActiveJob) -> StaticPolicy:
        return job.definition.static_policy or self._settings.static_policy

    async def commit_refused(
        self, job: ActiveJob, refusal: str, write_reply: Callable[[], None], *, calls: int = 0
    ) -> Event:
        """Write a reply that is not run together with its end: no sandbox is needed to say so.

        One atomic block, because a restart that found the reply alone would run it.

        Args:
            job: the job.
            refusal: why it is not run.
            write_reply: writes the reply (store thread).
            calls: formal calls of the reply, which are not made either.
        """
        outcome = StepOutcome(
            state="committed",
            outcome="error",
            error_type=refusal.partition(": ")[0],
            error_message=refusal.partition(": ")[2],
            console=[("error", refusal)],
            counts_as_exception=True,
            usage=tool_log([[("error", f"not made: {refusal}")]] * calls),
        )
        new = same_workspace(job)

        def write() -> None:
            write_reply()
            self._write_end(job, new, outcome)

        await self._durability.commit(write)
        source = job.current
        assert source is not None
        self._remember(job, source, outcome)
        return StepEnded(error=refusal)

    async def record_death(
        self,
        job: ActiveJob,
        reason: str,
        console: Console | None = None,
        journal: Journal | None = None,
        *,
        final: bool = False,
    ) -> Event:
        """Write the end of a step that its own code caused: workspace as before, reason, effects.

        A call that is in doubt since an earlier run is settled first, unless the job ends with it (``final``): who
        goes on has to know what took effect. Where only an operator can tell, the step waits and then runs once more.
        """
        source = job.current
        assert source is not None
        if journal is None:
            journal = await self.load_journal(job)
        console = console or Console(self._console_bytes())
        try:
            if not final:
                await settle_doubts(self._gateway(job, source, journal, console), journal)
        except CallInDoubt as doubt:
            await self._durability.commit(partial(self._put_down, job, doubt))
            return InDoubt(str(doubt))
        console.error(f"StepDied: {reason}. {_AFTER_DEATH[job.mode]}")
        if told := effects_told(journal):
            console.note(told)
        outcome = StepOutcome(
            state="died",
            outcome="died",
            error_type="StepDied",
            error_message=reason,
            console=console.elements(),
            journal=journal.drain(),
            counts_as_exception=True,
            handled=await job.handled_calls(journal),
            usage=tool_log(console.tool_log(len(source.calls))),
        )

        def write() -> None:
            self._jobs.end_step(job.record, outcome, end_commit=job.head_seq, now_us=now_us())
            job.refresh()

        await self._durability.commit(write)
        self._remember(job, source, outcome)
        return StepDied(reason, source.kind == "warmup")

    def _write_end(self, job: ActiveJob, new: NewCommit, outcome: StepOutcome) -> None:
        """The durable end of a step (store thread)."""
        at = now_us()
        source = job.current
        assert source is not None
        if job.mode is JobMode.LIVE:  # what it leaves is in its runner, and no commit says otherwise
            job.head = replace(job.head, held=new.held)
            self._jobs.end_step(job.record, outcome, end_commit=job.head_seq, now_us=at)
            job.refresh()
            return
        seq = self._jobs.add_commit(job.record, "step", source.step, new, at, durable.state_number())
        self._jobs.end_step(job.record, outcome, end_commit=seq, now_us=at)
        moved_head(job, seq, new)
        job.refresh()

    def _remember(self, job: ActiveJob, source: StepSource, outcome: StepOutcome) -> None:
        """Take the step out of flight in memory and add it to the conversation."""
        job.current = None
        item = source.history_item(outcome.console, outcome.usage.get("tool_log", ()))
        job.conversation.add(item, hidden=source.hidden)


def _traceback(source: StepSource, end: StepResult) -> dict[str, list[str]]:
    """What is kept of a warmup block's traceback: it ends the job, and nobody but a person looks into it."""
    if source.kind != "warmup" or not end.error_traceback:
        return {}
    return {"traceback": kept_traceback(end.error_traceback)}


def _tool_spec(tool: ToolDef) -> ToolSpec:
    """A tool as the workspace is told of it."""
    return ToolSpec(tool.name, tool.signature_text, tool.doc, tool.objects, tool.subject)
