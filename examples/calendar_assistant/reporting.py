"""Gathers what the report prints from the service, the store and the outbox."""

from __future__ import annotations

from typing import Any

from examples.calendar_assistant.calendar import Calendar
from examples.calendar_assistant.options import ChosenModel
from examples.calendar_assistant.outbox import Outbox
from examples.calendar_assistant.report import CallReport, JobReport, StepReport
from examples.calendar_assistant.setup import find_user
from orchestrator.engine.service import Service
from orchestrator.store.store import Store
from statek.executors.views import CallView, ItemView, JobSummary

__all__ = ["job_report"]


async def job_report(service: Service, store: Store, job: str, *, model: ChosenModel, outbox: Outbox) -> JobReport:
    """Everything about one finished (or resting) job."""
    view = await service.job(job)
    summary = view.summary
    variables = await service.variables(job)
    sent = [f"to {message.to}: {message.text}" for message in outbox.messages() if f".{job}." in message.key]
    return JobReport(
        job_id=job,
        status=summary.status,
        tier=summary.tier,
        model=model.name,
        recorded=model.recorded,
        steps=tuple(_step(item) for item in view.items if item.step),
        calendar_changes=tuple(await store.read(_calendar_changes)),
        sent=tuple(sent),
        variables={variable.name: variable.preview for variable in variables},
        counters=_counters(summary, view.items, view.commits),
        error=_error(summary),
        exit_status=summary.exit_status,
    )


def _calendar_changes() -> list[str]:
    """The newest user's calendar, as the store has it now (store thread)."""
    user = find_user()
    calendar: Calendar | None = user.calendar if user is not None else None
    return [str(line) for line in calendar.changes] if calendar is not None else []


def _step(item: ItemView) -> StepReport:
    sandbox: dict[str, Any] = item.usage.get("sandbox", {})
    title = "warm-up" if item.kind == "warmup" else f"step {item.step}"
    if item.attempts > 1:
        title += f", run {item.attempts} times"
    return StepReport(
        title=title,
        code=item.code,
        console="\n".join(text for _, text in item.console),
        calls=tuple(_call(call) for call in item.calls),
        changed=item.changed,
        seconds=sandbox.get("wall_seconds"),
    )


def _call(call: CallView) -> CallReport:
    name = f"{call.target}.{call.name}" if call.target else call.name
    return CallReport(name, None if call.kind == "get_attribute" else call.arguments, call.result, call.effect)


def _counters(summary: JobSummary, items: tuple[ItemView, ...], commits: int) -> dict[str, int | float | str]:
    return {
        "steps": summary.steps,
        "model turns": summary.turns,
        "errors that the model saw": sum(item.outcome.get("outcome") == "error" for item in items),
        "calls": sum(len(item.calls) for item in items),
        "commits": commits,
        "tokens in / out": f"{summary.input_tokens} / {summary.output_tokens}",
        "cost in US dollars": f"{summary.cost_microusd / 1e6:.4f}",
    }


def _error(summary: JobSummary) -> str:
    if summary.failure is not None:
        return f"{summary.failure['kind']}: {summary.failure['message']}"
    return summary.reason
