"""Plain-data views of a job: what inspection shows, wherever it is asked.

They hold no durable object and are safe to use on any thread and to send anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from statek.job_mode import JobMode

__all__ = [
    "AgentView",
    "AwaitedView",
    "CallView",
    "FileView",
    "FutureView",
    "HeldView",
    "InboxView",
    "ItemView",
    "JobSummary",
    "JobView",
    "QueueView",
    "ToolCallView",
    "VariableView",
]


@dataclass(frozen=True, slots=True)
class CallView:
    """A recorded host call.

    Attributes:
        job, step, number: where it happened.
        name, kind, handle: what was asked of whom; without a name an object was looked at as a whole, to be shown.
        target: class of the object behind the handle; empty for a tool.
        arguments: short text of the arguments, empty where they were not kept.
        effect: ``none`` | ``store`` | ``external``.
        state: ``done`` | ``failed`` | ``in doubt``.
        result: short text of the value or the error.
        idempotency_key: of external calls.
    """

    job: str
    step: int
    number: int
    name: str
    kind: str
    handle: int
    arguments: str
    effect: str
    state: str
    result: str
    idempotency_key: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class FileView:
    """One file of ``/work`` as of the newest commit.

    Attributes:
        path: relative to ``/work``, with slashes; never absolute, without ``.`` and ``..``. The sandbox chose it.
        size_bytes: its length.
        mode: permission bits in the sandbox (0 to 0o777); nothing on the host follows them.
    """

    path: str
    size_bytes: int
    mode: int


@dataclass(frozen=True, slots=True)
class AwaitedView:
    """What a job waits for.

    Attributes:
        mode: ``any`` of the futures is enough, or ``all`` are needed.
        futures: their ids.
        what: what they stand for, in the same order.
        statement: index of the top-level statement that needs them; informational.
    """

    mode: str
    futures: tuple[str, ...]
    what: tuple[str, ...]
    statement: int


@dataclass(frozen=True, slots=True)
class FutureView:
    """A value that somebody is to give, or has given.

    Attributes:
        id: by which it is resolved.
        job: the job whose tool made it.
        what: what is waited for.
        kind: ``event`` | ``temporal`` | ``all`` | ``any``.
        state: ``pending`` | ``resolved`` | ``failed`` | ``cancelled`` | ``expired``.
        details: what was told to whoever decides, as short text.
        result: the value or the message, as short text.
        created_us, deadline_us, settled_us: microseconds UTC; 0 for never or not yet.
    """

    id: str
    job: str
    what: str
    kind: str
    state: str
    details: str
    result: str
    created_us: int
    deadline_us: int
    settled_us: int


@dataclass(frozen=True, slots=True)
class ToolCallView:
    """A formal tool call of a reply, or of a warmup block, with what it showed.

    Attributes:
        id: the provider's, made unique in the job.
        name: of the tool.
        arguments: JSON text as the model wrote it.
        console: ``(kind, text)`` elements of the call.
    """

    id: str
    name: str
    arguments: str
    console: tuple[tuple[str, str], ...]

    @property
    def output(self) -> str:
        """What the model is shown of it."""
        return "\n".join(text for kind, text in self.console if kind != "progress")

    @property
    def failed(self) -> bool:
        """Whether it ended with an error."""
        return any(kind == "error" for kind, _ in self.console)


@dataclass(frozen=True, slots=True)
class ItemView:
    """One entry of the chat log, with its step if it has one.

    ``usage`` holds what the service notes of the entry: usage of model and sandbox, and the formal calls that
    ``tool_log`` gives in a readable form.
    """

    kind: str
    at_us: int
    text: str
    step: int
    code: str
    state: str
    attempts: int
    console: tuple[tuple[str, str], ...]
    outcome: dict[str, Any]
    changed: tuple[str, ...]
    calls: tuple[CallView, ...]
    start_commit: int
    end_commit: int
    usage: dict[str, Any] = field(default_factory=dict)

    @property
    def traceback(self) -> tuple[str, ...] | None:
        """Of a warmup block whose code failed: where, line by line, as the sandbox tells it; None otherwise."""
        lines = self.usage.get("traceback")
        return None if lines is None else tuple(lines)

    @property
    def tool_log(self) -> tuple[ToolCallView, ...]:
        """The formal tool calls of the entry, in order, with what each showed."""
        calls: list[list[str]] = self.usage.get("calls") or []
        shown: list[list[list[str]]] = self.usage.get("tool_log") or []
        shown = shown + [[]] * (len(calls) - len(shown))
        return tuple(
            ToolCallView(id_, name, arguments, tuple((kind, text) for kind, text in elements))
            for (id_, name, arguments), elements in zip(calls, shown, strict=False)
        )


@dataclass(frozen=True, slots=True)
class JobSummary:
    """One line about a job."""

    id: str
    role: str
    tenant: str
    principal: str
    status: str
    reason: str
    failure: dict[str, str] | None
    steps: int
    turns: int
    tier: str
    created_us: int
    changed_us: int
    input_tokens: int
    output_tokens: int
    cost_microusd: int
    exit_status: str
    num_completions: int = 0
    cached_tokens: int = 0
    repeated_replies: int = 0
    parent: str = ""
    origin: str = ""
    mode: str = JobMode.DURABLE.value


@dataclass(frozen=True, slots=True)
class InboxView:
    """What waits to be told to a job."""

    kind: str
    text: str
    at_us: int


@dataclass(frozen=True, slots=True)
class JobView:
    """A job with its whole chat log, and what waits in its inbox.

    Attributes:
        warmup_block: index of the warmup block that runs, waits or comes next; None for none.
        blocks: where its larger values are kept, for people.
    """

    summary: JobSummary
    items: tuple[ItemView, ...]
    commits: int
    image_digest: str
    inbox: tuple[InboxView, ...] = ()
    awaited: AwaitedView | None = None
    warmup_block: int | None = None
    blocks: str = ""


@dataclass(frozen=True, slots=True)
class VariableView:
    """One variable.

    Attributes:
        name: its name.
        preview: one bounded line, made in the sandbox (data, never trusted).
        form: ``graph`` (``value`` is readable), ``opaque``, ``unread`` (too much to be read with the others; a look at
            this name alone reads it) or ``lost``.
        value: the host value for form graph; durable objects are ``Handle``s.
        size_bytes: of the component that it belongs to.
    """

    name: str
    preview: str
    form: str
    value: Any
    size_bytes: int


@dataclass(frozen=True, slots=True)
class HeldView:
    """An entry of a queue that could not be delivered.

    Attributes:
        at_us: when it was pushed, microseconds UTC.
        target: the job that it is for; empty for an event.
        value: short text of what was pushed.
        reason: why it could not be delivered.
    """

    at_us: int
    target: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class AgentView:
    """An agent that the store knows.

    Attributes:
        role: its name.
        agent_class: ``module:class`` of the agent.
        source: ``module:attribute`` where the application holds it; empty where it does under no name.
        made_in: module whose code made it.
        digest: of its class, prompt, metadata, description, tools' declarations and warmup.
        description: its capability text, cut where it is long.
        created_us, changed_us, seen_us: when the store first knew it, when its digest last changed, when a service last
            ran it; microseconds UTC.
        running: whether the service that was asked runs it.
    """

    role: str
    agent_class: str
    source: str
    made_in: str
    digest: str
    description: str
    created_us: int
    changed_us: int
    seen_us: int
    running: bool = False


@dataclass(frozen=True, slots=True)
class QueueView:
    """One queue.

    Attributes:
        role: whose events it holds; empty for the messages to jobs.
        waiting: entries that are to be delivered.
        held: entries that could not be, tried again at the next start.
        entries: the first of those.
    """

    role: str
    waiting: int
    held: int
    entries: tuple[HeldView, ...]
