"""What a model is asked with, read back from the chat log of a job: now, or at any earlier request.

The driver of a job keeps the same conversation in memory (``orchestrator.engine.conversation``); this is for those who
look at it. Nothing is shortened to fit a model's window here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from orchestrator.engine.active_job import shown_text
from orchestrator.engine.provider_calls import calls_from_data
from orchestrator.engine.requests import OPENING_MESSAGE, HistoryItem, history_items
from statek.chat_history import ChatHistoryItem, ChatRole, ContentSource
from statek.difficulty import TaskDifficulty
from statek.executors.views import ItemView
from statek.inbox import InboxEntry
from statek.job_definition import JobDefinition
from statek.styles import style_for

__all__ = ["RequestHistory", "request_history"]

_FINISHED = frozenset({"none", "committed", "died"})


@dataclass(frozen=True, slots=True)
class RequestHistory:
    """What one request was, or would be, made of.

    Attributes:
        items: everything behind the system message.
        difficulty: that was in force.
    """

    items: tuple[ChatHistoryItem, ...]
    difficulty: TaskDifficulty


def request_history(
    definition: JobDefinition,
    items: Sequence[ItemView],
    *,
    difficulty: TaskDifficulty,
    inbox: Iterable[InboxEntry] = (),
    turn: int | None = None,
) -> RequestHistory:
    """The conversation that the model was asked with at a turn.

    Args:
        definition: of the job.
        items: its whole chat log.
        difficulty: in force now.
        inbox: what waits to be told to it; is part of the next request.
        turn: number of the request, from 0; None for the next one.

    Raises:
        IndexError: there was no such request.
    """
    told = [*items]
    waiting = [HistoryItem(e.kind, e.text, e.lookup, [("print", e.result)] if e.lookup else ()) for e in inbox]
    if turn is not None:
        asked = [index for index, item in enumerate(items) if _answers_a_request(item)]
        if not 0 <= turn < len(asked):
            raise IndexError(f"the job made {len(asked)} model requests, there is none of number {turn}")
        answer = items[asked[turn]]
        difficulty = TaskDifficulty(answer.usage.get("difficulty") or definition.difficulty.value)
        told, waiting = told[: _began(items, asked[turn])], []
    opening = [item.text for item in told[: _opening_length(told)]]
    entries = [_entry(item) for item in told[len(opening) :] if item.state in _FINISHED]
    return RequestHistory(
        tuple(_messages(definition, opening, [*entries, *((one, False) for one in waiting)])), difficulty
    )


def _answers_a_request(item: ItemView) -> bool:
    """Whether an entry is a reply, or stands for one that a post-processor suppressed."""
    return item.kind == "reply" or (item.kind == "post_processed" and "draft" in item.usage)


def _began(items: Sequence[ItemView], answer: int) -> int:
    """Where the conversation of a request ended: what post-processors said of its answer came after it."""
    while answer and items[answer - 1].kind == "post_processed" and "draft" not in items[answer - 1].usage:
        answer -= 1
    return answer


def _opening_length(items: Sequence[ItemView]) -> int:
    """How many messages of the user stand before everything else."""
    return next((n for n, item in enumerate(items) if item.kind != "user" or item.usage), len(items))


def _entry(item: ItemView) -> tuple[HistoryItem, bool]:
    """An entry as the model sees it, and whether it is hidden."""
    calls, log = calls_from_data(item.usage.get("calls")), item.usage.get("tool_log", ())
    hidden = item.usage.get("hidden", False) is True
    return HistoryItem(item.kind, item.text, item.code, item.console, calls, log), hidden


def _messages(
    definition: JobDefinition, opening: Sequence[str], entries: Iterable[tuple[HistoryItem, bool]]
) -> list[ChatHistoryItem]:
    style = style_for(definition.chat_style)
    said = "\n".join(shown_text(definition, "user", text) for text in opening) or OPENING_MESSAGE
    found = [ChatHistoryItem(ChatRole.USER, said, ContentSource.USER)]
    counts: dict[str, int] = {}
    for item, hidden in entries:
        number = counts.get(item.kind, 0)
        counts[item.kind] = number + 1
        if not hidden:
            text = shown_text(definition, item.kind, item.text)
            found += history_items(style, replace(item, text=text, number=number))
    return found
