"""Views as lines of text. Texts of jobs stand behind a mark, so they cannot pass for the command's own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from orchestrator.cli.terminal import split_lines
from orchestrator.printable import printable
from statek.executors.views import (
    AgentView,
    CallView,
    FileView,
    FutureView,
    ItemView,
    JobSummary,
    JobView,
    QueueView,
    ToolCallView,
    VariableView,
)
from statek.kv_store import describe_location

__all__ = [
    "agent_rows",
    "call_lines",
    "call_rows",
    "closing_line",
    "file_rows",
    "future_lines",
    "future_rows",
    "item_lines",
    "job_lines",
    "job_rows",
    "money",
    "queue_lines",
    "table",
    "tool_call_lines",
    "variable_rows",
    "when",
]

_MARKS = {"print": "|", "stream": "|", "echo": "|", "progress": "~", "error": "!", "note": "*"}
"""What stands before a line of the console, by its kind."""


def when(at_us: int) -> str:
    """A moment in UTC, to the second; one beyond the calendar as its seconds since 1970."""
    try:
        moment = dt.datetime.fromtimestamp(at_us // 1_000_000, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return f"{at_us // 1_000_000} s"
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def money(microusd: int) -> str:
    """An amount of US dollars."""
    return f"${microusd / 1e6:.4f}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell, the last one as it is; nothing is cut or wrapped."""
    cells = [[printable(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in cells
    ]


def job_rows(jobs: Sequence[JobSummary]) -> list[str]:
    """A table of jobs."""
    header = ("ID", "STATUS", "ROLE", "MODE", "STEPS", "TIER", "TOKENS", "COST", "CHANGED (UTC)", "REMARK")
    rows = [
        (
            job.id,
            job.status,
            job.role,
            job.mode,
            str(job.steps),
            job.tier or "-",
            str(job.input_tokens + job.output_tokens),
            money(job.cost_microusd),
            when(job.changed_us),
            _remark(job),
        )
        for job in jobs
    ]
    return table(header, rows)


def _remark(job: JobSummary) -> str:
    """Why it waits or how it failed."""
    if job.failure is not None:
        return f"failed: {_failure(job.failure)}"
    return job.reason


def _failure(failure: dict[str, str]) -> str:
    kind, type_name, message = (failure.get(key, "") for key in ("kind", "type", "message"))
    named = f"{type_name}: {message}" if type_name and message else type_name or message
    return f"{kind}: {named}" if kind and named else kind or named


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def closing_line(job: JobSummary) -> str:
    """The last line of ``statek run``."""
    return f"job {job.id} {job.status} tier={job.tier or 'none'} steps={job.steps}"


_MAX_CELL_CHARS = 60


def job_lines(view: JobView) -> Iterator[str]:
    """A whole job."""
    job = view.summary
    yield f"job {job.id}  {job.status}  role {job.role}  mode {job.mode}  tier {job.tier or '-'}"
    yield f"tenant {job.tenant}  principal {job.principal or '-'}"
    yield f"created {when(job.created_us)} UTC  changed {when(job.changed_us)} UTC"
    yield (
        f"steps {job.steps}  turns {job.turns}  commits {view.commits}  "
        f"tokens {job.input_tokens} in, {job.output_tokens} out  cost {money(job.cost_microusd)}"
    )
    if job.repeated_replies:
        times = _times(job.repeated_replies)
        yield f"model asked again after a restart: {times}; what that cost is not in the figures above"
    if view.blocks and view.blocks != describe_location("disk"):
        yield f"larger values are kept {view.blocks}"
    if view.image_digest:
        yield f"image {view.image_digest}"
    if job.failure is not None:
        yield f"failed: {_failure(job.failure)}"
    if job.parent:
        yield f"parent: {job.parent}"
    if job.origin:
        yield f"imported: it was {job.origin}"
    if job.reason:
        yield f"reason: {job.reason}"
    if view.awaited is not None:
        for id_, what in zip(view.awaited.futures, view.awaited.what, strict=True):
            yield f"waits for: {what}  (statek futures show {id_})"
    if job.exit_status:
        yield f"exit: {job.exit_status}"
    for entry in view.inbox:
        yield f"waiting {entry.kind}  {when(entry.at_us)} UTC"
        yield from (f"  {line}" for line in _marked('"', entry.text))
    for index, item in enumerate(view.items):
        yield ""
        yield from item_lines(index, item)


def item_lines(index: int, item: ItemView) -> Iterator[str]:
    """One entry of the chat log."""
    head = f"[{index}] {item.kind}"
    if item.step:
        head += f"  step {item.step}  {item.state}"
    if item.attempts > 1:
        head += f"  attempts {item.attempts}"
    yield f"{head}  {when(item.at_us)} UTC"
    if item.text and not item.code:
        yield from (f"  {line}" for line in _marked('"', item.text))
    for asked in item.tool_log:
        yield from (f"  {line}" for line in tool_call_lines(asked))
    yield from (f"    {line}" for line in (split_lines(item.code) if item.code else ()))
    for kind, text in item.console:
        yield from (f"  {line}" for line in _marked(_MARKS.get(kind, "?"), text))
    yield from (f"  {line}" for call in item.calls for line in call_lines(call))
    outcome = str(item.outcome.get("outcome", ""))
    if outcome and outcome.lower() != "ok":
        about = ": ".join(str(item.outcome[key]) for key in ("type", "message") if item.outcome.get(key))
        yield f"  ended: {outcome}{f' ({about})' if about else ''}"
    if item.changed:
        yield f"  changed: {', '.join(item.changed)}"
    used = _used(item.usage)
    if used:
        yield f"  used: {used}"


def _marked(mark: str, text: str) -> Iterator[str]:
    return (f"{mark} {line}" for line in split_lines(text))


def _used(usage: dict[str, object]) -> str:
    """What the model and the sandbox used; numbers only, by name."""
    shown = []
    for name, value in usage.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not value:
            continue
        shown.append(f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}")
    return ", ".join(shown)


def tool_call_lines(call: ToolCallView) -> Iterator[str]:
    """One formal tool call of a reply, and what it showed."""
    first, *more = list(split_lines(f"{call.name}({call.arguments})")) or [""]
    yield f"asked {call.id}: {first}"
    yield from (f"    {line}" for line in more)
    for kind, text in call.console:
        yield from (f"  {line}" for line in _marked(_MARKS.get(kind, "?"), text))


def call_lines(call: CallView) -> Iterator[str]:
    """One call of a step."""
    owner = f"{call.target or 'object'}#{call.handle}." if call.handle else ""
    read = f"{owner}{call.name}".removesuffix(".")  # an object that was looked at as a whole has no name behind it
    asked = read if call.kind == "get_attribute" else f"{owner}{call.name}({call.arguments})"
    yield f"call {call.number}: {asked}  effect {call.effect}  {call.state}"
    if call.result:
        yield f"    -> {call.result}"


def future_rows(futures: Sequence[FutureView]) -> list[str]:
    """A table of futures."""
    header = ("ID", "JOB", "WAITS FOR", "STATE", "SINCE (UTC)", "UNTIL (UTC)", "DETAILS")
    rows = [
        (
            one.id,
            one.job,
            one.what,
            one.state,
            when(one.created_us),
            when(one.deadline_us) if one.deadline_us else "-",
            one.details[:_MAX_CELL_CHARS],
        )
        for one in futures
    ]
    return table(header, rows)


def future_lines(future: FutureView) -> Iterator[str]:
    """One future."""
    yield f"future {future.id}  {future.state}  job {future.job}  kind {future.kind}"
    yield f"waits for: {future.what}"
    yield f"since {when(future.created_us)} UTC" + (
        f"  until {when(future.deadline_us)} UTC" if future.deadline_us else ""
    )
    if future.details:
        yield f"details: {future.details}"
    if future.settled_us:
        yield f"ended {when(future.settled_us)} UTC: {future.result}"


def call_rows(calls: Sequence[CallView]) -> list[str]:
    """A table of calls in doubt."""
    header = ("JOB", "STEP", "CALL", "NAME", "EFFECT", "IDEMPOTENCY KEY", "ARGUMENTS")
    rows = [
        (call.job, str(call.step), str(call.number), call.name, call.effect, call.idempotency_key, call.arguments)
        for call in calls
    ]
    return table(header, rows)


def variable_rows(variables: Sequence[VariableView]) -> list[str]:
    """A table of variables."""
    header = ("NAME", "FORM", "BYTES", "VALUE")
    rows = [(variable.name, variable.form, str(variable.size_bytes), variable.preview) for variable in variables]
    return table(header, rows)


def file_rows(files: Sequence[FileView]) -> list[str]:
    """A table of files."""
    return table(("BYTES", "PATH"), [(str(file.size_bytes), file.path) for file in files])


def agent_rows(agents: Sequence[AgentView]) -> Iterator[str]:
    """The agents."""
    rows = [
        (
            agent.role,
            "yes" if agent.running else "no",
            agent.digest[:12],
            when(agent.changed_us),
            when(agent.seen_us),
            agent.source or "-",
            agent.description or "-",
        )
        for agent in agents
    ]
    yield from table(("ROLE", "RUNNING", "DIGEST", "CHANGED (UTC)", "SEEN (UTC)", "HELD AT", "DESCRIPTION"), rows)


def queue_lines(queues: Sequence[QueueView]) -> Iterator[str]:
    """The queues, and below them what could not be delivered."""
    rows = [(queue.role or "(messages)", str(queue.waiting), str(queue.held)) for queue in queues]
    yield from table(("QUEUE", "WAITING", "HELD"), rows)
    for queue in queues:
        for held in queue.entries:
            yield ""
            yield printable(f"held in {queue.role or '(messages)'}  {when(held.at_us)} UTC  {held.target}".rstrip())
            yield from (f"  {line}" for line in _marked('"', held.value))
            yield from (f"  {line}" for line in _marked("!", held.reason))
