"""A job in the hands of a worker: what is kept in memory while it is active.

Everything here can be built again from the records; nothing here is the truth. ``record`` is a durable object and is
touched on the store thread only.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.engine.conversation import Conversation, estimate_tokens
from orchestrator.engine.elements import ChatItem
from orchestrator.engine.future_reads import given_future, read_futures
from orchestrator.engine.handled_calls import HandledCalls
from orchestrator.engine.history_limits import HistoryRoom
from orchestrator.engine.imported_definitions import completed_definition
from orchestrator.engine.job_control import current_difficulty
from orchestrator.engine.job_futures import JobFutures
from orchestrator.engine.jobs import JobRepository
from orchestrator.engine.journal import EXIT_TYPE, Journal
from orchestrator.engine.manifest import BlockPlace, PlacedWorkspace
from orchestrator.engine.objects import ObjectGateway
from orchestrator.engine.provider_calls import calls_from_data
from orchestrator.engine.requests import HistoryItem
from orchestrator.engine.subtasks import muted_agent
from orchestrator.engine.variables import plain_variable
from orchestrator.sandboxes.step import CallKind
from statek.access import Policy
from statek.agents.agent import Agent
from statek.difficulty import TaskDifficulty
from statek.executors.decision import JobView
from statek.harness import LLM_Harness, harness_from_metadata
from statek.job_definition import JobDefinition
from statek.job_mode import JobMode
from statek.job_status import JobStatus
from statek.model import ProviderToolCall
from statek.post_processors import PostProcessor, parse_post_processors
from statek.records import JobRecord
from statek.settings import StatekSettings
from statek.styles import Style, style_for
from statek.system_tools.python_cli import PYTHON_CLI
from statek.tools import ToolDef
from statek.warmup import WarmupCall

__all__ = ["PAGE_SECONDS", "ActiveJob", "StepSource", "load_active_job", "shown_text"]

PAGE_SECONDS = 0.004
"""How long one visit to the store thread may read a chat log."""


@dataclass(frozen=True, slots=True)
class StepSource:
    """The step in flight.

    Attributes:
        step: its number.
        kind: ``reply`` or ``warmup``.
        code: Python source.
        text: the reply as the model gave it; empty for a warmup block.
        calls: its formal tool calls; those that the framework makes for a warmup block.
        calls_left_out: calls of the reply beyond the limit, which are not made.
        hidden: whether it is kept out of the model's history (a hidden warmup block).
        prose: what is said to the user before the code runs; empty for nothing.
        text_only: there is nothing to run, saying it is all.
    """

    step: int
    kind: str
    code: str
    text: str = ""
    calls: tuple[ProviderToolCall, ...] = ()
    calls_left_out: int = 0
    hidden: bool = False
    prose: str = ""
    text_only: bool = False

    def history_item(self, console: Iterable[Sequence[str]], log: Sequence[Iterable[Sequence[str]]]) -> HistoryItem:
        """What the model sees of it once it ended."""
        return HistoryItem(self.kind, self.text, self.code, console, self.calls, log)


@dataclass(slots=True)
class ActiveJob:
    """One job while a worker drives it.

    Attributes:
        number, tenant, principal: of the record.
        record: the durable record.
        jobs: what reads it.
        agent: the registered agent of its role.
        definition: the frozen definition.
        style: its chat style.
        tools: every Python tool by name, hidden and internal ones included.
        enums: those of the agent's context, as the sandbox is told of them.
        policy: for which agent access is decided, under which settings.
        objects: its durable objects.
        provider_tools: names of the tools that the model may call formally.
        provider_specs: how the provider is told of them.
        conversation: what the model is shown.
        futures: its futures.
        head: workspace of the newest commit.
        head_seq: number of that commit.
        places: where every block is that the held sandbox may name, those of older commits too.
        current: the step in flight, or None.
        journal: of the run that has begun and not started yet.
        view: the durable facts for the decision.
        unread: index of the first chat item that ``conversation`` does not have yet; see ``read_page``.
        difficulty: in force; chooses the model and the sections of the system prompt.
        processors: what looks at each reply before anything comes of it.
        room: what its commits may take.
        history_bytes: what they take, as ``room`` counts it.
        prompted: the difficulty that the system prompt of ``conversation`` is for.
    """

    number: int
    tenant: str
    principal: str
    record: JobRecord
    jobs: JobRepository
    agent: Agent
    definition: JobDefinition
    style: Style
    tools: Mapping[str, ToolDef]
    policy: Policy
    objects: ObjectGateway
    futures: JobFutures
    limits: LLM_Harness
    conversation: Conversation
    head: PlacedWorkspace
    head_seq: int
    view: JobView
    provider_tools: frozenset[str] = frozenset()
    enums: bytes = b""
    provider_specs: tuple[Mapping[str, Any], ...] = ()
    places: dict[str, BlockPlace] = field(default_factory=dict)
    current: StepSource | None = None
    journal: Journal | None = None
    turn: int = 0
    unread: int = 0
    listener: Callable[[str, str], None] | None = field(default=None)
    _bound_to_shared: bool = False
    difficulty: TaskDifficulty = TaskDifficulty.MEDIUM
    prompted: TaskDifficulty = TaskDifficulty.MEDIUM
    processors: Sequence[PostProcessor] = ()
    room: HistoryRoom = field(default_factory=HistoryRoom)
    history_bytes: int = 0

    def refresh(self) -> JobView:
        """Read the facts of the decision again (store thread)."""
        record = self.record
        flight = self.jobs.in_flight(record)
        self.view = JobView(
            status=JobStatus[record.status],
            warmup_next=record.warmup_next,
            warmup_blocks=len(self.definition.warmup),
            has_current=flight is not None,
            current_is_warmup=flight is not None and flight.kind == "warmup",
            attempts=flight.attempts - flight.put_downs if flight is not None else 0,
            crashes=flight.crashes if flight is not None else 0,
            turns=record.turns,
            exceptions=record.exceptions,
            consecutive_exceptions=record.consecutive_exceptions,
            tokens=record.input_tokens + record.output_tokens,
            cancel_requested=record.cancel_requested,
            exited=record.exit_status is not None,
            warmup_failure=_warmup_failure(self.jobs, record) if flight is None else "",
            answered=record.answered,
            completions=record.num_completions,
            inbox=len(record.inbox or ()),
            limits=self.limits,
            mode=self.mode,
            runner_held=record.runner_held,
        )
        self.turn = record.turns
        self.history_bytes = record.history_bytes
        self._bound_to_shared = bool(record.shared_binding)
        self.difficulty = current_difficulty(record, self.definition)
        return self.view

    def check_room(self, more_bytes: int = 0) -> None:
        """Refuse what no commit could keep.

        Args:
            more_bytes: what a commit would bring; 0 asks whether there may be another one at all.

        Raises:
            HistoryFull: the limit, its value, the usage and what to do.
        """
        self.room.check(self.number, self.history_bytes, more_bytes)

    def offer_tools(self) -> None:
        """Find the tools that the model may call formally, and describe them.

        Raises:
            InvalidRequest: LLM_TOOLS_SCOPE does not fit the agent any more.
        """
        offered = self.definition.provider_tools(self.agent)
        self.provider_tools = frozenset(tool.name for tool in offered)
        self.provider_specs = self.definition.provider_specs(offered)

    def renew_prompt(self) -> None:
        """Make the system message that of the difficulty in force."""
        if self.prompted is not self.difficulty:
            self.conversation.set_system_prompt(self.definition.system_prompt(self.agent, self.difficulty))
            self.prompted = self.difficulty

    @property
    def mode(self) -> JobMode:
        """What becomes of its variables between steps."""
        return self.definition.mode

    @property
    def uses_shared_context(self) -> bool:
        """Whether its warmup binds it to a shared context, or a tool has done so already."""
        return self._bound_to_shared or any(
            "init_shared_context" in block.code or any(call.name == "init_shared_context" for call in block.calls)
            for block in self.definition.warmup
        )

    def read_page(self) -> bool:
        """Render some more of the chat log into ``conversation`` (store thread); whether there is more.

        A page takes a few milliseconds: a job with thousands of steps must not hold the store thread.
        """
        started, count = time.perf_counter(), self.jobs.item_count(self.record)
        while self.unread < count:
            item = self.jobs.item(self.record, self.unread)
            self.unread += 1
            if item.state in {"none", "committed", "died"}:
                self.note(item)
            if time.perf_counter() - started > PAGE_SECONDS:
                break
        return self.unread < count

    def note(self, item: ChatItem) -> None:
        """Add a finished chat item to the conversation."""
        calls, log = calls_from_data(item.usage.get("calls")), item.usage.get("tool_log", ())
        text = shown_text(self.definition, item.kind, item.text)
        self.conversation.add(HistoryItem(item.kind, text, item.code, item.console, calls, log), hidden=item.hidden)

    def source_of(self, item: ChatItem) -> StepSource:
        """The step of a chat item."""
        notes = item.usage
        return StepSource(
            item.step,
            item.kind,
            item.code,
            text=item.text,
            calls=calls_from_data(notes.get("calls")),
            calls_left_out=notes.get("calls_left_out", 0),
            hidden=item.hidden,
            prose=notes.get("prose", ""),
            text_only=notes.get("text_only", False) is True,
        )

    @property
    def spec_tokens(self) -> int:
        """Estimate of what the formal tools take of each request."""
        return estimate_tokens(json.dumps(self.provider_specs)) if self.provider_specs else 0

    def framework_calls(self) -> tuple[WarmupCall, ...]:
        """The calls that the framework makes for the warmup block in flight."""
        return self.definition.warmup[self.view.warmup_next].calls

    def parameters_of(self, name: str) -> list[str]:
        """Names of the positional parameters of a tool; none of one that the job has not."""
        tool = self.tools.get(name)
        if tool is None:
            return []
        kinds = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
        return [parameter.name for parameter in tool.visible.parameters.values() if parameter.kind in kinds]

    def named(self, tools: Mapping[str, ToolDef], name: str) -> object | None:
        """What a name in an argument stands for on the host: a class of the agent's context, else a tool of the step.

        Names of the job's variables are resolved in the sandbox; nothing else of the host has a name here.
        """
        found = self.agent.context.get(name) if not name.startswith("_") else None
        if isinstance(found, type):
            return found
        tool = tools.get(name)
        return None if tool is None else tool.function

    async def handled_calls(self, journal: Journal) -> HandledCalls:
        """The calls that succeeded and whose tools have an error handler, and what of their futures was read."""
        handled = {name for name, tool in self.tools.items() if tool.error_handler is not None}
        # Arguments come from a sandbox and may take long to read: off the loop.
        return await asyncio.to_thread(self._handled_calls, journal, handled) if handled else HandledCalls()

    def _handled_calls(self, journal: Journal, handled: set[str]) -> HandledCalls:
        made = [
            (call.number, call.key.name, given_future(call.answer.value))
            for call in journal.calls
            if call.key.kind is CallKind.TOOL
            and call.key.name in handled
            and call.answer is not None
            and call.answer.error_type in {"", EXIT_TYPE}
        ]
        return HandledCalls(tuple(made), tuple(read_futures(journal, self.tools)))

    def plain_variable(self, name: str, default: Any) -> Any:
        """A small variable as the newest commit keeps it (store thread); the default for any other.

        No commit keeps those of a live job.
        """
        if self.mode is JobMode.LIVE:
            return default
        return plain_variable(self.jobs, self.record, self.head, name, default)

    def visible_tools(self, source: StepSource) -> dict[str, ToolDef]:
        """The tools of the host that are names of the workspace while this step runs.

        Hidden ones for a hidden warmup block only. What runs code is the sandbox's own.
        """
        found = {name: tool for name, tool in self.tools.items() if not (tool.system and name == PYTHON_CLI)}
        if source.hidden:
            return found
        return {name: tool for name, tool in found.items() if not (tool.hidden or tool.internal)}


def shown_text(definition: JobDefinition, kind: str, text: str) -> str:
    """The text of a chat item as the model gets it: what the user says has the hint of its language."""
    return definition.user_text(text) if kind == "user" else text


def _warmup_failure(jobs: JobRepository, record: JobRecord) -> str:
    """Why the newest step failed if it was a warmup block; empty otherwise."""
    # After the first reply the newest step is no warmup block; the chat log need not be read to know it.
    last = jobs.last_item(record) if not record.turns else None
    if last is None or last.kind != "warmup":
        return ""
    match last.state, last.outcome.get("outcome"):
        case "died", _:
            return str(last.outcome.get("message"))
        case "committed", "error":
            return f"{last.outcome.get('type')}: {last.outcome.get('message')}"
    return ""


def load_active_job(
    jobs: JobRepository,
    record: JobRecord,
    *,
    agent: Agent,
    policy: Policy,
    objects: ObjectGateway,
    futures: JobFutures,
    settings: StatekSettings,
    room: HistoryRoom,
) -> ActiveJob:
    """Build an active job from its records (store thread); its messages are to be read by ``read_page``."""
    if record.muted:
        agent = muted_agent(agent, record)
    definition = completed_definition(JobDefinition.from_json(record.definition), agent)
    style = style_for(definition.chat_style, xml_box_console=settings.xml_box_console)
    tools = {tool.name: tool for tool in definition.resolve_tools(agent)}
    first_step, opening = 0, []
    while first_step < jobs.item_count(record):
        item = jobs.item(record, first_step)
        if item.kind != "user" or item.usage:
            break
        opening.append(shown_text(definition, "user", item.text))
        first_step += 1
    objects.use_futures(futures)
    difficulty = current_difficulty(record, definition)
    head_seq = jobs.commit_count(record) - 1
    job = ActiveJob(
        number=record.number,
        tenant=record.tenant,
        principal=record.principal,
        record=record,
        jobs=jobs,
        agent=agent,
        definition=definition,
        style=style,
        tools=tools,
        policy=policy,
        objects=objects,
        futures=futures,
        limits=harness_from_metadata(agent.get_llm_harness(settings), definition.metadata),
        conversation=Conversation(style, definition.system_prompt(agent, difficulty), opening),
        head=jobs.workspace(record, head_seq),
        head_seq=head_seq,
        view=JobView(JobStatus[record.status]),
        unread=first_step,
        prompted=difficulty,
        processors=parse_post_processors(definition.post_processing),
        room=room,
    )
    flight = jobs.in_flight(record)
    if flight is not None:
        job.current = job.source_of(jobs.item(record, flight.item))
    job.refresh()
    return job
