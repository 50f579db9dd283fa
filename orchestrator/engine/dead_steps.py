"""What became of the calls of a step that ends as a death."""

from __future__ import annotations

from orchestrator.engine.gateway import EXIT_TYPE, StepGateway
from orchestrator.engine.journal import Journal
from orchestrator.sandboxes.step import CallAnswer

__all__ = ["effects_told", "settle_doubts"]

_MOST_TOLD = 50


async def settle_doubts(gateway: StepGateway, journal: Journal) -> None:
    """Find out what became of every call without an outcome, from an earlier run of the step.

    Raises:
        CallInDoubt: of one, only an operator can tell.
    """
    for call in [call for call in journal.calls if call.in_doubt]:
        await gateway.settle(call)


def effects_told(journal: Journal) -> str:
    """The calls that took effect, for the console; empty where there are none."""
    effects = [call for call in journal.calls if call.effect != "none"]
    if not effects:
        return ""
    listed = "; ".join(f"{call.key.name}(...) {_became(call.answer)}" for call in effects[:_MOST_TOLD])
    more = f" and {len(effects) - _MOST_TOLD} more" if len(effects) > _MOST_TOLD else ""
    return f"calls of this step that took effect: {listed}{more}"


def _became(answer: CallAnswer | None) -> str:
    """What became of a call."""
    if answer is None:
        return "is in doubt"
    return f"raised {answer.error_type}" if answer.error_type not in {"", EXIT_TYPE} else "succeeded"
