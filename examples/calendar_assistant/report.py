"""The readable transcript of a job, from plain data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

__all__ = ["CallReport", "JobReport", "StepReport", "render_report"]

_WIDTH = 100
_MAX_LINES = 60
_MAX_CALL = 200
_MAX_PREVIEW = 100


@dataclass(frozen=True, slots=True)
class CallReport:
    """One call of a step.

    Attributes:
        name: the tool, or ``Type.method`` of a durable object.
        arguments: the arguments as text; None for reading an attribute.
        outcome: result or error as text.
        effect: ``none``, ``store`` or ``external``.
        attempts: how often the host ran it.
    """

    name: str
    arguments: str | None
    outcome: str
    effect: str
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class StepReport:
    """One run of submitted code.

    Attributes:
        title: for example ``step 3`` or ``warm-up``.
        code: what was executed.
        console: what it printed, an error included.
        calls: its calls in order.
        changed: names of the variables that it made or changed.
        seconds: how long it took; None if unknown.
    """

    title: str
    code: str
    console: str
    calls: tuple[CallReport, ...] = ()
    changed: tuple[str, ...] = ()
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class JobReport:
    """A finished job.

    Attributes:
        job_id: its id.
        status: for example ``DONE``.
        tier: isolation that was in force.
        model: model string; ``recorded`` says that it was the recording.
        steps: in order, the warm-up included.
        calendar_changes: one line for each moved meeting.
        sent: one line for each message in the outbox.
        variables: name to one-line preview of what the job kept.
        counters: name to value, printed in this order.
        error: why it failed; empty if it did not.
        exit_status: what the code gave to exit().
    """

    job_id: str
    status: str
    tier: str
    model: str
    recorded: bool
    steps: tuple[StepReport, ...]
    calendar_changes: tuple[str, ...] = ()
    sent: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    counters: Mapping[str, int | float | str] = field(default_factory=dict)
    error: str = ""
    exit_status: str = ""


def render_report(report: JobReport, command: str = "statek") -> Iterator[str]:
    """The lines to print, the machine-readable one last: ``job <id> <status> tier=<tier> steps=<n>``.

    Args:
        report: what to print.
        command: how the user types ``statek``.
    """
    origin = "recorded replies" if report.recorded else "live replies"
    yield f"Job {report.job_id}, model {report.model} ({origin}), isolation: {report.tier}"
    for step in report.steps:
        yield from _render_step(step)
    yield from _section("What changed in the calendar", report.calendar_changes or ("nothing",))
    yield from _section("Messages in the outbox", report.sent or ("none",))
    width = max(map(len, report.variables), default=0)
    yield from _section(
        "Variables that the job keeps",
        [f"{name:<{width}}  {_short(text, _MAX_PREVIEW)}" for name, text in sorted(report.variables.items())]
        or ["none"],
    )
    if report.counters:
        yield from _section("Counters", [f"{name}: {value}" for name, value in report.counters.items()])
    if report.error:
        yield from _section("Error", [report.error])
    if report.exit_status:
        yield from _section("Answer", [report.exit_status])
    yield from _section(
        "To look further",
        [
            f"{command} jobs",
            f"{command} show {report.job_id}",
            f"{command} locals {report.job_id}",
            f"{command} logs {report.job_id}",
        ],
    )
    yield ""
    yield f"job {report.job_id} {report.status} tier={report.tier or 'none'} steps={len(report.steps)}"


def _render_step(step: StepReport) -> Iterator[str]:
    took = f" ({step.seconds * 1000:.0f} ms)" if step.seconds is not None else ""
    heading = f"── {_printable(step.title)}{took} "
    yield ""
    yield heading + "─" * max(3, _WIDTH - len(heading))
    yield from (f"  {line}" for line in _lines(step.code))
    if step.console:
        yield "  console:"
        yield from (f"  │ {line}" for line in _lines(step.console))
    for call in step.calls:
        again = f", {call.attempts} attempts" if call.attempts > 1 else ""
        asked = call.name if call.arguments is None else f"{call.name}({call.arguments})"
        text = f"{asked} → {call.outcome}"
        yield f"  call [{call.effect}{again}] {_short(text, _MAX_CALL)}"
    if step.changed:
        yield f"  variables: {', '.join(_printable(name) for name in step.changed)}"


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield ""
    yield f"{title}:"
    for line in lines:
        yield from (f"  {part}" for part in _lines(line))


def _lines(text: str) -> Iterator[str]:
    """Printable lines, the middle of a long text left out and counted."""
    lines = text.rstrip("\n").split("\n")
    if len(lines) > _MAX_LINES:
        half = _MAX_LINES // 2
        lines = [*lines[:half], f"... {len(lines) - 2 * half} lines left out ...", *lines[-half:]]
    yield from (_printable(line) for line in lines)


def _short(text: str, limit: int) -> str:
    line = _printable(text.replace("\n", " "))
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _printable(text: str) -> str:
    """Without what would steer a terminal or cannot be encoded: the texts come from code that nobody has read."""
    return "".join(c if c.isprintable() or c == "\t" else f"\\x{ord(c):02x}" for c in text)
